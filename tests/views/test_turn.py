"""The views of a turn. Invariant of the fuzzing: any bytes and any metadata give a text of bounded length."""

from __future__ import annotations

import gzip

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.views.page import PAGE_CHARACTERS
from addons.views.turn import Turn, request_view, summary, turn_view, wire_view
from addons.views.turn_data import TurnData
from tests.views.samples import (
    MESSAGES_REQUEST,
    RESPONSES_EVENTS,
    RESPONSES_REQUEST,
    attempt,
    chat_stream,
    messages_stream,
    metadata,
    ndjson,
    sse,
)
from tests.views.test_page import JSON

REQUEST, ANSWER = orjson.dumps(RESPONSES_REQUEST), sse(RESPONSES_EVENTS)
UPSTREAM_REQUEST = orjson.dumps(MESSAGES_REQUEST)
REFUSED = b'{"type":"error","error":{"type":"rate_limit_error","message":"too fast"}}'
FAILED, GOOD = (
    attempt(UPSTREAM_REQUEST, REFUSED, 429),
    attempt(UPSTREAM_REQUEST, messages_stream(), reason="status 429"),
)
TURN = Turn(REQUEST, ANSWER, (), 200, TurnData.parse(metadata(FAILED, GOOD)))
VIEWS = (request_view, turn_view, wire_view)


def test_turn_view_shows_all_stages_of_every_attempt_in_order() -> None:
    text = turn_view(TURN)

    order = [
        "fast → anthropic claude-fake · 200 · response.completed · TTFT 0.8 s · 3.2 s · in 1,200 (cached 1,000) · out 34 (reasoning 10)",
        "1 · REQUEST FROM CODEX",
        "RESULT · call_2\n  Done",
        "2 · ATTEMPT 1, first: REQUEST",
        "POST https://api.example.com/v1/messages",
        "x-api-key: <kept by codex-shim>",
        "USER (cache mark)\n  Go on",
        "3 · ATTEMPT 1: RESPONSE",
        "429 · first byte after 0.40 s · 3.10 s in total · relayed",
        "codex primary: 42 % used of 5 h",
        "message: too fast",
        "2 · ATTEMPT 2, status 429: REQUEST",
        "3 · ATTEMPT 2: RESPONSE",
        "ENDED: message_stop",
        "CHANGES TO THE REQUEST",
        "model: fast → claude-fake",
        "dropped: tool web_search",
        "4 · RESPONSE TO CODEX",
        "ENDED: response.completed",
    ]
    positions = [text.find(part) for part in order]
    assert -1 not in positions, [part for part in order if part not in text]
    assert positions == sorted(positions)


def test_request_view_shows_the_changes_and_the_whole_request() -> None:
    text = request_view(TURN)

    assert "CHANGES TO THE REQUEST\n  model: fast → claude-fake\n  dropped: tool web_search" in text
    assert "DEVELOPER\n  Be brief." in text
    assert "TOOLS (4)" in text


def test_changes_by_hooks_are_shown() -> None:
    data = TurnData.parse({**metadata(GOOD), "hooks": ["rule.py: instructions", 7]})
    text = request_view(Turn(REQUEST, ANSWER, (), 200, data))
    assert "  changed by a hook: rule.py: instructions\n" in text


def test_wire_view_shows_the_whole_upstream_request() -> None:
    text = wire_view(TURN)

    assert "SYSTEM (23 characters)" in text
    assert "TOOLS (1)\n  add_one" in text
    assert "RESPONSE TO CODEX" not in text


def test_unchanged_bodies_are_shown_once() -> None:
    passed = metadata(attempt(REQUEST, ANSWER))

    text = turn_view(Turn(REQUEST, ANSWER, (), 200, TurnData.parse(passed)))

    assert "the body is the request from Codex, byte for byte" in text
    assert "the body is the response to Codex, byte for byte" in text
    assert text.count("ENDED: response.completed") == 1


def test_turn_without_a_record_shows_the_messages_of_the_flow() -> None:
    text = turn_view(Turn(REQUEST, ANSWER, (("x-codex-primary-used-percent", "7"),), 200))

    assert text.startswith("200\n")
    assert "ENDED: response.completed" in text
    assert "codex primary: 7 % used" in text


def test_wire_view_of_a_turn_without_an_upstream_shows_what_came_and_went() -> None:
    text = wire_view(Turn(REQUEST, ANSWER, (), 200, TurnData.parse(metadata())))

    order = ["(no upstream was asked", "1 · REQUEST FROM CODEX", "USER\n  Fix the\n  bug", "4 · RESPONSE TO CODEX", "ENDED: response.completed"]  # fmt: skip
    places = [text.index(each) for each in order]
    assert places == sorted(places), text
    assert "no upstream was asked" not in wire_view(TURN)
    assert "(nothing was sent yet)" in wire_view(Turn(REQUEST))


def test_turn_without_an_answer_yet_is_marked() -> None:
    assert "(no body yet" in turn_view(Turn(REQUEST))


def test_attempt_without_bodies_names_the_option_that_records_them() -> None:
    data = metadata({**GOOD, "request": {"method": "POST"}, "answer": None, "first_byte": None})

    text = turn_view(Turn(REQUEST, None, (), 0, TurnData.parse(data)))

    assert "the option codex_shim_capture was off" in text
    assert "no answer · 3.10 s in total" in text


