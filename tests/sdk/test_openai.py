"""The `openai` package with models of models.json: each kind of call, with both protocols."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tests.fakes.model_upstream import (
    Broken,
    Call,
    Ending,
    Json,
    Refuse,
    ScriptedAnswer,
    Usage,
    call,
    say,
)
from tests.sdk.conftest import Clients

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(180)]

FORM = "structured_answer"
ANSWER = '{"answer": 42}'
COUNTED = Usage(1200, 1000, 100, 34, 10)


def in_form(clients: Clients, body: Json) -> ScriptedAnswer:
    """Return the structured answer, as a tool call where the API has no other way."""
    by_tool = FORM in clients.upstream.declared(body)
    return ScriptedAnswer(calls=(Call(FORM, ANSWER),)) if by_tool else say(ANSWER)


def test_answer_without_streaming(clients: Clients) -> None:
    clients.upstream.play(say("Hello there.", usage=COUNTED))

    saw = clients.run("openai_client", "whole")

    assert (saw["status"], saw["text"]) == ("completed", "Hello there.")
    assert saw["usage"]["input_tokens"] == 1200
    assert saw["usage"]["input_tokens_details"]["cached_tokens"] == 1000
    assert saw["usage"]["input_tokens_details"]["cache_write_tokens"] == 100


def test_streamed_answer(clients: Clients) -> None:
    clients.upstream.play(say("Hello there."), say("Hello there."))

    saw = clients.run("openai_client", "streamed")
    alike = clients.run("openai_client", "streamed_async")

    assert saw["deltas"] == saw["text"] == alike["deltas"] == "Hello there."
    assert saw["kinds"][:3] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
    ]
    assert saw["kinds"][-1] == "response.completed"


def test_stream_helper_assembles_the_response(clients: Clients) -> None:
    clients.upstream.play(say("Hello there.", thought="Weighing it."))

    saw = clients.run("openai_client", "helper")

    assert saw["text"] == "Hello there."
    assert saw["items"] == ["reasoning", "message"]
    assert "response.reasoning_summary_text.delta" in saw["kinds"]


def test_structured_output_is_parsed(clients: Clients) -> None:
    answer = partial(in_form, clients)
    clients.upstream.play(answer, answer)

    assert clients.run("openai_client", "parsed") == {"whole": 42, "streamed": 42}


def test_tool_loop_with_reasoning_and_a_custom_tool(clients: Clients) -> None:
    clients.upstream.play(
        say("", call("add_one", "call_a", n=41), call("note", "call_b", input="it is 42"), thought="Hm."),
        say("It is 42."),
    )  # fmt: skip

    saw = clients.run("openai_client", "tool_loop")

    assert saw["text"] == "It is 42."
    assert saw["kinds"][0] == ["reasoning", "function_call", "custom_tool_call"]
    again = json.dumps(clients.upstream.bodies[1])
    assert "noted: it is 42" in again
    assert "Hm." in again


def test_tool_loop_with_previous_response_id(clients: Clients) -> None:
    clients.upstream.play(say("", call("add_one", n=41)), say("It is 42."))

    saw = clients.run("openai_client", "chained")

    assert (saw["answers"], saw["text"]) == (1, "It is 42.")
    assert "41 + 1" in json.dumps(clients.upstream.bodies[1])


def test_compaction_is_typed_and_can_be_continued(clients: Clients) -> None:
    clients.upstream.play(say("They asked for 42.", usage=COUNTED), say("Going on."))

    saw = clients.run("openai_client", "compacted")

    assert (saw["object"], saw["compacted"]) == ("response.compaction", ["compaction"])
    assert saw["tokens"] == 1234
    assert saw["text"] == "Going on."
    assert "They asked for 42." in json.dumps(clients.upstream.bodies[1])


def test_length_stop_is_incomplete(clients: Clients) -> None:
    clients.upstream.play(ScriptedAnswer("So far", stop="length" if clients.protocol == "chat" else "max_tokens"))  # fmt: skip

    saw = clients.run("openai_client", "whole")

    assert (saw["status"], saw["reason"]) == ("incomplete", "max_output_tokens")
    assert saw["text"] == "So far"


@pytest.mark.parametrize(
    ("refuse", "name", "wait"),
    [
        (Refuse(400, "no such field"), "BadRequestError", None),
        (Refuse(401, "invalid key"), "AuthenticationError", None),
        (Refuse(403, "not for you"), "PermissionDeniedError", None),
        (Refuse(404, "no such model"), "NotFoundError", None),
        (Refuse(429, "slow down", headers={"retry-after": "17"}), "RateLimitError", "17"),
        (Refuse(500, "internal"), "InternalServerError", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_error_status_raises_its_exception(
    clients: Clients, refuse: Refuse, name: str, wait: str | None
) -> None:
    clients.upstream.default_answer = refuse

    errors = clients.run("openai_client", "refused")["errors"]

    assert [one["class"] for one in errors] == [name, name]
    assert [one["wait"] for one in errors] == [wait, wait]
    assert all(refuse.message in one["message"] for one in errors)


def test_truncated_answer_is_reported(clients: Clients) -> None:
    half = Broken(say("A whole sentence."), b"A who", Ending.CLEAN)
    clients.upstream.play(half, half)

    saw = clients.run("openai_client", "broken")

    assert saw == {
        "last": "response.failed",
        "code": "stream_interrupted",
        "error": "InternalServerError",
    }
