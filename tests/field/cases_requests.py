"""Section 1 of the field cases: requests that a server refuses."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import orjson

from tests.e2e.installation import OLDEST, PREVIOUS, VERSION
from tests.field.rig import (
    Body,
    Case,
    Refuses,
    assistant,
    call,
    chat_call,
    chat_text,
    developer,
    error,
    message,
    message_call,
    message_text,
    messages_of,
    names,
    parts,
    picture,
    result,
    roles,
    schema_of,
    tool,
    user,
)

UNION = {
    "type": "object",
    "properties": {"query": {"type": "string", "anyOf": [{"type": "string"}, {"type": "null"}]}},
}
ROOT_UNION = {
    "type": "object",
    "anyOf": [
        {"properties": {"page": {"type": "string"}}, "required": ["page"]},
        {"properties": {"block": {"type": "string"}}, "required": ["block"]},
    ],
}
MOONSHOT = error(
    "Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <At path "
    "'properties.query': when using anyOf, type should be defined in anyOf items instead of the parent schema>",
    type="invalid_request_error",
)
CONTEXT = (developer("<permissions>all</permissions>"), user("<environment_context/>"), user("go"))
"""How Codex begins a thread: instructions, a developer message, then two user messages."""
LATER = developer("<collaboration_mode>Plan</collaboration_mode>")
PNG = "data:image/png;base64,"
FORMAT = {"format": {"type": "json_schema", "name": "out", "strict": True, "schema": {
    "type": "object", "additionalProperties": False, "required": ["count", "name"],
    "properties": {"count": {"type": "integer", "minimum": 1, "maximum": 9},
                   "name": {"type": "array", "minItems": 2, "items": {"type": "string", "minLength": 3}}}}}}  # fmt: skip
FORCED = {"type": "function", "name": "shell"}


def png(size: int = 1, seed: int = 0) -> str:
    """A PNG of a grey level."""
    raw = b"".join(b"\0" + bytes([seed]) * size for _ in range(size))

    def part(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    whole = (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", zlib.compress(raw))
        + part(b"IEND", b"")
    )
    return base64.b64encode(whole).decode()


def typed_branches(schema: Any) -> bool:
    """Moonshot's rule: no type next to anyOf, and a type in each branch."""
    if isinstance(schema, list):
        return all(map(typed_branches, schema))
    if not isinstance(schema, dict):
        return True
    if "anyOf" in schema and (
        "type" in schema or not all("type" in one for one in schema["anyOf"])
    ):
        return False
    return all(map(typed_branches, schema.values()))


def two_systems(body: Body, _: object) -> bool:
    places = [at for at, role in enumerate(roles(body)) if role in {"system", "developer"}]
    return any(at > 0 for at in places)


def two_users(body: Body, _: object) -> bool:
    found = roles(body)
    return any(one == other == "user" for one, other in pairwise(found))


def user_after_tool(body: Body, _: object) -> bool:
    found = roles(body)
    return any((one, other) == ("tool", "user") for one, other in pairwise(found))


def call_without_reasoning(body: Body, _: object) -> bool:
    return any(
        "reasoning_content" not in one
        for one in messages_of(body, "assistant")
        if one.get("tool_calls")
    )


def thinks(body: Body) -> bool:
    """A server that thinks unless the request disables it."""
    return bool(body.get("thinking", {}).get("type") != "disabled")


def thinks_on_broken_chain(body: Body, request: object) -> bool:
    return thinks(body) and call_without_reasoning(body, request)


def thinks_on_broken_messages(body: Body, _: object) -> bool:
    calls = [
        one
        for one in messages_of(body, "assistant")
        if any(part["type"] == "tool_use" for part in one["content"])
    ]
    return thinks(body) and any(one["content"][0]["type"] != "thinking" for one in calls)


def has_picture(body: Body, _: object) -> bool:
    return bool(parts(body, "image_url") or parts(body, "image"))


def wrong_keys(body: Body, _: object) -> bool:
    return bool({"$top", "filter[app]"} & set(schema_of(body)["properties"]))


