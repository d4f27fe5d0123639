"""The record of a turn: redaction and plain data."""

import pytest

from addons.core.masking.credentials import (
    REDACTED,
)
from addons.core.masking.echoes import Echoes
from addons.core.masking.mask import EchoMask
from addons.core.secrets import Secret
from addons.core.telemetry.record import (
    AttemptRecord,
    TurnRecord,
    access_line,
    body_bytes,
    summary,
)
from addons.core.turn import MAX_NAME_LENGTH, printable
from addons.core.usage import Usage


def record(**fields: object) -> TurnRecord:
    made = TurnRecord(slug="fast", route="openai", model="gpt-5.5", status=200)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_printable_replaces_control_characters_and_limits_the_length() -> None:
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"
    assert len(printable("x" * 10_000)) == 100


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
        "headers": [["set-cookie", REDACTED]],
        "body": b"told",
        "cut": True,
        "reads": [[0.5, 4]],
    },
    "started": 5.0,
    "first_byte": 0.25,
    "seconds": 1.5,
    "outcome": "200",
}


def test_attempt_as_plain_data_has_no_answer_before_its_head() -> None:
    assert ATTEMPT.plain() == PLAIN_ATTEMPT
    begun = AttemptRecord("https://a.example/v1", "", "POST", 5.0).plain()
    assert begun["answer"] is None
    assert begun["request"] == {"method": "POST", "headers": [], "body": b"", "cut": True}


def test_turn_as_plain_data() -> None:
    turn = record(
        thread="t", dropped=["a"], repairs=["b"], fallback="c", attempts=[ATTEMPT], terminal="response.failed", error="e", ended="killed",
        usage=Usage(5, 1, 3, 2, 8), ttft=0.5, seconds=2.0, bytes_in=7, bytes_out=9,
    )  # fmt: skip
    assert turn.plain() == {
        "slug": "fast",
        "route": "openai",
        "model": "gpt-5.5",
        "thread": "t",
        "dropped": ["a"],
        "repairs": ["b"],
        "fallback": "c",
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
def test_credential_that_an_upstream_quotes_is_redacted(cut: bool, body: bytes) -> None:
    secret = Secret("s3secret")
    attempt = AttemptRecord(
        "u", "", "POST", 0.0, answer_headers=((b"x", b"your s3secret"),), answer_cut=cut
    )
    attempt.answer_body = bytearray(b"no s3secret for s3sec")
    attempt.redact(EchoMask([secret.derive(Echoes.of)]))
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
def test_turn_is_ok_when_the_client_received_a_whole_answer(turn: TurnRecord, ok: bool) -> None:
    assert turn.ok is ok


def test_slug_and_thread_of_the_client_are_noted_in_printable_form() -> None:
    turn = TurnRecord()
    turn.note_slug("a\n", b"t\x00")
    assert (turn.slug, turn.thread) == ("a?", "t?")
    turn.note_slug("b", None)
    assert turn.thread == ""


def test_route_and_model_are_noted_in_printable_form() -> None:
    record = TurnRecord(slug="a", status=200)
    record.note_route("p\x1b[2J", "m\nERROR forged" + "x" * 500)
    assert (record.route, record.model[:14]) == ("p?[2J", "m?ERROR forged")
    assert len(record.model) == MAX_NAME_LENGTH
    assert summary(record).isprintable()


def test_size_of_bodies_is_that_of_the_plain_data() -> None:
    plain = record(attempts=[ATTEMPT, AttemptRecord("u", "", "POST", 0.0)]).plain()
    assert body_bytes(plain) == len(b"asked" + b"told")


@pytest.mark.parametrize(
    "plain", [None, [], {"attempts": 5}, {"attempts": [None, {"request": 1, "answer": {"body": "x"}}]}]
)  # fmt: skip
def test_size_of_odd_data_is_zero(plain: object) -> None:
    assert body_bytes(plain) == 0


def test_secret_in_each_text_of_a_turn_is_redacted() -> None:
    key = "sk-Row_9f3aQz71LmXw"
    names = ("slug", "model", "thread", "route", "agent", "label")
    turn = record(**{name: f"my {key} {name}" for name in names})
    turn.dropped, turn.repairs = ["a field", f"field {key}"], [f"without {key}", "less"]
    turn.hooks = [f"a.py: {key}"]
    turn.redact(EchoMask([Echoes.of(key.encode())]))
    assert turn.hooks == [f"a.py: {REDACTED}"]
    assert turn.plain()["hooks"] == access_line(turn)["hooks"] == [f"a.py: {REDACTED}"]
    assert [getattr(turn, name) for name in names] == [f"my {REDACTED} {name}" for name in names]
    assert turn.dropped == ["a field", f"field {REDACTED}"]
    assert turn.repairs == [f"without {REDACTED}", "less"]


def test_turn_without_a_secret_stays() -> None:
    turn = record(thread="t", dropped=["a field"], repairs=["less"])
    before = turn.plain()
    turn.redact(EchoMask([Echoes.of(b"sk-Row_9f3aQz71LmXw")]))
    assert turn.plain() == before
