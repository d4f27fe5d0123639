"""A chat completions server that refuses one optional field or form, in the words of a real server, and a session for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tests.boundary.row_turns import chunk, sse
from tests.support.upstream import Exchange, Received

Body = dict[str, Any]

STYLES: Mapping[str, Callable[[str], tuple[int, object]]] = {
    "openai": lambda name: (400, {"error": {"message": f"Unrecognized request argument supplied: {name}", "param": None}}),
    "openai-param": lambda name: (400, {"error": {"message": f"Unknown parameter: '{name}'.", "param": name, "code": "unknown_parameter"}}),
    "pydantic": lambda name: (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", *name.split(".")], "msg": "Extra inputs are not permitted", "input": 1}]}),
    "vllm": lambda name: (400, {"object": "error", "message": f"[{{'type': 'extra_forbidden', 'loc': ('body', '{name}'), 'msg': 'Extra inputs are not permitted', 'input': 800}}]"}),
    "xai": lambda name: (400, {"code": "invalid argument", "error": f"Argument not supported on this model: {name}"}),
    "litellm": lambda name: (400, {"error": {"message": f"litellm.UnsupportedParamsError: x does not support parameters: ['{name}'], for model=m"}}),
    "python": lambda name: (500, {"error": {"message": f"create() got an unexpected keyword argument '{name}'"}}),
    "gemini": lambda name: (400, {"error": {"code": 400, "message": f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.', "status": "INVALID_ARGUMENT"}}),
    "go": lambda name: (400, {"error": f'json: unknown field "{name}"'}),
    "serde": lambda name: (422, f"Failed to deserialize the JSON body: unknown field `{name}`, expected one of `model`, `messages`, `stream`"),
    "bedrock": lambda name: (400, {"message": f"Malformed input request: extraneous key [{name}] is not permitted"}),
    "zod": lambda name: (400, {"error": {"message": f"Unrecognized key(s) in object: '{name}'"}}),
    "plain": lambda name: (400, f"{name} is not supported"),
    "openrouter": lambda name: (400, {"error": {"message": "Provider returned error", "metadata": {"raw": f'{{"error":{{"message":"Unsupported parameter: {name}"}}}}'}}}),
}  # fmt: skip
FIELDS = (
    "stream_options", "temperature", "top_p", "max_completion_tokens", "reasoning_effort", "verbosity", "prompt_cache_key",
    "parallel_tool_calls", "seed", "service_tier",
)  # fmt: skip


@dataclass(frozen=True)
class Form:
    """Something that this server refuses: how it is recognized, and what is said about it."""

    name: str
    is_refused: Callable[[Body, Received], bool]
    status: int
    said: object


def field_form(name: str, style: str) -> Form:
    status, said = STYLES[style](name)
    return Form(f"{name} ({style})", lambda body, _: name in body, status, said)


def messages(body: Body, role: str = "") -> list[Body]:
    return [one for one in body["messages"] if not role or one["role"] == role]


def parts(body: Body) -> list[Body]:
    return [
        part
        for one in messages(body)
        if isinstance(one.get("content"), list)
        for part in one["content"]
    ]


def error(text: str) -> object:
    return {"error": {"message": text}}


def has_picture(body: Body) -> bool:
    return any(part["type"] == "image_url" for part in parts(body))


FORMS = (
    Form("role developer", lambda body, _: bool(messages(body, "developer")), 400, error("Unexpected message role 'developer'")),
    Form("strict", lambda body, _: any("strict" in tool["function"] for tool in body.get("tools", ())), 422, error("tools.0.function.strict: Extra inputs are not permitted")),
    Form("named tool", lambda body, _: isinstance(body.get("tool_choice"), dict), 400, error("Invalid tool_choice type: 'object'. Supported string values: none, auto, required")),
    Form("forced tool", lambda body, _: body.get("tool_choice") not in (None, "auto", "none"), 400, error('`tool_choice` must be "auto" or "none"')) ,
    Form("format beside tools", lambda body, _: "response_format" in body and "tools" in body, 400, error("json mode cannot be combined with tool/function calling")),
    Form("json_schema", lambda body, _: body.get("response_format", {}).get("type") == "json_schema", 400, error("This response_format type is unavailable now")),
    Form("pictures", lambda body, _: has_picture(body), 400, error("messages[2]: unknown variant `image_url`, expected `text`")),
    Form("damaged picture", lambda body, _: any(part.get("image_url", {}).get("url", "").endswith("BAD=") for part in parts(body)), 400, error("Could not process image")),
    Form("effort xhigh", lambda body, _: body.get("reasoning_effort") == "xhigh", 400, error("Unsupported value: 'reasoning_effort' does not support 'xhigh' with this model. Supported values are: 'low', 'medium', and 'high'.")),
    Form("effort", lambda body, _: "reasoning_effort" in body, 400, error('"m" does not support thinking')),
    Form("effort with tools", lambda body, _: body.get("reasoning_effort", "none") != "none" and "tools" in body, 400, error("Function tools with reasoning_effort are not supported for this model.")),
    Form("output limit too high", lambda body, _: body.get("max_completion_tokens", 0) > 8192, 400, error("Invalid max_completion_tokens value, the valid range is [1, 8192]")),
    Form("output limit name", lambda body, _: "max_completion_tokens" in body, 400, error("Unsupported parameter: 'max_completion_tokens'. Use 'max_tokens' instead.")),
    Form("long call id", lambda body, _: any(len(one["tool_call_id"]) > 40 for one in messages(body, "tool")), 400, error("Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40")),
    Form("tool name", lambda body, _: any("-" in tool["function"]["name"] for tool in body.get("tools", ())), 400, error("tools[0].function_declarations[1].name: Invalid function name. Must start with a letter and contain letters, digits and underscores.")),
    Form("null content", lambda body, _: any("content" in one and one["content"] is None for one in messages(body)), 400, error("messages.3.content: content must not be null")),
    Form("reasoning refused", lambda body, _: any("reasoning_content" in one for one in messages(body)), 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "messages", 3, "assistant", "reasoning_content"], "msg": "Extra inputs are not permitted"}]}),
    Form("bearer", lambda _body, request: request.header(b"authorization") is not None, 401, error("x-api-key header is required")),
    Form("template", lambda body, _: any(one["role"] in {"system", "developer"} for one in body["messages"][1:]), 500, error("Jinja Exception: System message must be at the beginning.")),
    Form("include_usage", lambda body, _: "include_usage" in body.get("stream_options", {}), 400, error("stream_options.include_usage is not supported")),
)  # fmt: skip


def all_forms() -> tuple[Form, ...]:
    """Return every form; each field in several styles, so that each style meets several fields."""
    styles = list(STYLES)
    fields = (
        field_form(name, styles[(at * 3 + step) % len(styles)])
        for at, name in enumerate(FIELDS)
        for step in range(3)
    )
    return (*FORMS, *fields)


class RefusingUpstream:
    """Answers each turn with reasoning and a call, or refuses the form. Keeps what was asked."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.accepted: list[Body] = []
        self.refused = 0

    async def __call__(self, exchange: Exchange) -> None:
        body: Body = orjson.loads(exchange.request.body)
        if self.form.is_refused(body, exchange.request):
            self.refused += 1
            said = self.form.said
            text = said.encode() if isinstance(said, str) else orjson.dumps(said)
            await exchange.whole(
                text, b"content-type: application/json", status=b"%d No" % self.form.status
            )
            return
        self.accepted.append(body)
        number = len(self.accepted)
        name = (
            body["tools"][number % len(body["tools"])]["function"]["name"]
            if "tools" in body
            else "any"
        )
        call = {
            "index": 0,
            "id": f"chatcmpl-tool-{number:060}",
            "type": "function",
            "function": {"name": name, "arguments": "{}"},
        }
        answer = sse(
            chunk({"reasoning_content": "why"}),
            chunk({"tool_calls": [call]}),
            chunk(finish="tool_calls"),
        )
        await exchange.sse_head()
        await exchange.chunk(answer + b"data: [DONE]\n\n")
        await exchange.end()
