"""Cases found in public issue threads on 2026-12-01: words of gateways for an end, an error or a value that is missing."""

from __future__ import annotations

from typing import Any

import orjson

from tests.boundary.row_turns import START, block, chunk, delta, message_end, sse
from tests.field.cases_answers import CUT, EMPTY
from tests.field.cases_found import GENERIC, answer
from tests.field.cases_refusals import LIMIT, LONG, QUOTA, refusal_case
from tests.field.rig import (
    DONE,
    Body,
    Case,
    Refuses,
    Whole,
    chat_call,
    chat_stream,
    chat_text,
    error,
    messages_of,
)

CLAUDE = {"model": "claude-sonnet-5", "provider": "anthropic"}
OLLAMA = {"model": "q", "provider": "ollama"}
SERVER = "server_error"
CALL = {"id": "call_9", "type": "function", "function": {"name": "shell", "arguments": '{"command":"ls"}'}}  # fmt: skip
LS = (("shell", {"command": "ls"}),)


def document(*choices: Any) -> Whole:
    return Whole(orjson.dumps({"object": "chat.completion", "choices": choices}))


def ends(case: str, word: str, code: str = "", **expected: Any) -> Case:
    """Half a chat answer that ends with this word."""
    return answer(case, chat_text("half", finish=word), code=code, **expected)


def ends_messages(case: str, word: str, code: str = "", **expected: Any) -> Case:
    """The same in the messages protocol."""
    events = (block(0, "text", text=""), delta(0, "text_delta", text="half"), {"type": "content_block_stop", "index": 0})  # fmt: skip
    sent = sse(START, *events, *message_end(word))
    return Case(case, CLAUDE, answers=(sent,), code=code, **expected)


def fragments(*calls: dict[str, Any]) -> bytes:
    return chat_stream(*({"tool_calls": [one]} for one in calls), finish="tool_calls")


def said(case: str, body: Any, words: str, code: str = SERVER) -> list[Case]:
    """An error in a form that the protocol does not know, with status 200: as a document and as an event."""
    raw = orjson.dumps(body)
    event = b"data: " + raw + b"\n\n"
    return [
        answer(case, Whole(raw), code=code, words=(words,)),
        answer(f"{case}-event", event + DONE, code=code, words=(words,)),
        Case(f"{case}-messages", CLAUDE, answers=(Whole(raw),), code=code, words=(words,)),
        Case(f"{case}-messages-event", CLAUDE, answers=(event,), code=code, words=(words,)),
    ]


def call_ids(body: Body) -> list[str]:
    calls = [one.get("tool_calls") or [] for one in messages_of(body, "assistant")]
    return [call["id"] for made in calls for call in made]


FIRST = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "shell", "arguments": ""}}  # fmt: skip
TIMED_OUT = b"<!DOCTYPE html><html><head><title>x | 524: A timeout occurred</title></head></html>"
CUT_IN_USAGE = sse(
    chunk({"content": "ok"}), chunk(finish="stop"), {"choices": [], "usage": {"prompt_tokens": 10}}
)[:-14]
OVERFLOWS = (
    "prompt_too_long",
    "Your request has 250000 tokens, which is above the 200000 limit of this model",
    "Prompt has 45000 tokens, but the maximum is 32768",
    "messages exceed the token limit of the model",
    "input is longer than the model's context",
    "The total length of the conversation is over the model's limit",
    "You passed 202753 input tokens and requested 0 output tokens. However, the model's context length is only 202752 tokens, resulting in a maximum input length of 202752 tokens.",
)
EXTRA = "Extra usage is required for long context requests."
RESET = error("Rate limit exceeded: free-models-per-min.", code=429, metadata={"headers": {"X-RateLimit-Reset": "4102444800000"}})  # fmt: skip

