"""More cases found in public issue threads: call ids, Codex's own forms, and answers of gateways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tests.boundary.row_turns import chunk, sse
from tests.field.cases_answers import UNREPAIRED
from tests.field.cases_found import GENERIC, answer, bad_arguments, empty_text
from tests.field.cases_refusals import LONG, refusal_case
from tests.field.rig import (
    DONE,
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
    parts,
    result,
    tool,
    user,
)

MINIMAX_ID = "call_function_g094w5htkglv_1"
LONG_ID = "chatcmpl-tool-7e2f61b0c0a94f5e9a5d1c6b3f8a2d47-0123456789-0123456789"
NO_PARAMETERS = {
    "type": "function",
    "name": "list_agents",
    "description": "Lists.",
    "strict": False,
}
PATCH = "*** Begin Patch\n*** Add File: a.txt\n+hi\n*** End Patch"
APPLY_PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Patch.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"},
}
HARMONY = '<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary to=functions.shell <|constrain|>json<|message|>{"command":"ls"}<|call|>'
MAGISTRAL = {
    "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "let me see"}]}]
}


def other_id(wanted: str) -> Callable[[Body, object], bool]:
    """A server that knows only the id that it gave."""

    def refused(body: Body, _: object) -> bool:
        sent = [one["tool_call_id"] for one in messages_of(body, "tool")]
        sent += (
            [one["tool_use_id"] for one in parts(body, "tool_result")]
            if "system" in body or not sent
            else []
        )
        return any(one != wanted for one in sent)

    return refused


def id_case(case: str, call_id: str, row: dict[str, Any]) -> Case:
    """A thread whose call gets an id of this form."""
    is_messages = row.get("provider") == "anthropic"
    answers = (
        (message_call(call_id=call_id), message_text("ok"))
        if is_messages
        else (chat_call(call_id=call_id), chat_text("ok"))
    )
    refusal = error(f"invalid params, tool result's tool id({call_id}) not found (2013)")
    return Case(
        case, row, ({}, {"add": []}), answers, (Refuses(other_id(call_id), refusal),), text="ok"
    )


CASES = [
    id_case("p01", MINIMAX_ID, {"model": "MiniMax-M2.7", "provider": "minimax"}),
    id_case("p01-long", LONG_ID, {"model": "gpt-oss-120b", "provider": "openai"}),
    id_case("p01-kimi", "functions.shell:0", {"model": "kimi-k2.6", "provider": "openrouter"}),
    id_case("p01-mistral", "chatcmpl-tool-1", {"model": "devstral-2", "provider": "mistral"}),
    Case("p02", {"model": "MiniMax-M2.7", "provider": "minimax"}, ({}, {"add": []}), (chat_call(UNREPAIRED), chat_text("ok")),
         (Refuses(bad_arguments, error("invalid params, invalid function arguments json string, tool_call_id: call_1 (2013)")),), text="ok"),
    Case("p03", {"model": "MiniMax-M2.5", "provider": "minimax"}, ({"tools": [tool("cron_list", {"type": "object", "properties": {}}), NO_PARAMETERS]},),
         refuses=(Refuses(lambda body, _: any("properties" not in one["function"].get("parameters", {}) for one in body["tools"]), error("invalid params, function parameters is empty (2013)")),)),
    Case("p04", GENERIC, ({"tools": None, "tool_choice": "auto", "add": [{"type": "additional_tools", "role": "developer", "tools": [tool(), APPLY_PATCH]}, user("go")]},),
         answers=(chat_call(),), sent=lambda bodies: names(bodies[0]) == ["shell", "apply_patch"], calls=(("shell", {"command": "ls"}),)),
    Case("p05", GENERIC, ({"tools": [tool(), APPLY_PATCH]}, {"add": [], "tools": [tool(), APPLY_PATCH]}),
         answers=(lambda body: chat_call(custom(body), name="apply_patch"), chat_text("ok")), text="ok",
         sent=lambda bodies: PATCH.splitlines()[1] in messages_of(bodies[1], "assistant")[0]["tool_calls"][0]["function"]["arguments"]),
    answer("p06", chat_stream(MAGISTRAL, {"content": [{"type": "text", "text": "do"}]}, {"content": "ne"}), text="done", reasoning="let me see"),
    answer("p07", chat_stream({"reasoning_content": "hm"}, {"content": "2"}), text="2", reasoning="hm"),
    refusal_case("p08", error("Request body too large for gpt-4.1 model. Max size: 8000 tokens.", code="tokens_limit_reached"), LONG, "8000 tokens", status=413),
    refusal_case("p09", b"413 Request Entity Too Large\n", LONG, status=413),
    refusal_case("p10", error("The requested model is not supported.", code="model_not_supported", param="model", type="invalid_request_error"), "invalid_prompt", "requested model is not supported"),
    refusal_case("p11", error("This endpoint's maximum context length is 262144 tokens. However, you requested about 264896 tokens (52139 of text input, 12757 of tool input, 200000 in the output)."),
         "invalid_prompt", "200000 in the output", row={"max_output_tokens": 200000}),
    answer("p12", sse({"error": {"message": "Minimax midstream error: invalid params, tool result's tool id(call_x) not found", "code": 400, "metadata": {"provider_name": "Minimax"}}}) + DONE,
           code="invalid_prompt", words=("not found",)),
    Case("p13", {"model": "x", "provider": "vllm"}, ({"add": [user("a"), call(), result()]}, {}),
         refuses=(Refuses(empty_text, error("messages.1.content.0.text.text: Field required", type="invalid_request_error")),), refused=None),
    answer("p14", sse(chunk({"content": "ok"}), {**chunk(finish="stop"), "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}) + DONE, text="ok", usage={"input": 7, "output": 3}),
    answer("p15", chat_text(*HARMONY), reasoning="hm", calls=(("shell", {"command": "ls"}),)),
    answer("p16", chat_text('commentary to=functions.get_weather json{"city":"Paris"}'), text='commentary to=functions.get_weather json{"city":"Paris"}', calls=()),
    answer("p17", chat_call(name="shell<|channel|>commentary"), calls=(("shell", {"command": "ls"}),)),
    answer("p18", chat_call('{}{"command":"ls"}'), calls=(("shell", {"command": "ls"}),)),
    answer("p19", chat_text("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>four"), text="four", reasoning="hm"),
    *(Case(case, row, ({"add": [user("a"), assistant("half an answer")]},),
           refuses=(Refuses(lambda body, _: body["messages"][-1]["role"] == "assistant", error("This model does not support assistant message prefill. The conversation must end with a user message.")),))
      for case, row in (("p20", {"model": "anthropic/claude-sonnet-5", "provider": "openrouter"}), ("p20-generic", {"model": "claude-sonnet-4-6"}), ("p20-messages", {"model": "claude-sonnet-5", "provider": "anthropic"}))),
    Case("p21", {"model": "gpt-4o", "provider": "azure"}, ({"tools": [tool(description="x" * 2780)]},),
         refuses=(Refuses(lambda body, _: len(body["tools"][0]["function"]["description"]) > 1024, error("Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024, but got a string with length 2780 instead.", param="tools[0].function.description", code="string_above_max_length")),), refused=1, sent=lambda bodies: "x" * 2780 in bodies[0]["messages"][0]["content"]),
    Case("p22", {"model": "x", "provider": "groq"}, ({}, {"add": []}, {}), (chat_call(before=({"reasoning_content": "hm"},)), chat_text("ok")),
         (Refuses(lambda body, _: any("reasoning_content" in one for one in body["messages"]), error("'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'reasoning_content' is unsupported)]")),), refused=None, text="ok"),
]  # fmt: skip


def custom(body: Body) -> str:
    """Arguments of apply_patch in the form that the tool was declared in."""
    declared = next(
        one["function"]["parameters"]
        for one in body["tools"]
        if one["function"]["name"] == "apply_patch"
    )
    return orjson.dumps(dict.fromkeys(declared["properties"], PATCH)).decode()
