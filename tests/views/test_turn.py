"""Invariant of the fuzzing below: any bytes, any metadata → some text, of bounded length, and no exception."""

from __future__ import annotations

import gzip

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.views.kept import KeptTurn
from addons.views.page import PAGE_CHARACTERS
from addons.views.quota import quota_lines
from addons.views.turn import Turn, request_view, summary, turn_view, wire_view
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

ASKED, TOLD = orjson.dumps(RESPONSES_REQUEST), sse(RESPONSES_EVENTS)
SENT = orjson.dumps(MESSAGES_REQUEST)
REFUSED = b'{"type":"error","error":{"type":"rate_limit_error","message":"too fast"}}'
FAILED, GOOD = attempt(SENT, REFUSED, 429), attempt(SENT, messages_stream(), reason="status 429")
TURN = Turn(ASKED, TOLD, (), 200, KeptTurn.of(metadata(FAILED, GOOD)))
VIEWS = (request_view, turn_view, wire_view)


def test_one_page_shows_all_four_stages_of_every_attempt_in_order() -> None:
    text = turn_view(TURN)

    order = [
        "fast → anthropic claude-fake · 200 · response.completed · TTFT 0.8 s · 3.2 s · in 1,200 (cached 1,000) · out 34 (reasoning 10)",
        "1 · CODEX ASKED",
        "RESULT · call_2\n  Done",
        "2 · ATTEMPT 1, first: SENT",
        "POST https://api.example.com/v1/messages",
        "x-api-key: <kept by codex-shim>",
        "USER (cache mark)\n  Go on",
        "3 · ATTEMPT 1: ANSWERED",
        "429 · first byte after 0.40 s · 3.10 s in all · relayed",
        "codex primary: 42 % used of 5 h",
        "message: too fast",
        "2 · ATTEMPT 2, status 429: SENT",
        "3 · ATTEMPT 2: ANSWERED",
        "ENDED: message_stop",
        "CHANGED ON THE WAY",
        "model: fast → claude-fake",
        "dropped: tool web_search",
        "4 · CODEX WAS TOLD",
        "ENDED: response.completed",
    ]
    places = [text.find(part) for part in order]
    assert -1 not in places, [part for part in order if part not in text]
    assert places == sorted(places)


def test_request_view_says_what_was_changed_and_shows_the_whole_request() -> None:
    text = request_view(TURN)

    assert "CHANGED ON THE WAY\n  model: fast → claude-fake\n  dropped: tool web_search" in text
    assert "DEVELOPER\n  Be brief." in text
    assert "TOOLS (4)" in text


def test_wire_view_shows_the_whole_request_that_was_sent() -> None:
    text = wire_view(TURN)

    assert "SYSTEM (23 characters)" in text
    assert "TOOLS (1)\n  add_one" in text
    assert "CODEX WAS TOLD" not in text


def test_bytes_that_passed_unchanged_are_shown_once() -> None:
    passed = metadata(attempt(ASKED, TOLD))

    text = turn_view(Turn(ASKED, TOLD, (), 200, KeptTurn.of(passed)))

    assert "the body is what Codex sent, byte for byte" in text
    assert "the body is what Codex was told, byte for byte" in text
    assert text.count("ENDED: response.completed") == 1


def test_turn_without_anything_kept_shows_what_the_flow_holds() -> None:
    text = turn_view(Turn(ASKED, TOLD, (("x-codex-primary-used-percent", "7"),), 200))

    assert text.startswith("200\n")
    assert "ENDED: response.completed" in text
    assert "codex primary: 7 % used" in text


def test_turn_that_runs_says_so() -> None:
    assert "(nothing yet" in turn_view(Turn(ASKED))


def test_attempt_without_bodies_says_how_to_get_them() -> None:
    data = metadata({**GOOD, "request": {"method": "POST"}, "answer": None, "first_byte": None})

    text = turn_view(Turn(ASKED, None, (), 0, KeptTurn.of(data)))

    assert "the option codex_shim_capture was off" in text
    assert "no answer · 3.10 s in all" in text


def test_nothing_of_a_cut_body_is_no_body() -> None:
    request = {"method": "POST", "headers": [], "body": b"", "cut": True}

    text = wire_view(Turn(ASKED, None, (), 0, KeptTurn.of(metadata({**GOOD, "request": request}))))

    assert "the option codex_shim_capture was off" in text


def test_compressed_body_on_the_wire_is_read() -> None:
    request = {
        "method": "POST",
        "headers": [["Content-Encoding", "gzip"]],
        "body": gzip.compress(SENT),
        "cut": False,
    }

    text = wire_view(Turn(ASKED, None, (), 0, KeptTurn.of(metadata({**GOOD, "request": request}))))

    assert "USER (cache mark)\n  Go on" in text