CASES = [
    # an end in words of the server behind a gateway
    ends("s01", "function_call_filter: MALFORMED_FUNCTION_CALL", LIMIT, words=("malformed_function_call",)),
    ends("s02", "UNEXPECTED_TOOL_CALL", LIMIT),
    ends("s02-many", "TOO_MANY_TOOL_CALLS", LIMIT),
    ends("s02-signature", "MISSING_THOUGHT_SIGNATURE", LIMIT),
    ends("s03", "timeout", LIMIT),
    ends("s03-unloaded", "modelUnloaded", LIMIT),
    ends("s03-stopped", "userStopped", LIMIT),
    ends("s03-cancel", "USER_CANCEL", LIMIT),
    ends("s03-incomplete", "incomplete", LIMIT),
    ends("s03-server", "upstream_error", LIMIT),
    answer("s04", chat_stream({"role": "assistant"}, finish="content_filter: RECITATION"), code="invalid_prompt", words=("content filter",)),
    answer("s04-spii", chat_stream({"role": "assistant"}, finish="SPII"), code="invalid_prompt", words=("content filter",)),
    answer("s04-armor", chat_stream({"role": "assistant"}, finish="MODEL_ARMOR"), code="invalid_prompt", words=("content filter",)),
    answer("s04-toxic", chat_stream({"role": "assistant"}, finish="ERROR_TOXIC"), code="invalid_prompt", words=("content filter",)),
    answer("s05", chat_stream(finish="maxPredictedTokensReached"), code="invalid_prompt", words=("output limit",)),
    answer("s05-context", chat_stream(finish="contextLengthReached"), code="invalid_prompt", words=("output limit",)),
    answer("s05-call", chat_stream({"tool_calls": [{**FIRST, "function": {"name": "shell", "arguments": '{"command":"rm -rf bui'}}]}, finish="max_length"),
           code="invalid_prompt", words=("inside a call of shell",)),
    *(ends(f"s06-{word}", word, text="half") for word in ("eos_token", "normal", "completed", "stop_sequence", "COMPLETE", "tool-calls", "other")),
    ends_messages("s07", "timeout", LIMIT),
    ends_messages("s07-failed", "upstream_error", LIMIT),
    ends_messages("s07-incomplete", "incomplete", LIMIT),
    ends_messages("s07-max", "MAX_TOKENS", text="half"),
    ends_messages("s07-pause", "pause_turn", text="half"),
    # one answer in several choices
    answer("s08", document({"finish_reason": "tool_calls", "message": {"role": "assistant", "content": "I look"}},
                           {"finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [CALL]}}), text="I look", calls=LS),
    answer("s08-index", document({"index": 0, "finish_reason": "stop", "message": {"content": "I look", "tool_calls": [CALL]}},
                                 {"index": 1, "finish_reason": "tool_calls", "message": {"tool_calls": [{**CALL, "id": "call_8"}]}}), text="I look", calls=LS * 2),
    # fragments of calls
    answer("s09", fragments(FIRST, {"index": 0, "id": "", "function": {"name": "null", "arguments": '{"command":"ls"}'}}), calls=LS),
    answer("s09-none", fragments(FIRST, {"index": 0, "id": "null", "function": {"name": "None", "arguments": '{"command":"ls"}'}}), calls=LS),
    answer("s10", fragments(FIRST, {"index": 1, "id": None, "function": {"name": None, "arguments": '{"command":"ls"}'}}), calls=LS),
    answer("s11", fragments({**FIRST, "function": {"name": "shell", "arguments": None}}, {"index": 0, "function": {"arguments": '{"command":"ls"}'}}, {"index": 0, "function": {"arguments": None}}), calls=LS),
    answer("s12", fragments(FIRST, {"index": 0, "id": "", "function": {"name": None, "arguments": '{"command":"ls"}'}},
                            {**FIRST, "id": "call_b"}, {"index": 0, "id": "", "function": {"name": None, "arguments": '{"command":"id"}'}}), calls=(*LS, ("shell", {"command": "id"}))),
    answer("s13", fragments(FIRST, {**FIRST, "function": {"name": "shell", "arguments": '{"command":"ls"}'}}), calls=LS),
    # errors with status 200, in other forms
    *said("s14", {"code": 500, "msg": "404 NOT_FOUND", "success": False}, "404 NOT_FOUND"),
    *said("s15", {"success": False, "errors": [{"code": 7003, "message": "Could not route to /v1"}], "result": None}, "Could not route"),
    *said("s16", {"error_code": 336, "error_msg": "the model takes no such input"}, "no such input"),
    *said("s17", {"message": "no Route matched with those values"}, "no Route matched"),
    *said("s18", {"retcode": 1, "errmsg": "余额不足"}, "余额不足", QUOTA),
    Case("s19", CLAUDE, answers=(Whole(orjson.dumps({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}})),), code=QUOTA, words=("insufficient balance",)),
    answer("s20", Whole(b"null"), code=CUT),
    answer("s20-empty", Whole(b""), code=CUT),
    answer("s20-accepted", Whole(b"", status=202), code=CUT),
    answer("s20-message", document({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None}}), code=EMPTY),
    # event streams
    answer("s21", b'event: message\nid: 1\nretry: 3000\ndata: {"choices":\ndata: [{"index":0,"delta":{"content":"ok"},\ndata: "finish_reason":"stop"}]}\n\n' + DONE, text="ok"),
    answer("s22", sse(chunk({"content": "ok"}), chunk(finish="stop")).replace(b": {", b":{").replace(b"\n", b"\r\n") + b"data:[DONE]\r\n\r\n", text="ok"),
    answer("s23", chat_text("ok", usage={"prompt_tokens": 10.0, "completion_tokens": 2.0, "total_tokens": 12.0}), text="ok", usage={"input": 10, "output": 2}),
    # a body that ends inside an event
    answer("s44", CUT_IN_USAGE, text="ok"),
    answer("s44-brace", CUT_IN_USAGE + b'"total_tokens":{}', text="ok"),
    answer("s44-text", chat_text("half", finish=None, done=False)[:-150], code=CUT, no_words=("base_url",)),
    answer("s44-finish", sse(chunk({"content": "half"}), chunk(finish="stop"))[:-10], code=CUT, no_words=("base_url",)),
    Case("s44-messages", CLAUDE, answers=(sse(START, block(0, "text", text=""), delta(0, "text_delta", text="half"))[:-20],), code=CUT, no_words=("base_url",)),
    # ids of calls
    Case("s45", GENERIC, ({}, {"add": []}, {"add": []}), (chat_call(call_id="terminal:0"), chat_call(call_id="terminal:0"), chat_text("ok")),
         (Refuses(lambda body, _: len(call_ids(body)) != len(set(call_ids(body))), error("Duplicate tool_call_id")),), text="ok"),
    answer("s46", chat_stream({"tool_calls": [{**CALL, "index": 0}, {**CALL, "index": 1, "function": {"name": "shell", "arguments": '{"command":"id"}'}}]}, finish="tool_calls"),
           calls=(*LS, ("shell", {"command": "id"}))),
    # refusals
    refusal_case("s24", error("model requires more system memory (12.0 GiB) than is available (7.9 GiB)", type="api_error"), "invalid_prompt", "too little memory", status=500, row=OLLAMA),
    refusal_case("s24-lmstudio", {"error": 'Failed to load model "q". Error: Model loading was stopped due to insufficient system resources.'}, "invalid_prompt", "too little memory"),
    refusal_case("s25", error("预扣费额度失败", type="new_api_error"), QUOTA, "预扣费额度失败", status=403),
    refusal_case("s25-english", error("user quota is not enough", type="new_api_error"), QUOTA, "not enough", status=403),
    refusal_case("s25-token", error("该令牌额度已用尽 !token.UnlimitedQuota", type="new_api_error"), QUOTA, "额度已用尽", status=401),
    refusal_case("s26", {"type": "error", "error": {"type": "rate_limit_error", "message": EXTRA}}, LONG, EXTRA, status=429, row=CLAUDE),
    refusal_case("s26-out", {"type": "error", "error": {"type": "invalid_request_error", "message": "You're out of extra usage. Add more at claude.ai/settings/usage"}}, QUOTA, "out of extra usage", row=CLAUDE),
    refusal_case("s27", error("Kimi For Coding is currently only available for Coding Agents such as Kimi CLI, Claude Code, Roo Code.", type="access_terminated_error"),
                 "invalid_prompt", "does not allow", "only available for Coding Agents", status=403, no_words=("quota",)),
    refusal_case("s27-cycle", error("You've reached your usage limit for this billing cycle.", type="access_terminated_error"), QUOTA, "billing cycle", status=403),
    refusal_case("s28", {"type": "error", "error": {"type": "ModelError", "message": "Model kimi-k9 is not supported"}}, "invalid_prompt", "does not know this model", status=401, no_words=("refused the key",)),
    refusal_case("s29", {"message": "The system encountered an unexpected error during processing. Try your request again."}, SERVER, "Try your request again", status=424),
    refusal_case("s29-cancelled", [error("The operation was cancelled.", code=499, status="CANCELLED")], "upstream_timeout", "cancelled", status=499),
    refusal_case("s30", RESET, QUOTA, "free-models-per-min", status=429, row={"provider": "openrouter"}),
    refusal_case("s31", error("No endpoints found that support tool use.", code=404), "invalid_prompt", "support tool use", status=404, row={"provider": "openrouter"}),
    Case("s32", {"model": "anthropic/claude-sonnet-5", "provider": "openrouter"}, refuses=(Refuses(lambda body, _: b"cache_control" in orjson.dumps(body), error("No endpoints found that support cache control", code=404), 404),), refused=None),
    refusal_case("s33", {"code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."}, LONG, "537812"),
    refusal_case("s33-spent", {"code": "The caller does not have permission", "error": "Your team has either used all available credits or reached its monthly spending limit."}, QUOTA, "spending limit", status=403),
    refusal_case("s34", error("prompt token count of 140000 exceeds the limit of 128000", code="model_max_prompt_tokens_exceeded"), LONG, "128000"),
    refusal_case("s34-copilot", b"quota exceeded\n", QUOTA, "quota exceeded", status=429),
    refusal_case("s35", error("litellm.RateLimitError: No deployments available for selected model. Try again in 5 seconds. Passed model=gpt. cooldown_list=['a']", code="429"), LIMIT, "try again in 5s", status=429),
    refusal_case("s36", {"message": "Too many tokens, please wait before trying again."}, LIMIT, "please wait", status=429),
    refusal_case("s36-day", {"message": "Too many tokens per day, please wait before trying again."}, QUOTA, "per day", status=429),
    refusal_case("s37", error("Your account org-1 request reached organization max concurrency: 1, please try again after 1 seconds", type="rate_limit_reached_error"), LIMIT, "try again in 1s", status=429),
    refusal_case("s38", {"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "invalid_request_error", "code": "3505"}, LIMIT, "capacity exceeded", status=429),
    refusal_case("s39", {"status": 410, "title": "Gone", "detail": "The model 'x' has reached its end of life."}, "invalid_prompt", "end of life", status=410),
    *(refusal_case(f"s42-{number}", error(text), LONG, text) for number, text in enumerate(OVERFLOWS)),
    refusal_case("s43", error("Messages exceeded the rate limit of the model."), LIMIT, "rate limit", status=429),
    refusal_case("s40", TIMED_OUT, SERVER, "524: A timeout occurred", status=524),
]  # fmt: skip
