"""The words of a failing child: what they are about, and what the user is told to do."""

from __future__ import annotations

import orjson
import pytest

from addons.core.cursor.words import (
    FINAL,
    Kind,
    acted,
    ended,
    failure,
    kind_of,
    late,
    no_answer,
    no_start,
    no_workspace,
    own_key,
    ran_by_itself,
)
from addons.core.errors import Problem

SAID = {
    Kind.AUTH: [
        "Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY environment variable.",
        "Error: [unauthenticated] Error", "Not logged in",
    ],
    Kind.KEY: ["⚠ Warning: The provided API key is invalid.\nThe API key was loaded from the CURSOR_API_KEY environment variable."],
    Kind.QUOTA: ["Error: You've hit your usage limit for Opus. Resets 9/1/2026\n spendLimitHit: true\nActionRequiredError: x"],
    Kind.CAPACITY: ["w: [resource_exhausted] Error", "S: [resource_exhausted] Error"],
    Kind.MODEL: ["Cannot use this model: composer-9. Available models: auto, gpt"],
    Kind.PLAN: ["T: Named models are not for you"],
    Kind.TRUST: ["Workspace Trust Required\nPass --trust, --yolo, or -f"],
    Kind.RACE: ["Error: ENOENT: no such file or directory, rename '/h/.cursor/cli-config.json.1.tmp' -> '/h/.cursor/cli-config.json'"],
    Kind.OPTION: ["error: unknown option '--stream-partial-output'"],
    Kind.NETWORK: ["getaddrinfo ENOTFOUND api2.cursor.sh"],
    Kind.OTHER: ["Segmentation fault", ""],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, texts in SAID.items() for t in texts])
def test_words_are_recognised_and_told_with_something_to_do(kind: Kind, text: str) -> None:
    assert kind_of(text) is kind
    problem = failure(f"\x1b[31m{text}\x1b[0m", "cursor-agent ended with exit code 1")
    waits = problem.code == "rate_limit_exceeded"
    assert waits is (kind in {Kind.CAPACITY, Kind.RACE})
    assert ("try again in" in problem.message) is waits
    assert waits or problem.code == FINAL
    assert "\x1b" not in problem.message
    assert "`" in problem.message or "dashboard" in problem.message or waits


@pytest.mark.parametrize(
    ("text", "status", "type_"),
    [
        ("The API key is invalid", 500, "codex_shim_error"),
        ("[unauthenticated] Error", 401, "authentication_error"),
        ("Workspace Trust Required", 403, "permission_error"),
        ("You've hit your spend limit", 429, "insufficient_quota"),
        ("Cannot use this model: x", 404, "not_found_error"),
        ("EPERM: rename 'a' -> 'cli-config.json'", 503, "server_error"),
        ("[resource_exhausted]", 429, "rate_limit_error"),
        ("Named models are unavailable", 403, "permission_error"),
        ("error: option '--mode' argument 'x' is invalid", 502, "server_error"),
        ("[deadline_exceeded] Error", 502, "server_error"),
        ("Segmentation fault", 502, "server_error"),
    ],
)
def test_sdks_are_told_a_status_and_a_type(text: str, status: int, type_: str) -> None:
    problem = failure(text, "x")
    assert (problem.status, problem.type) == (status, type_)


@pytest.mark.parametrize(
    ("problem", "status", "type_", "says"),
    [
        (own_key("apiKey"), 500, "codex_shim_error", "would have used apiKey and"),
        (own_key(""), 500, "codex_shim_error", "would have used no known credential and"),
        (own_key("k" * 61), 500, "codex_shim_error", f"used {'k' * 60} and"),
        (no_answer(), 502, "server_error", "without an answer"),
        (ran_by_itself("Running ls"), 502, "server_error", "(Running ls)"),
        (late("it did not begin", 1.5, "SOME_SECONDS"), 504, "timeout_error", "within 1.5 s. Send the turn again, or raise SOME_SECONDS"),
        (no_start("/bin/x", "gone"), 502, "server_error", "/bin/x could not be started: gone"),
        (no_workspace("it is /"), 400, "invalid_request_error", "no folder to work in: it is /"),
    ],
)  # fmt: skip
def test_what_we_say_ourselves_stops_codex(
    problem: Problem, status: int, type_: str, says: str
) -> None:
    assert (problem.status, problem.type, problem.code) == (status, type_, FINAL)
    assert says in problem.message


def test_the_end_of_a_child_is_told() -> None:
    assert "ended by signal 9" in ended(-9)
    assert "exit code 0" in ended(0)
    assert "exit code 3" in ended(3)


def test_the_last_lines_of_what_nobody_knows_and_those_from_the_telling_one_are_shown() -> None:
    unknown = failure("one\ntwo\nthree\nfour.", "it ended").message
    assert "it ended, and said: two three four. Run" in unknown
    known = failure("one\n[unavailable] two\nthree\nfour\nfive", "it ended").message
    assert "reach Cursor: [unavailable] two three four. Check" in known


@pytest.mark.parametrize(("characters", "shown"), [(300, "x" * 300), (301, "x" * 300 + "…")])
def test_a_long_line_is_cut(characters: int, shown: str) -> None:
    assert f"said: {shown}. Run" in failure("x" * characters, "it ended").message


def test_a_turn_that_acted_is_not_tried_again_by_itself() -> None:
    problem = acted(failure("[resource_exhausted]", "x"))
    assert problem.code == FINAL
    assert problem.message.endswith("look at what it changed before you send the turn again.")


def test_every_kind_is_shown_by_an_example() -> None:
    assert SAID.keys() == set(Kind)


def test_a_reset_date_is_shown() -> None:
    assert "Resets 9/1/2026" in failure(SAID[Kind.QUOTA][0], "x").message


def test_mirrored_events_neither_decide_nor_show() -> None:
    mirrored = orjson.dumps({"type": "user", "text": "Not logged in: my secret plan"}).decode()
    problem = failure(f"{mirrored}\nboom sk-abcdefghijkl", "cursor-agent ended with exit code 1")
    assert "secret" not in problem.message
    assert "sk-abc" not in problem.message
    assert "ended with exit code 1, and said: boom" in problem.message