@pytest.mark.parametrize(("outcome", "end"), [("200", ""), ("", ""), ("stalled", " · stalled")])
def test_outcome_that_is_the_status_is_shown_once(outcome: str, end: str) -> None:
    data = metadata({**GOOD, "outcome": outcome})

    text = turn_view(Turn(REQUEST, ANSWER, (), 200, TurnData.parse(data)))

    assert f"\n200 · first byte after 0.40 s · 3.10 s in total{end}\n" in text


def test_empty_body_that_is_cut_counts_as_not_recorded() -> None:
    request = {"method": "POST", "headers": [], "body": b"", "cut": True}

    text = wire_view(
        Turn(REQUEST, None, (), 0, TurnData.parse(metadata({**GOOD, "request": request})))
    )

    assert "the option codex_shim_capture was off" in text


def test_compressed_upstream_request_is_decoded() -> None:
    request = {
        "method": "POST",
        "headers": [["Content-Encoding", "gzip"]],
        "body": gzip.compress(UPSTREAM_REQUEST),
        "cut": False,
    }

    text = wire_view(
        Turn(REQUEST, None, (), 0, TurnData.parse(metadata({**GOOD, "request": request})))
    )

    assert "USER (cache mark)\n  Go on" in text


def test_summary_names_the_fault_that_ended_the_turn() -> None:
    data = {
        **metadata(),
        "terminal": "response.failed",
        "error": "invalid_prompt",
        "ended": "killed",
    }

    assert "response.failed · invalid_prompt · killed" in summary(
        Turn(b"", data=TurnData.parse(data))
    )


def test_cut_body_is_marked() -> None:
    answer = {"status": 200, "headers": [], "body": b"data: {", "cut": True}

    text = turn_view(
        Turn(REQUEST, ANSWER, (), 200, TurnData.parse(metadata({**GOOD, "answer": answer})))
    )

    assert "(cut here: only the beginning of the body was recorded)" in text


def test_summary_of_an_empty_turn_is_empty() -> None:
    assert summary(Turn(b"")) == ""


SAMPLES = st.sampled_from(
    [REQUEST, ANSWER, UPSTREAM_REQUEST, chat_stream(), messages_stream(), ndjson(), REFUSED]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real body, cut and with a few bytes replaced."""
    body = bytearray(draw(SAMPLES))
    for _ in range(draw(st.integers(0, 5))):
        position = draw(st.integers(0, len(body) - 1))
        body[position : position + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
    return bytes(body[: draw(st.integers(0, len(body)))])


def _is_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


MEMBERS = (
    "input",
    "messages",
    "choices",
    "output",
    "object",
    "type",
    "tools",
    "response",
    "content",
)
DOCUMENTS = st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON)).filter(_is_json)
BODIES = st.binary(max_size=300) | damaged() | DOCUMENTS.map(orjson.dumps)


@given(BODIES, BODIES, JSON)
def test_any_input_gives_a_bounded_text(request: bytes, answer: bytes, anything: object) -> None:
    odd = {
        **metadata(attempt(answer, request)),
        "usage": anything,
        "ttft": anything,
        "dropped": anything,
    }
    for record in (
        None,
        TurnData.parse(anything),
        TurnData.parse(odd),
        TurnData.parse({"attempts": [anything]}),
    ):
        for view in VIEWS:
            assert len(view(Turn(request, answer, (), 200, record))) <= PAGE_CHARACTERS + 100


@pytest.mark.parametrize("opening", [b"[", b'{"input":', b'{"content":[', b'data: {"choices":['])
def test_deeply_nested_body_is_rendered(opening: bytes) -> None:
    body = opening * 900 + b"1" + {b"[": b"]", b'{"input":': b"}"}.get(opening, b"]}") * 900

    for view in VIEWS:
        assert view(Turn(body, body, (), 200))


def test_nesting_that_json_allows_is_rendered() -> None:
    content: object = "deep"
    for _ in range(240):
        content = [content]
    body = orjson.dumps({"choices": [{"message": {"content": content}}]})

    assert turn_view(Turn(b"", body, (), 200))


def test_request_of_megabytes_is_bounded() -> None:
    items = [{"role": "user", "content": "x" * 100_000} for _ in range(200)]
    body = orjson.dumps({"model": "m", "input": items})

    assert len(request_view(Turn(body))) <= PAGE_CHARACTERS + 100


def test_times_of_an_upstream_answer_are_shown_unless_it_was_encoded() -> None:
    odd: list[object] = ["x", [1], [10**400, 60]]
    answer = {**GOOD["answer"], "reads": [[0.4, 50], *odd, [0.9, 10**400]]}  # type: ignore[dict-item]
    timed = Turn(REQUEST, ANSWER, (), 200, TurnData.parse(metadata({**GOOD, "answer": answer})))
    assert "TIMES\n  0.900 s  message_start" in turn_view(timed)
    body = gzip.compress(messages_stream())
    zipped = {**answer, "body": body, "headers": [["content-encoding", "gzip"]]}
    turn = Turn(REQUEST, ANSWER, (), 200, TurnData.parse(metadata({**GOOD, "answer": zipped})))
    assert "ENDED: message_stop" in turn_view(turn)
    assert "TIMES" not in turn_view(turn)
