"""Cases found in public issue threads after the listed ones; `LOG.md` names the thread of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tests.boundary.row_turns import START, block, chunk, delta, message_end, sse
from tests.field.cases_refusals import LIMIT, LONG, QUOTA, refusal_case
from tests.field.cases_requests import (
    call_without_reasoning,
    thinks_on_broken_messages,
    typed_branches,
)
from tests.field.rig import (
    DONE,
    USAGE,
    Body,
    Case,
    Refuses,
    assistant,
    call,
    chat_call,
    chat_stream,
    chat_text,
    error,
    message_call,
    message_text,
    messages_of,
    names,
    result,
    schema_of,
    tool,
    user,
)

GENERIC = {"model": "m"}
CLAUDE = {"model": "claude-opus-4-8", "provider": "anthropic"}
FORCED = {"type": "function", "name": "shell"}
LONG_NAME = "mcp__enterprise_database_management__synchronize_all_customer_data_across_systems"


def text_of(value: Any) -> str:
    return orjson.dumps(value).decode()


def with_tool(schema: Any, **fields: Any) -> tuple[dict[str, Any], ...]:
    return ({"tools": [tool("search", schema, **fields)]},)


def props(**named: Any) -> dict[str, Any]:
    return {"type": "object", "properties": named}


def schema_has(*keys: str) -> Callable[[Body, object], bool]:
    return lambda body, _: any(f'"{key}":' in text_of(schema_of(body)) for key in keys)


def always(_body: Body, _request: object) -> bool:
    return True


def number_enum(body: Body, _: object) -> bool:
    level = schema_of(body)["properties"]["level"]
    return any(not isinstance(one, str) for one in level.get("enum", ()))


def untyped_branch(body: Body, _: object) -> bool:
    return any("type" not in one for one in schema_of(body)["properties"]["page"].get("anyOf", ()))


def forced_while_thinking(body: Body, _: object) -> bool:
    choice = body.get("tool_choice")
    is_forced = choice == "required" or (
        isinstance(choice, dict) and choice.get("type") in {"any", "tool", "function"}
    )
    return is_forced and body.get("thinking", {}).get("type") != "disabled"


def empty_assistant(body: Body, _: object) -> bool:
    return any(
        not one.get("content") and not one.get("tool_calls")
        for one in messages_of(body, "assistant")
    )


def empty_text(body: Body, _: object) -> bool:
    return any(one.get("content") == "" for one in messages_of(body, "assistant"))


def bad_arguments(body: Body, _: object) -> bool:
    for one in messages_of(body, "assistant"):
        for made in one.get("tool_calls", ()):
            try:
                orjson.loads(made["function"]["arguments"])
            except orjson.JSONDecodeError:
                return True
    return False


def no_signature(body: Body, _: object) -> bool:
    calls = [made for one in messages_of(body, "assistant") for made in one.get("tool_calls", ())]
    return any(
        one.get("extra_content", {}).get("google", {}).get("thought_signature") != "c2ln"
        for one in calls
    )


def gemini(text: str) -> Any:
    return [{"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}]


MOONSHOT = "Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <At path 'properties.variantOptions': conflicting keywords found after $ref expansion: description>"
REF = {
    **props(variantOptions={"$ref": "#/$defs/V", "description": "Choices."}),
    "$defs": {"V": {"type": "string", "description": "One."}},
}
EXTRA = "Extra inputs are not permitted"
SIGNED = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "shell", "arguments": '{"command":"ls"}'},
          "extra_content": {"google": {"thought_signature": "c2ln"}}}  # fmt: skip

REQUESTS = [
    Case("n01", GENERIC, with_tool({"oneOf": [props(mode={"const": "create"}), props(mode={"const": "delete"}, id={"type": "string"})]}),
         refuses=(Refuses(lambda body, _: schema_of(body).get("type") != "object", error("Invalid schema for function 'search': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'")),)),
    Case("n02", {"model": "moonshotai/kimi-k2.5"}, with_tool(REF),
         refuses=(Refuses(lambda body, _: "$ref" in text_of(schema_of(body)["properties"]["variantOptions"]) and "description" in schema_of(body)["properties"]["variantOptions"], error(MOONSHOT)),), refused=None),
    Case("n03", GENERIC, with_tool({**props(q={"type": "string", "ref": "Q"}), "$schema": "https://json-schema.org/draft/2020-12/schema"}),
         refuses=(Refuses(schema_has("$schema"), error("Invalid schema for function 'search': $schema is not permitted")),)),
    Case("n04", {"model": "gpt-5.4", "provider": "openai"}, with_tool(props(value={"type": "object", "properties": {"a": {"type": "string"}}}), strict=True)),
    Case("n05", {"model": "gemini-3.6-flash", "provider": "gemini"}, with_tool(props(limit={"type": "integer", "exclusiveMinimum": 0})),
         refuses=(Refuses(schema_has("exclusiveMinimum"), gemini("Invalid JSON payload received. Unknown name \"exclusiveMinimum\" at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.")),)),
    Case("n05-gateway", {"model": "google/gemini-3.6-flash"}, ({"tools": [tool("search", props(limit={"type": "integer", "exclusiveMinimum": 0}))]}, {}),
         refuses=(Refuses(schema_has("exclusiveMinimum"), gemini("Invalid JSON payload received. Unknown name \"exclusiveMinimum\" at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.")),), refused=None),
    Case("n06", {"model": "gemini-2.5-pro", "provider": "gemini"}, with_tool(props(level={"type": "integer", "enum": [0, 2, 4]})),
         answers=(chat_call('{"level":2}', name="search"),), calls=(("search", {"level": 2}),),
         refuses=(Refuses(number_enum, gemini("Invalid value at 'request.tools[0].function_declarations[0].parameters.properties[0].value.enum[0]' (TYPE_STRING), 0")),)),
    Case("n07", {"model": "gemini-2.5-pro", "provider": "gemini"}, with_tool(props(page={"anyOf": [{}, {"type": "string"}]})),
         refuses=(Refuses(untyped_branch, gemini("Invalid value at 'tools[0].function_declarations[0].parameters.properties[0].value.any_of[0].type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type), \"\"")),)),
    Case("n08", {"model": "qwen3-max", "provider": "anthropic"}, ({"tool_choice": FORCED}, {"tool_choice": FORCED}),
         refuses=(Refuses(forced_while_thinking, {"code": "InvalidParameter", "message": "The tool_choice parameter does not support being set to required or object in thinking mode"}),), refused=None),
    Case("n09", {"model": "kimi-k2.6"}, ({"tool_choice": FORCED}, {"tool_choice": FORCED}),
         refuses=(Refuses(forced_while_thinking, error("tool_choice 'specified' is incompatible with thinking enabled", type="invalid_request_error")),), refused=1),
    Case("n10", CLAUDE, ({}, {}), refuses=(Refuses(lambda body, _: "output_config" in body, error(f"output_config.effort: {EXTRA}")),), refused=1),
    Case("n11", CLAUDE, ({}, {}), refuses=(Refuses(lambda body, _: any("cache_control" in one for one in body["tools"]), error(f"tools.0.cache_control: {EXTRA}")),), refused=None),
    Case("n12", CLAUDE, ({}, {"add": []}),
         answers=(sse(START, block(0, "thinking", thinking="", signature=""), delta(0, "thinking_delta", thinking="hm"), delta(0, "signature_delta", signature="c2ln"),
                      {"type": "content_block_stop", "index": 0}, block(1, "tool_use", id="toolu_1", name="shell", input={}), delta(1, "input_json_delta", partial_json='{"command":"ls"}'),
                      {"type": "content_block_stop", "index": 1}, *message_end("tool_use")), message_text("ok")),
         refuses=(Refuses(lambda body, _: any(part["type"] == "thinking" and "cache_control" in part for one in messages_of(body, "assistant") for part in one["content"]),
                          error(f"messages.1.content.0.thinking.cache_control: {EXTRA}")),), text="ok"),
    Case("n13", {"model": "claude-opus-4-1", "provider": "anthropic"}, ({}, {}),
         refuses=(Refuses(lambda body, _: "thinking" in body, error(f"thinking: {EXTRA} (Service: BedrockRuntime, Status Code: 400, Request ID: 7ab8b61c-7a0d-4a82)"), 500),), refused=1),
    Case("n14", {"model": "deepseek-r1-tools:70b", "provider": "ollama"}, ({}, {}),
         refuses=(Refuses(lambda body, _: "reasoning_effort" in body, b'"\\"deepseek-r1-tools:70b\\" does not support thinking"'),), refused=None),
    Case("n15", {"model": "gemini-2.5-flash", "provider": "gemini"}, ({}, {}),
         refuses=(Refuses(lambda body, _: "reasoning_effort" in body, error(text_of({"error": {"code": 400, "message": "Thinking level is not supported for this model.", "status": "INVALID_ARGUMENT"}}), code=400, status="Bad Request")),), refused=1),
    Case("n16", {"model": "openai/codex-mini", "provider": "openrouter"}, ({"temperature": 0.5}, {"temperature": 0.5}),
         refuses=(Refuses(lambda body, _: "temperature" in body, error("Provider returned error", metadata={"raw": text_of(error("Unsupported parameter: 'temperature' is not supported with this model.", param="temperature")), "provider_name": "OpenAI"})),), refused=1),
    Case("n17", {"model": "gpt-5-oss", "provider": "openai"}, ({}, {}),
         refuses=(Refuses(lambda body, _: "reasoning_effort" in body, error("litellm.UnsupportedParamsError: openai does not support parameters: ['reasoning_effort'], for model=gpt-5-oss. To drop these, set `litellm.drop_params=True`")),), refused=1),
    Case("n18", {"model": "gpt-4o", "provider": "openai-responses"}, ({}, {}),
         refuses=(Refuses(lambda body, _: "effort" in body.get("reasoning", {}), error("Unsupported parameter: 'reasoning.effort' is not supported with this model.", param="reasoning.effort", code="unsupported_parameter")),), refused=None, text="ok"),
    Case("n19", {"model": "gemma-4-26b-a4b", "provider": "lmstudio"}, ({"tools": [tool(), {"type": "namespace", "name": "mcp__idea__", "description": "IDE.", "tools": [tool("open_file", props(path={"type": "string"}))]}]},),
         sent=lambda bodies: len(names(bodies[0])) == 2 and "open_file" in names(bodies[0])[1]),
    Case("n20", {"model": "gpt-5.4", "provider": "openai"}, ({"tools": [tool(LONG_NAME)]},), answers=(lambda body: chat_call(name=names(body)[0]),),
         refuses=(Refuses(lambda body, _: len(names(body)[0]) > 64, error("Invalid 'tools[0].name': string too long. Expected a string with maximum length 64, but got a string with length 80 instead.", code="string_above_max_length")),),
         calls=((LONG_NAME, {"command": "ls"}),)),
    Case("n20-messages", CLAUDE, ({"tools": [tool(LONG_NAME)]},), answers=(lambda body: message_call(name=names(body)[0]),),
         refuses=(Refuses(lambda body, _: len(names(body)[0]) > 64, error("tools.0.custom.name: String should have at most 64 characters")),), calls=((LONG_NAME, {"command": "ls"}),)),
    Case("n21", {"model": "claude-opus-4-5", "provider": "anthropic"}, ({"add": [user("a"), call(), result()]},),
         refuses=(Refuses(lambda body, request: "thinking" in body and thinks_on_broken_messages(body, request), error("messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block")),)),
    Case("n22", CLAUDE, ({"add": [user("a"), call("call_4d25"), call("call_7"), result("call_7"), user("interrupted")]},)),
    Case("n22-chat", {"model": "kimi-k2.6", "provider": "kimi-coding"}, ({"add": [user("a"), call("Agent:0"), user("go on")]},)),
    Case("n23", CLAUDE, ({"add": [user("a"), result("toolu_014odz"), user("b")]},)),
    Case("n23-chat", GENERIC, ({"add": [user("a"), result("call_9"), user("b")]},)),
    Case("n24", {"model": "devstral-medium", "provider": "mistral"}, ({"add": [user("a"), assistant(""), user("b")]},), strict={"user_after_tool": False},
         refuses=(Refuses(empty_assistant, error("Assistant message must have either content or tool_calls, but not none.")),)),
    Case("n24-messages", CLAUDE, ({"add": [user("a"), assistant(""), user("b")]},)),
    Case("n25", {"model": "x", "provider": "vllm"}, ({"add": [user("a"), call(), result()]}, {}),
         refuses=(Refuses(empty_text, error("messages: text content blocks must be non-empty")),), refused=None),
    Case("n26", {"model": "qwen3.6-35b", "provider": "llamacpp"}, ({"add": [user("a"), call(arguments='{"command": "l'), result()]},),
         refuses=(Refuses(bad_arguments, error("Failed to parse tool call arguments as JSON: [json.exception.parse_error.101] parse error at line 1, column 131", code=500), 500),)),
    *(Case(case, row, ({}, {"add": []}), answers=(chat_stream({"tool_calls": [SIGNED]}, finish="tool_calls"), chat_text("ok")), text="ok",
           refuses=(Refuses(no_signature, gemini("Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly")),))
      for case, row in (("n27", {"model": "gemini-3.6-flash", "provider": "gemini"}), ("n27-generic", {"model": "gemini-3-pro-preview"}))),
    Case("n28", {"model": "gpt-5", "provider": "openai-compatible", "max_output_tokens": 4096}, ({}, {}),
         refuses=(Refuses(lambda body, _: "max_tokens" in body, error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", param="max_tokens", code="unsupported_parameter")),),
         refused=None, sent=lambda bodies: all(one["max_completion_tokens"] == 4096 for one in bodies)),
    Case("n29", {"model": "x", "provider": "vllm"}, ({"tools": None, "tool_choice": "auto"},),
         refuses=(Refuses(lambda body, _: "tool_choice" in body and "tools" not in body, {"object": "error", "message": "[{'type': 'value_error', 'loc': ('body',), 'msg': 'Value error, When using `tool_choice`, `tools` must be set.'}]"}),)),
    Case("n30", {"model": "deepseek-v4-flash"}, ({"tool_choice": FORCED}, {"tool_choice": FORCED}),
         refuses=(Refuses(forced_while_thinking, error("Thinking mode does not support this tool_choice")),), refused=1),
    Case("n31", {"model": "qwen3.5-27b", "provider": "dashscope"}, ({"reasoning": {"effort": "high"}}, {"reasoning": {"effort": "high"}}),
         refuses=(Refuses(lambda body, _: bool(body.get("enable_thinking")) and "thinking_budget" not in body,
                          {"code": "InvalidParameter", "message": "<400> InternalError.Algo.InvalidParameter: The thinking_budget parameter must be a positive integer and not greater than 0"}),), refused=None),
    Case("n32", {"model": "kimi-for-coding", "provider": "kimi-coding"}, ({}, {"add": []}), answers=(chat_call(), chat_text("ok")),
         refuses=(Refuses(call_without_reasoning, error("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2")),), text="ok"),
    Case("n33", {"model": "kimi-k2.5"}, with_tool(props(id={"type": ["string", "null"], "anyOf": [{"format": "uuid"}, {"type": "null"}]})),
         refuses=(Refuses(lambda body, _: not typed_branches(schema_of(body)), error("At path 'properties.id': type is not defined")),)),
]  # fmt: skip

REFUSALS = [
    refusal_case("n40", {"type": "error", "error": {"type": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}, QUOTA, "recharge", status=429, row={"model": "glm-4.7", "provider": "anthropic"}),
    refusal_case("n41", error("Insufficient balance. Manage your billing here: https://opencode.ai/workspace/x"), QUOTA, "billing", status=401),
    refusal_case("n42", {"error": {"message": "You have no quota", "code": "quota_exceeded"}}, QUOTA, "no quota", status=402),
    refusal_case("n43", error("Input length 131393 exceeds the maximum allowed input length of 131040 tokens."), LONG, "131040"),
    refusal_case("n44", error("This model's maximum context length is 262144 tokens. However, you requested 0 output tokens and your prompt contains at least 262145 input tokens, for a total of at least 262145 tokens."), LONG, "262145"),
    refusal_case("n45", error("total message size 10176584 exceeds limit 2097152"), LONG, "2097152"),
    refusal_case("n46", error("Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded call rate limit of your current AIServices S0 pricing tier. Please retry after 10 seconds."), LIMIT, "retry after 10", status=429),
    refusal_case("n47", error('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'), "invalid_prompt", "--enable-auto-tool-choice"),
    refusal_case("n48", {"error": "registry.ollama.ai/library/gemma3:4b does not support tools"}, "invalid_prompt", "does not support tools", row={"model": "gemma3:4b", "provider": "ollama"}),
    refusal_case("n49", error("litellm.ContextWindowExceededError: BedrockException: Context Window Error - Input is too long for requested model."), LONG, "Input is too long"),
]  # fmt: skip


def answer(case: str, reply: Any, **expected: Any) -> Case:
    return Case(case, GENERIC, answers=(reply,), **expected)


def made(arguments: Any, *, call_id: str = "call_1", **fields: Any) -> dict[str, Any]:
    return {
        "tool_calls": [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": "shell", "arguments": arguments},
                **fields,
            }
        ]
    }


TWO = (("shell", {"command": "a"}), ("shell", {"command": "b"}))
INVOKE = '<invoke name="shell">\n<parameter name="command">ls</parameter>\n</invoke>'

ANSWERS = [
    answer("n60", sse(chunk({"content": "ok"}), chunk(finish="stop"), {"id": "c", "object": "chat.completion.chunk", "choices": None, "usage": USAGE}) + DONE, text="ok", usage={"input": 10, "output": 2}),
    answer("n60-absent", sse(chunk({"content": "ok"}), chunk(finish="stop"), {"id": "c", "usage": USAGE}) + DONE, text="ok", usage={"input": 10}),
    answer("n61", b"data: null\n\n" + sse(chunk({"content": "ok"})) + b"data: null\n\n" + sse(chunk(finish="stop")) + DONE, text="ok"),
    answer("n62", sse(chunk({"content": "o"}, ""), chunk({"content": "k"}, ""), chunk(finish="stop")) + DONE, text="ok"),
    answer("n63", chat_stream(made('{"command":"a"}', call_id="x1", index=0), made('{"command":"b"}', call_id="x2", index=0), finish="tool_calls"), calls=TWO),
    answer("n64", chat_stream(made('{"command":"a"}', index=0), made('{"command":"b"}', index=0), finish="tool_calls"), calls=(("shell", '{"command":"a"}{"command":"b"}'),)),
    answer("n65", chat_stream(made({"command": "ls"}), finish="tool_calls"), calls=(("shell", {"command": "ls"}),)),
    answer("n66", chat_text("done", finish="tool_calls"), text="done", calls=()),
    answer("n67", chat_text('{"name": "shell", "arguments": {"command": "ls"}}'), calls=(("shell", {"command": "ls"}),)),
    Case("n68", CLAUDE, answers=(message_text(INVOKE),), calls=(("shell", {"command": "ls"}),)),
    answer("n69", chat_text('<|open|>toolscall tool="shell" index="1"<|sep|><|open|>argument key="command" type="string"<|sep|>ls<|close|>argument<|sep|><|close|>call<|sep|><|close|>toolsmessage<|sep|>'), calls=(("shell", {"command": "ls"}),), text=""),
    answer("n70", sse({"id": "c", "object": "chat.completion.chunk", "choices": [], "error": {"code": 502, "message": "Worker local total request limit reached (33/32)"}}) + DONE, code="server_error", words=("(33/32)",)),
    answer("n71", sse({"id": "c", "choices": None, "error_type": "BadRequestError", "error_message": "This model's maximum context length is 8192 tokens, however you requested 9000 tokens"}), code=LONG),
    answer("n72", DONE, code="stream_interrupted"),
    Case("n73", CLAUDE, answers=(sse({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 228307 tokens > 200000 maximum [failed to stream chunk]"}}),), code=LONG, words=("228307",)),
    answer("n74", sse(chunk({"reasoning_content": "hm"}), {"error": {"code": 500, "message": "Failed to parse input at pos 0: <tool_call>", "type": "server_error"}}), code="server_error", words=("Failed to parse input",)),
    answer("n75", sse(chunk({"content": "half"}), {**chunk(finish="error"), "error": {"code": 502, "message": "Upstream provider disconnected", "metadata": {"error_type": "provider_unavailable"}}}) + DONE, code="server_error", words=("disconnected",)),
    answer("n76", chat_text("Call me", " with <tool_call> when ready"), text="Call me with <tool_call> when ready", calls=()),
    answer("n77", chat_text('<tool_call>{"name": "delete_all", "arguments": {}}</tool_call>'), text='<tool_call>{"name": "delete_all", "arguments": {}}</tool_call>', calls=()),
]  # fmt: skip

CASES = [*REQUESTS, *REFUSALS, *ANSWERS]
