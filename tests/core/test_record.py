"""A turn's record: what of it may be shown, and its one line."""

import pytest

from addons.core.credential import Secret
from addons.core.record import (
    HIDDEN,
    LONGEST_NAME,
    AttemptRecord,
    TurnRecord,
    answer_headers,
    request_headers,
    shown,
    shown_path,
)
from addons.core.record_line import count, marker, summary
from addons.core.usage import Usage


def record(**fields: object) -> TurnRecord:
    made = TurnRecord(slug="fast", route="openai", model="gpt-5.5", status=200)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_the_line_says_what_a_user_wants_to_know() -> None:
    whole = record(
        terminal="response.completed",
        ttft=0.8,
        seconds=0.8 + 640 / 312,
        usage=Usage(18_200, 17_000, 640, 0, 18_840),
    )
    line = "fast → gpt-5.5 · 200 · TTFT 0.8 s · 312 tok/s · in 18.2k (cached 17k) out 640"
    assert summary(whole) == line
    assert marker(whole) == ""


@pytest.mark.parametrize(
    ("turn", "line", "mark"),
    [
        (TurnRecord(slug="x"), "x · no answer", ":red_circle:"),
        (record(status=429, error="slow"), "fast → gpt-5.5 · 429 · slow", ":red_circle:"),
        (
            record(terminal="response.failed", error="server_error"),
            "fast → gpt-5.5 · 200 · response.failed · server_error",
            ":red_circle:",
        ),
        (record(ended="killed", ttft=12.34), "fast → gpt-5.5 · 200 · killed · TTFT 12.3 s", ":red_circle:"),
        (
            record(attempts=[AttemptRecord("u", "", "POST", 0.0)] * 2),
            "fast → gpt-5.5 · 200 · 2 attempts",
            ":yellow_circle:",
        ),
    ],
)  # fmt: skip
def test_the_line_says_what_went_wrong(turn: TurnRecord, line: str, mark: str) -> None:
    assert summary(turn) == line
    assert marker(turn) == mark


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (18_249, "18.2k"), (999_949, "999.9k"), (1_300_000, "1.3M")],
)  # fmt: skip
def test_counts_are_short(tokens: int, text: str) -> None:
    assert count(tokens) == text


def test_a_clients_text_cannot_move_the_cursor_or_fill_the_line() -> None:
    assert shown("a\x1b[2Jb\n") == "a?[2Jb?"
    assert len(shown("x" * 10_000)) == 100


def test_secrets_of_headers_and_urls_are_hidden() -> None:
    sent = ((b"accept", b"x"), (b"X-My-Token", b"t0p"))
    assert request_headers(sent, [b"authorization"]) == [
        ["accept", "x"],
        ["X-My-Token", HIDDEN],
        ["authorization", HIDDEN],
    ]
    came = ((b"Set-Cookie", b"s3ss"), (b"x-ratelimit-remaining-tokens", b"5"))
    assert answer_headers(came) == [["Set-Cookie", HIDDEN], ["x-ratelimit-remaining-tokens", "5"]]
    assert shown_path("/v1/x?api-version=2&key=abc&b") == f"/v1/x?api-version=2&key={HIDDEN}&b"
    assert shown_path("/v1/x") == "/v1/x"


ATTEMPT = AttemptRecord(
    "https://a.example/v1", "429", "POST", 5.0, [["accept", "x"]], b"asked", False, 200, ((b"set-cookie", b"s3ss"),),
    bytearray(b"told"), True, [[0.5, 4]], 0.25, 1.5, "200",
)  # fmt: skip
PLAIN_ATTEMPT = {
    "url": "https://a.example/v1",
    "reason": "429",
    "request": {"method": "POST", "headers": [["accept", "x"]], "body": b"asked", "cut": False},
    "answer": {
        "status": 200,
        "headers": [["set-cookie", HIDDEN]],
        "body": b"told",
        "cut": True,
        "reads": [[0.5, 4]],
    },
    "started": 5.0,
    "first_byte": 0.25,
    "seconds": 1.5,
    "outcome": "200",
}


def test_an_attempt_is_plain_data_and_has_no_answer_before_its_head() -> None:
    assert ATTEMPT.plain() == PLAIN_ATTEMPT
    begun = AttemptRecord("https://a.example/v1", "", "POST", 5.0).plain()
    assert begun["answer"] is None
    assert begun["request"] == {"method": "POST", "headers": [], "body": b"", "cut": True}


def test_a_turn_is_plain_data() -> None:
    turn = record(
        thread="t", dropped=["a"], attempts=[ATTEMPT], terminal="response.failed", error="e", ended="killed",
        usage=Usage(5, 1, 3, 2, 8), ttft=0.5, seconds=2.0, bytes_in=7, bytes_out=9,
    )  # fmt: skip
    assert turn.plain() == {
        "slug": "fast",
        "route": "openai",
        "model": "gpt-5.5",
        "thread": "t",
        "dropped": ["a"],
        "attempts": [PLAIN_ATTEMPT],
        "terminal": "response.failed",
        "error": "e",
        "ended": "killed",
        "usage": {"input": 5, "cached": 1, "cache_written": 0, "output": 3, "reasoning": 2},
        "ttft": 0.5,
        "seconds": 2.0,
        "bytes_in": 7,
        "bytes_out": 9,
    }
    assert TurnRecord().plain()["usage"] is None


@pytest.mark.parametrize(
    ("cut", "body"), [(False, b"no <secret> for s3sec"), (True, b"no <secret> for ")]
)
def test_what_an_upstream_quotes_of_a_credential_is_taken_out(cut: bool, body: bytes) -> None:
    secret = Secret("s3secret")
    attempt = AttemptRecord(
        "u", "", "POST", 0.0, answer_headers=((b"x", b"your s3secret"),), answer_cut=cut
    )
    attempt.answer_body = bytearray(b"no s3secret for s3sec")
    attempt.hide([secret])
    assert attempt.answer_headers == ((b"x", b"your <secret>"),)
    assert bytes(attempt.answer_body) == body


@pytest.mark.parametrize(
    ("turn", "ok"),
    [
        (record(), True),
        (record(terminal="response.completed"), True),
        (record(terminal="response.incomplete"), False),
        (record(ended="killed"), False),
        (record(status=399), True),
        (record(status=400), False),
        (record(status=0), False),
    ],
)
def test_a_turn_is_well_when_the_client_got_a_whole_answer(turn: TurnRecord, ok: bool) -> None:
    assert turn.ok is ok


def test_who_asked_is_noted_in_a_form_that_can_be_shown() -> None:
    turn = TurnRecord()
    turn.asked("a\n", b"t\x00")
    assert (turn.slug, turn.thread) == ("a?", "t?")
    turn.asked("b", None)
    assert turn.thread == ""


def test_names_of_a_catalog_are_shown_in_one_line_too() -> None:
    record = TurnRecord(slug="a", status=200)
    record.routed("p\x1b[2J", "m\nERROR forged" + "x" * 500)
    assert (record.route, record.model[:14]) == ("p?[2J", "m?ERROR forged")
    assert len(record.model) == LONGEST_NAME
    assert summary(record).isprintable()