def test_turn_that_was_ended_says_by_what() -> None:
    data = {
        **metadata(),
        "terminal": "response.failed",
        "error": "invalid_prompt",
        "ended": "killed",
    }

    assert "response.failed · invalid_prompt · killed" in summary(Turn(b"", kept=KeptTurn.of(data)))


def test_cut_body_is_marked() -> None:
    answer = {"status": 200, "headers": [], "body": b"data: {", "cut": True}

    text = turn_view(Turn(ASKED, TOLD, (), 200, KeptTurn.of(metadata({**GOOD, "answer": answer}))))

    assert "(cut here: only the beginning of the body was kept)" in text


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        (
            (("X-Codex-Secondary-Used-Percent", "3"), ("x-codex-secondary-window-minutes", "10080"), ("x-codex-secondary-reset-at", "1795500000")),
            "codex secondary: 3 % used of 7 d, resets at 1795500000",
        ),
        ((("x-spark-primary-used-percent", "9"),), "spark primary: 9 % used"),
        ((("x-codex-primary-window-minutes", "45"), ("x-codex-primary-reset-after-seconds", "9")), "codex primary: ? % used of 45 min, resets in 9 s"),
        ((("anthropic-ratelimit-tokens-remaining", "5"),), "anthropic-ratelimit-tokens-remaining: 5"),
        ((("x-ratelimit-remaining-requests", "1"),), "x-ratelimit-remaining-requests: 1"),
        ((("x-codex-credits-balance", "12"),), "x-codex-credits-balance: 12"),
        ((("retry-after", "3"),), "retry-after: 3"),
    ],
)  # fmt: skip
def test_quota_headers_read_as_windows(headers: tuple[tuple[str, str], ...], line: str) -> None:
    assert list(quota_lines([*headers, ("content-type", "text/plain")])) == [line]


def test_summary_of_nothing_is_empty() -> None:
    assert summary(Turn(b"")) == ""


def test_data_of_another_kind_is_no_record() -> None:
    assert KeptTurn.of(None) is None
    assert KeptTurn.of("codex_shim") is None
    assert KeptTurn.of({}) is not None


SAMPLES = st.sampled_from([ASKED, TOLD, SENT, chat_stream(), messages_stream(), ndjson(), REFUSED])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real body, cut and with a few bytes replaced."""
    body = bytearray(draw(SAMPLES))
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, len(body) - 1))
        body[place : place + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
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
def test_anything_gives_some_text(asked: bytes, told: bytes, anything: object) -> None:
    odd = {
        **metadata(attempt(told, asked)),
        "usage": anything,
        "ttft": anything,
        "dropped": anything,
    }
    for record in (
        None,
        KeptTurn.of(anything),
        KeptTurn.of(odd),
        KeptTurn.of({"attempts": [anything]}),
    ):
        for view in VIEWS:
            assert len(view(Turn(asked, told, (), 200, record))) <= PAGE_CHARACTERS + 100


@pytest.mark.parametrize("opening", [b"[", b'{"input":', b'{"content":[', b'data: {"choices":['])
def test_deep_nesting_ends(opening: bytes) -> None:
    body = opening * 900 + b"1" + {b"[": b"]", b'{"input":': b"}"}.get(opening, b"]}") * 900

    for view in VIEWS:
        assert view(Turn(body, body, (), 200)) or view is wire_view


def test_nesting_that_the_wire_allows_is_no_failure() -> None:
    content: object = "deep"
    for _ in range(240):
        content = [content]
    body = orjson.dumps({"choices": [{"message": {"content": content}}]})

    assert turn_view(Turn(b"", body, (), 200))


def test_megabytes_are_bounded_and_quick() -> None:
    items = [{"role": "user", "content": "x" * 100_000} for _ in range(200)]
    body = orjson.dumps({"model": "m", "input": items})

    assert len(request_view(Turn(body))) <= PAGE_CHARACTERS + 100


def test_what_an_upstream_said_is_told_with_its_times_unless_it_was_encoded() -> None:
    odd: list[object] = ["x", [1], [10**400, 60]]
    answer = {**GOOD["answer"], "reads": [[0.4, 50], *odd, [0.9, 10**400]]}  # type: ignore[dict-item]
    timed = Turn(ASKED, TOLD, (), 200, KeptTurn.of(metadata({**GOOD, "answer": answer})))
    assert "TIMES\n  0.900 s  message_start" in turn_view(timed)
    body = gzip.compress(messages_stream())
    zipped = {**answer, "body": body, "headers": [["content-encoding", "gzip"]]}
    turn = Turn(ASKED, TOLD, (), 200, KeptTurn.of(metadata({**GOOD, "answer": zipped})))
    assert "ENDED: message_stop" in turn_view(turn)
    assert "TIMES" not in turn_view(turn)