def mislabelled(body: Body, _: object) -> bool:
    sources = [one["source"] for one in parts(body, "image")]
    return any(
        one["media_type"] != "image/png" for one in sources if one["data"].startswith("iVBOR")
    )


def many_large(body: Body, _: object) -> bool:
    return len(parts(body, "image")) > 20


def effort_is(*accepted: str) -> Refuses:
    def refused(body: Body, _: object) -> bool:
        return body.get("output_config", {}).get("effort") not in (None, *accepted)

    listed = ", ".join(f"'{one}'" for one in accepted)
    return Refuses(
        refused,
        error(f"output_config.effort: Input should be {listed}", type="invalid_request_error"),
    )


def effort_sent(wanted: str) -> Callable[[list[Body]], bool]:
    return lambda bodies: bool(bodies[-1]["output_config"]["effort"] == wanted)


def offers(levels: tuple[str, ...]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether the picker of Codex offers these levels."""
    return lambda entry: (
        set(levels) <= {one["effort"] for one in entry["supported_reasoning_levels"]}
    )


def offers_exactly(*levels: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether the picker of Codex offers these levels, in this order, and no other."""
    return lambda entry: (
        [one["effort"] for one in entry["supported_reasoning_levels"]] == list(levels)
    )


def mixed_strict(body: Body, _: object) -> bool:
    return len({one["function"].get("strict", False) for one in body.get("tools", ())}) > 1


def template(case: str, model: str, said: str, **fields: Any) -> Case:
    """A local server whose chat template takes one leading system message."""
    return Case(
        case,
        {"model": model, **fields},
        turns=({"add": [*CONTEXT]}, {"add": [LATER, user("next")]}),
        refuses=(Refuses(two_systems, error(said), 500 if "template" in said else 400),),
        sent=lambda bodies: (
            bodies[0]["messages"][0]["role"] in {"system", "developer"}
            and "Plan" in str(bodies[1]["messages"])
        ),
    )


PARALLEL_REASONING = [
    {
        "reasoning_details": [
            {"type": "reasoning.text", "text": "let ", "format": "anthropic-claude-v1", "index": 0}
        ]
    },
    {
        "reasoning_details": [
            {
                "type": "reasoning.text",
                "text": "me see",
                "format": "anthropic-claude-v1",
                "index": 0,
            }
        ]
    },
    {
        "reasoning_details": [
            {
                "type": "reasoning.text",
                "signature": "c2ln",
                "format": "anthropic-claude-v1",
                "index": 0,
            }
        ]
    },
]
ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")
PICTURES = [picture(PNG + png(4, seed)) for seed in range(21)]

ODD_KEYS = {
    "type": "object",
    "properties": {"$top": {"type": "string"}, "filter[app]": {"type": "string"}},
    "required": ["$top"],
}


def uses(body: Body) -> list[Body]:
    return parts(body, "tool_use")


def odd_call(body: Body) -> bytes:
    """A call with every property as it was declared."""
    return message_call(
        orjson.dumps(dict.fromkeys(schema_of(body)["properties"], "x")).decode(), name="list"
    )


def odd_call_chat(body: Body) -> bytes:
    return chat_call(
        orjson.dumps(dict.fromkeys(schema_of(body)["properties"], "x")).decode(), name="list"
    )


CASES = [
    Case("c01", {"model": "kimi-k2.6", "provider": "kimi"}, ({"tools": [tool("search", UNION)]},),
         refuses=(Refuses(lambda body, _: not typed_branches(schema_of(body)), MOONSHOT),)),
    Case("c01-gateway", {"model": "moonshotai/kimi-k2.6", "provider": "openrouter"}, ({"tools": [tool("search", UNION)]},),
         refuses=(Refuses(lambda body, _: not typed_branches(schema_of(body)), MOONSHOT),)),
    Case("c02", {"model": "kimi-k3", "provider": "kimi-coding"}, ({"tools": [tool("notion", ROOT_UNION)]},),
         answers=(chat_call('{"page":"p"}', name="notion"),),
         refuses=(Refuses(lambda body, _: "anyOf" in schema_of(body) or schema_of(body).get("type") != "object", MOONSHOT),),
         sent=lambda bodies: {"page", "block"} <= set(schema_of(bodies[0])["properties"]), calls=(("notion", {"page": "p"}),)),
    Case("c03", {"model": "gpt-oss-120b", "provider": "cerebras"},
         ({"tools": [tool(), tool("other", strict=True), {"type": "custom", "name": "apply_patch", "description": "Patch."}]},),
         refuses=(Refuses(mixed_strict, error("Tools with mixed values for 'strict' are not allowed.", code="wrong_api_format"), 422),),
         sent=lambda bodies: names(bodies[0]) == ["shell", "other", "apply_patch"]),
    template("c04", "qwen3.5-35b-a3b", "Jinja template: System message must be at the beginning.", provider="llamacpp"),
    template("c04-generic", "qwen3.5-35b-a3b", "Jinja template: System message must be at the beginning."),
    template("c05", "qwen/qwen3.8-27b", "Error rendering prompt with jinja template: System message must be at the beginning.", provider="lmstudio"),
    template("c07", "MiniMax-M2.7", "invalid params, chat content has invalid message role: system (2013)", provider="minimax"),
    Case("c08", {"model": "devstral-2", "provider": "llamacpp"}, ({"add": [*CONTEXT]}, {}),
         refuses=(Refuses(two_users, error("Conversation roles must alternate; raised by the chat template", code=500), 500),), strict={"user_after_tool": False},
         sent=lambda bodies: all(text in str(messages_of(bodies[0], "user")) for text in ("environment_context", "go"))),
    Case("c08-final", {"model": "devstral-2", "provider": "llamacpp"},
         refuses=(Refuses(lambda _body, _: True, error("Value is not callable: null at row 12, raise_exception in the chat template", code=500), 500),),
         refused=1, code="invalid_prompt", words=("raise_exception",), requests=1),
    Case("c09", {"model": "mistralai/mistral-large-3", "provider": "nvidia-nim"}, ({"add": [user("a"), call(), result(), user("stop, rather this")]},),
         refuses=(Refuses(user_after_tool, error("Unexpected role 'user' after role 'tool'")),), strict={"user_after_tool": False},
         sent=lambda bodies: roles(bodies[0])[-3:] == ["tool", "assistant", "user"] and "stop, rather this" in str(bodies[0]["messages"][-1])),
    Case("c09-gateway", {"model": "le-chat"}, ({"add": [user("a"), call(), result(), user("stop")]}, {}),
         refuses=(Refuses(user_after_tool, error("Unexpected role 'user' after role 'tool'")),), refused=1),
    Case("c10", {"model": "mistral-medium-latest", "provider": "mistral"},
         ({"add": [user("look"), call(), result(output=[{"type": "input_image", "image_url": PNG + png()}])]},),
         refuses=(Refuses(user_after_tool, error("Expected last role User or Tool, got Unexpected role 'user' after role 'tool'")),),
         strict={"user_after_tool": False, "call_ids": r"[A-Za-z0-9]{9}"}, sent=lambda bodies: len(parts(bodies[0], "image_url")) == 1),
    Case("c13", {"model": "bedrock/claude-sonnet-4-5"},
         ({"add": [user("a"), call(), result(), user("Summarize the thread.")], "tools": None, "tool_choice": None, "parallel_tool_calls": None},),
         refuses=(Refuses(lambda body, _: "tools" not in body, error("litellm.UnsupportedParamsError: Bedrock doesn't support tool calling without `tools=` param specified.")),),
         sent=lambda bodies: names(bodies[0]) == ["shell"] and bodies[0]["tool_choice"] == "none"),
    *(Case(f"c14-{row.get('provider', 'generic')}", row, ({}, {"add": []}), (chat_call(before=({"reasoning_content": "hm"},)), chat_text("ok")),
           (Refuses(lambda body, _: any(one.get("reasoning_content") != "hm" for one in messages_of(body, "assistant")),
                    error("The `reasoning_content` in the thinking mode must be passed back to the API.")),), text="ok")
      for row in ({"model": "deepseek-v4-flash-free"}, {"model": "accounts/fireworks/models/deepseek-v4", "provider": "fireworks"},
                  {"model": "deepseek-ai/deepseek-v4", "provider": "nvidia-nim"}, {"model": "kimi-k2.6", "provider": "vllm"},
                  {"model": "deepseek/deepseek-v4", "provider": "openrouter"}, {"model": "deepseek-v4:cloud", "provider": "ollama"})),
    Case("c14-kimi", {"model": "kimi-k2.6"}, ({}, {"add": []}), (chat_call(before=({"reasoning_content": "hm"},)), chat_text("ok")),
         (Refuses(call_without_reasoning, error("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2")),), text="ok"),
    Case("c16", {"model": "anthropic/claude-sonnet-5", "provider": "openrouter"}, ({}, {"add": []}),
         (chat_call(before=tuple(PARALLEL_REASONING)), chat_text("ok")),
         (Refuses(lambda body, _: any(len(one.get("reasoning_details", [])) != 1 for one in messages_of(body, "assistant")),
                  error("Invalid `signature` in `thinking` block")),),
         sent=lambda bodies: messages_of(bodies[1], "assistant")[0]["reasoning_details"][0].items() >= {"text": "let me see", "signature": "c2ln", "index": 0}.items()),
    *(Case(f"c17-{row['provider']}", row, ({}, {}),
           refuses=(Refuses(lambda body, request: b"/chat/" in request.line and "tools" in body and body.get("reasoning_effort", "none") != "none",
                            error("Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. Please use /v1/responses instead.", param="reasoning_effort")),),
           refused=1, text="ok")
      for row in ({"model": "gpt-5.6-terra", "provider": "openai"}, {"model": "gpt-5.6-terra", "provider": "azure"},
                  {"model": "gpt-5.6-terra", "provider": "generic", "thinking": "reasoning_effort"})),
    *(Case(case, {"model": model, "provider": provider}, ({}, {}),
           refuses=(Refuses(lambda body, _: "reasoning_effort" in body or "reasoning" in body or "think" in body, error(said)),), refused=refused,
           entry=lambda entry: not [one for one in entry["supported_reasoning_levels"] if one["effort"] != "none"])
      for case, model, provider, said, refused in (
          ("c18", "qwen3-coder:30b", "ollama", '"qwen3-coder:30b" does not support thinking', None),
          ("c18-glm", "glm-4:9b", "ollama", '"glm-4:9b" does not support thinking', None),
          ("c18-kimi", "kimi-k2:1t-cloud", "ollama", '"kimi-k2:1t" does not support thinking', None),
          ("c18-qwen", "qwen3:30b-a3b-instruct-2507", "ollama", '"qwen3:30b-a3b-instruct-2507" does not support thinking', None),
          ("c19", "grok-4.20-0309-reasoning", "xai", "Model grok-4.20-0309-reasoning does not support parameter reasoningEffort.", None))),
    *(Case(case, {"model": model, "provider": provider}, ({"text": {"format": {**FORMAT["format"], "strict": True}}},),
           refuses=(Refuses(lambda body, _: "response_format" in body and "tools" in body, error(said)),),
           sent=lambda bodies: names(bodies[0]) == ["shell"] and "count" in str(bodies[0]["messages"]))
      for case, model, provider, said in (("c20", "openai/gpt-oss-120b", "groq", "json mode cannot be combined with tool/function calling"),
                                          ("c21", "gemini-2.5-pro", "gemini", "Function calling with a response mime type: 'application/json' is unsupported"))),
    Case("c22", {"model": "DeepSeek-V4-Pro", "provider": "azure"}, ({}, {}),
         refuses=(Refuses(lambda body, _: "prompt_cache_key" in body, error("Extra inputs are not permitted", param="prompt_cache_key", code="extra_forbidden")),)),
    Case("c22-null", {"model": "gpt-5.4", "provider": "openai", "extra_body_params": {"prompt_cache_key": None}},
         refuses=(Refuses(lambda body, _: "prompt_cache_key" in body, error("Extra inputs are not permitted", param="prompt_cache_key")),)),
    Case("c23", {"model": "qwen3-coder", "provider": "lmstudio"}, ({"tool_choice": FORCED, "tools": [tool(), tool("other")]},),
         refuses=(Refuses(lambda body, _: isinstance(body.get("tool_choice"), dict), error("Invalid tool_choice type: 'object'. Supported string values: none, auto, required")),),
         sent=lambda bodies: bodies[0]["tool_choice"] == "required" and names(bodies[0]) == ["shell"], strict={"tool_choice_named": False}),
    *(Case(case, {"model": model, "provider": provider}, ({"add": [user("look"), picture(PNG + png()), user("go")]}, {}, {}),
           refuses=(Refuses(has_picture, said),), refused=1, text="ok",
           sent=lambda bodies: all("image" in str(one["messages"]).lower() or "picture" in str(one["messages"]).lower() for one in bodies))
      for case, model, provider, said in (
          ("c44", "glm-5.2", "zai", error("messages.content.type is invalid, allowed values: ['text']", code="1210")),
          ("c51", "deepseek-chat", "deepseek", error("Failed to deserialize the JSON body into the target type: messages[1]: unknown variant `image_url`, expected `text` at line 1 column 99")))),
    Case("a01", {"model": "claude-sonnet-5", "provider": "anthropic"}, ({"tools": [tool("list", ODD_KEYS)]}, {"add": [], "tools": [tool("list", ODD_KEYS)]}),
         (odd_call, message_text("ok")),
         (Refuses(wrong_keys, error("tools.0.custom.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'", type="invalid_request_error")),),
         sent=lambda bodies: set(uses(bodies[1])[0]["input"]) == set(schema_of(bodies[1])["properties"])),
    Case("a01-call", {"model": "claude-sonnet-5", "provider": "anthropic"}, ({"tools": [tool("list", ODD_KEYS)]},), (odd_call,),
         calls=(("list", {"$top": "x", "filter[app]": "x"}),)),
    Case("a01-chat", {"model": "anthropic/claude-sonnet-5", "provider": "openrouter"}, ({"tools": [tool("list", ODD_KEYS)]},), (odd_call_chat,),
         (Refuses(wrong_keys, error("Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'")),), calls=(("list", {"$top": "x", "filter[app]": "x"}),)),
    Case("a04", {"model": "claude-sonnet-5", "provider": "anthropic"}, ({"text": FORMAT},),
         refuses=(Refuses(lambda body, _: any(f'"{key}"' in orjson.dumps(body.get("output_config")).decode() for key in ("minimum", "maximum", "minLength", "minItems")),
                          error("output_config.format.schema: For 'integer' type, property 'minimum' is not supported", type="invalid_request_error")),),
         sent=lambda bodies: "count" in str(bodies[0]["output_config"]["format"]["schema"])),
    Case("a03", {"model": "claude-sonnet-5", "provider": "anthropic"}, ({"add": [user("look"), call(), result(output=[{"type": "input_image", "image_url": "data:image/jpeg;base64," + png()}])]}, {}),
         refuses=(Refuses(mislabelled, error("messages.2.content.0.tool_result.content.0.image.source.base64.data: Image does not match the provided media type image/jpeg", type="invalid_request_error")),),
         sent=lambda bodies: len(parts(bodies[1], "image")) == 1),
    Case("x03", {"model": "claude-sonnet-5", "provider": "anthropic"}, ({"add": [*PICTURES, user("go")]}, {}, {}),
         refuses=(Refuses(many_large, error("messages.0.content.20.image.source.base64.data: At least one of the image dimensions exceed max allowed size for many-image requests: 2000 pixels", type="invalid_request_error")),),
         refused=1, text="ok", sent=lambda bodies: PICTURES[-1]["content"][0]["image_url"].split(",")[1] in {one["source"]["data"] for one in parts(bodies[-1], "image")}),
    *(Case(f"a05-{model}-{effort}", {"model": model, "provider": "anthropic"}, ({"reasoning": {"effort": effort}}, {"reasoning": {"effort": effort}}),
           refuses=(effort_is(*accepted),), refused=refused, sent=effort_sent(wanted),
           entry=offers(levels))
      for model, effort, accepted, refused, wanted, levels in (
          ("claude-opus-4-8", "xhigh", ALL_EFFORTS, 0, "xhigh", ("xhigh",)),
          ("claude-opus-4-8", "max", ALL_EFFORTS, 0, "max", ("xhigh", "max")),
          ("claude-opus-4-7", "xhigh", ALL_EFFORTS, 0, "xhigh", ("xhigh",)),
          ("claude-sonnet-5", "xhigh", ALL_EFFORTS, 0, "xhigh", ("xhigh",)),
          ("claude-opus-4-6", "max", ("low", "medium", "high", "max"), 0, "max", ("max",)),
          ("claude-fable-7", "xhigh", ("low", "medium", "high"), 1, "high", ("low", "medium", "high")))),
    *(Case(case, {"model": model, "provider": "anthropic"}, client_version=version, entry=offers_exactly(*levels))
      for case, model, version, levels in (
          ("a05-picker", "claude-opus-4-8", VERSION, ALL_EFFORTS),
          ("a05-picker-previous", "claude-opus-4-8", PREVIOUS, ALL_EFFORTS),
          ("a05-picker-oldest", "claude-opus-4-8", OLDEST, ("low", "medium", "high", "xhigh")),
          ("a05-picker-4-6", "claude-opus-4-6", VERSION, ("low", "medium", "high", "max")),
          ("a05-picker-4-6-oldest", "claude-opus-4-6", OLDEST, ("low", "medium", "high", "xhigh")))),
    Case("a05-oldest-max", {"model": "claude-opus-4-8", "provider": "anthropic"}, ({"reasoning": {"effort": "max"}},),
         refuses=(effort_is(*ALL_EFFORTS),), sent=effort_sent("max"), client_version=OLDEST, entry=offers(("xhigh",))),
    Case("a07", {"model": "deepseek-chat", "provider": "anthropic"}, ({"add": [user("a"), call(), result(), user("go on")]},),
         refuses=(Refuses(thinks_on_broken_messages, error("The `content[].thinking` in the thinking mode must be passed back to the API.", type="invalid_request_error")),),
         sent=lambda bodies: bodies[0]["thinking"]["type"] == "disabled"),
    Case("x02", {"model": "deepseek-chat", "provider": "deepseek"}, ({"add": [user("a"), call(), result(), user("go on")]},),
         refuses=(Refuses(thinks_on_broken_chain, error("The `reasoning_content` in the thinking mode must be passed back to the API.")),),
         sent=lambda bodies: bodies[0]["thinking"]["type"] == "disabled"),
    Case("x04", {"model": "kimi-k2.6", "provider": "anthropic"}, ({"add": [user("a"), call(), result(), user("go on")]},),
         refuses=(Refuses(thinks_on_broken_messages, error("thinking is enabled but reasoning_content is missing in assistant tool call message at index 1", type="invalid_request_error")),),
         sent=lambda bodies: bodies[0]["thinking"]["type"] == "disabled"),
    Case("x04-chat", {"model": "kimi-k2.6", "provider": "kimi"}, ({"add": [user("a"), call(), result(), user("go on")]},),
         refuses=(Refuses(thinks_on_broken_chain, error("thinking is enabled but reasoning_content is missing in assistant tool call message at index 1")),)),
    Case("a09", {"model": "MiniMax-M2.7", "provider": "anthropic"}, ({}, {}),
         refuses=(Refuses(lambda _body, request: request.header(b"authorization") is None,
                          error("login fail: Please carry the API secret key in the 'Authorization' field of the request header", type="authentication_error"), 401),),
         refused=1, text="ok"),
    Case("poisoned-signature", {"model": "claude-sonnet-5", "provider": "anthropic"}, ({"add": [user("a"), assistant("b"), message("user", {"type": "input_image", "image_url": PNG + "AAAA"}), user("c")]}, {}, {}),
         refuses=(Refuses(lambda body, _: any(one["source"]["data"] == "AAAA" for one in parts(body, "image")), error("messages.2.content.0.image.source.base64: Could not process image", type="invalid_request_error")),),
         refused=1, text="ok"),
]  # fmt: skip
