"""Classification of a failed child's output, and the problems that result."""

from __future__ import annotations

import orjson
import pytest

from addons.core.cursor.error_patterns import (
    FailureKind,
    after_action,
    classify,
    describe_exit,
    failure,
    foreign_credential,
    is_error_as_answer,
    no_answer,
    no_workspace,
    start_failure,
    timeout_problem,
    unexpected_action,
)
from addons.core.errors import INVALID_PROMPT, Problem

OUTPUTS = {
    FailureKind.AUTH: [
        "Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY environment variable.",
        "Error: [unauthenticated] Error", "Not logged in",
    ],
    FailureKind.KEY: ["⚠ Warning: The provided API key is invalid.\nThe API key was loaded from the CURSOR_API_KEY environment variable."],
    FailureKind.QUOTA: ["Error: You've hit your usage limit for Opus. Resets 9/1/2026\n spendLimitHit: true\nActionRequiredError: x"],
    FailureKind.CAPACITY: ["w: [resource_exhausted] Error", "S: [resource_exhausted] Error"],
    FailureKind.MODEL: ["Cannot use this model: composer-9. Available models: auto, gpt"],
    FailureKind.PLAN: ["T: Named models are not for you"],
    FailureKind.TRUST: ["Workspace Trust Required\nPass --trust, --yolo, or -f"],
    FailureKind.RACE: ["Error: ENOENT: no such file or directory, rename '/h/.cursor/cli-config.json.1.tmp' -> '/h/.cursor/cli-config.json'"],
    FailureKind.OPTION: ["error: unknown option '--stream-partial-output'"],
    FailureKind.NETWORK: ["getaddrinfo ENOTFOUND api2.cursor.sh", "Error: RetriableError: [internal] Error"],
    FailureKind.OTHER: ["Segmentation fault", ""],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, texts in OUTPUTS.items() for t in texts])
def test_output_is_classified_and_the_message_names_a_next_step(
    kind: FailureKind, text: str
) -> None:
    assert classify(text) is kind
    problem = failure(f"\x1b[31m{text}\x1b[0m", "cursor-agent ended with exit code 1")
    waits = problem.code == "rate_limit_exceeded"
    assert waits is (kind in {FailureKind.CAPACITY, FailureKind.RACE})
    assert ("try again in" in problem.message) is waits
    unreachable = kind is FailureKind.NETWORK
    assert waits or problem.code == ("upstream_unreachable" if unreachable else INVALID_PROMPT)
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
def test_problem_has_the_status_and_type_for_sdks(text: str, status: int, type_: str) -> None:
    problem = failure(text, "x")
    assert (problem.status, problem.type) == (status, type_)


@pytest.mark.parametrize(
    ("problem", "status", "type_", "expected"),
    [
        (foreign_credential("apiKey"), 500, "codex_shim_error", "would have used apiKey, not your login"),
        (foreign_credential(""), 500, "codex_shim_error", "would have used no known credential, not your login"),
        (foreign_credential("k" * 61), 500, "codex_shim_error", f"used {'k' * 60}, not"),
        (no_answer(), 502, "server_error", "without an answer"),
        (unexpected_action("Running ls"), 502, "server_error", "(Running ls)"),
        (timeout_problem("it did not begin", 1.5, "SOME_SECONDS"), 504, "timeout_error", "within 1.5 s. Send the turn again, or raise SOME_SECONDS"),
        (start_failure("/bin/x", "gone"), 502, "server_error", "/bin/x could not be started: gone"),
        (no_workspace("it is /"), 400, "invalid_request_error", "no folder to work in: it is /"),
    ],
)  # fmt: skip
def test_own_problem_stops_codex(problem: Problem, status: int, type_: str, expected: str) -> None:
    assert (problem.status, problem.type, problem.code) == (status, type_, INVALID_PROMPT)
    assert expected in problem.message


@pytest.mark.parametrize(
    ("text", "is_error"),
    [
        ("Error: RetriableError: [unavailable] Error\n", True),
        ("Error: ConnectError: [internal] x", True),
        ("Error: RetriableError: first\nThe log says so.", False),
        ("The line is `Error: RetriableError: x`", False),
        ("Error: TypeError: x is not a function", False),
        ("Error: see below", False),
    ],
)
def test_answer_that_is_only_an_error_of_cursor_is_known(text: str, is_error: bool) -> None:
    assert is_error_as_answer(text) is is_error


def test_exit_is_described() -> None:
    assert "ended by signal 9" in describe_exit(-9)
    assert "exit code 0" in describe_exit(0)
    assert "exit code 3" in describe_exit(3)


def test_unknown_output_shows_its_last_lines_and_known_output_the_matching_ones() -> None:
    unknown = failure("one\ntwo\nthree\nfour.", "it ended").message
    assert "it ended and printed: two three four. Run" in unknown
    known = failure("one\n[unavailable] two\nthree\nfour\nfive", "it ended").message
    assert "reach Cursor: [unavailable] two three four. Check" in known


@pytest.mark.parametrize(("characters", "shown"), [(300, "x" * 300), (301, "x" * 300 + "…")])
def test_long_line_is_cut(characters: int, shown: str) -> None:
    assert f"printed: {shown}. Run" in failure("x" * characters, "it ended").message


def test_problem_after_an_action_is_final() -> None:
    problem = after_action(failure("[resource_exhausted]", "x"))
    assert problem.code == INVALID_PROMPT
    assert problem.message.endswith("check what it changed before you send the turn again.")


def test_every_kind_has_an_example() -> None:
    assert OUTPUTS.keys() == set(FailureKind)


def test_reset_date_is_shown() -> None:
    assert "Resets 9/1/2026" in failure(OUTPUTS[FailureKind.QUOTA][0], "x").message


def test_mirrored_events_are_ignored_and_never_quoted() -> None:
    mirrored = orjson.dumps({"type": "user", "text": "Not logged in: my secret plan"}).decode()
    problem = failure(f"{mirrored}\nboom sk-abcdefghijkl", "cursor-agent ended with exit code 1")
    assert "secret" not in problem.message
    assert "sk-abc" not in problem.message
    assert "ended with exit code 1 and printed: boom" in problem.message
