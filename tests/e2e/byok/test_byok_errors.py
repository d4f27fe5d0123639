"""What the real Codex shows, and how many requests it sends, when a model of models.json fails.

Each test runs with both protocols and with the newest and the oldest supported client. Codex uses its default number of
retries unless a test sets it: the number of requests is what a user would be billed.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.byok.stage import Byok
from tests.fakes.model_upstream import Broken, Call, Ending, Refuse, ScriptedAnswer, command, say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NO_RETRIES: dict[str, Any] = {"request_max_retries": 0, "stream_max_retries": 0}
TOO_LONG = {
    "chat": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "messages": "prompt is too long: 210000 tokens > 200000 maximum",
}
TEXT = "A whole sentence, and another."
ENDINGS = list(Ending)


def assert_names_provider(byok: Byok, text: str) -> None:
    assert byok.upstream.base_url.split("/")[2] in text
    assert "sk-fabricated" not in text


def test_context_overflow_is_final_and_recognised(byok: Byok) -> None:
    code = "context_length_exceeded" if byok.protocol == "chat" else ""
    byok.upstream.play(Refuse(400, TOO_LONG[byok.protocol], code))

    run = byok.exec("anything")

    assert run.code != 0
    assert "ran out of room" in run.errors
    assert len(byok.upstream.bodies) == 1


def test_refused_request_is_final_and_quoted(byok: Byok) -> None:
    byok.upstream.play(Refuse(400, "temperature: not supported here"))

    run = byok.exec("anything")

    assert "temperature: not supported here" in run.errors
    assert_names_provider(byok, run.errors)
    assert len(byok.upstream.bodies) == 1


def test_refused_key_is_final_and_not_taken_for_the_login(byok: Byok) -> None:
    byok.upstream.play(Refuse(401, "invalid key"))

    run = byok.exec("anything")

    assert "models.json" in run.errors
    # as a word: ports and ids hold these digits by chance
    assert not re.search(r"\b401\b", run.errors)
    assert_names_provider(byok, run.errors)
    assert len(byok.upstream.bodies) == 1


def test_rate_limit_is_shown_with_the_wait(byok: Byok) -> None:
    byok.configure(**NO_RETRIES)
    byok.upstream.default_answer = Refuse(429, "slow down", headers={"retry-after": "7"})

    run = byok.exec("anything")

    assert "try again in 7" in run.errors
    assert_names_provider(byok, run.errors)


def test_short_rate_limit_is_retried_without_an_error(byok: Byok) -> None:
    byok.upstream.play(Refuse(429, "slow down", headers={"retry-after": "1"}), say("here"))

    run = byok.exec("anything")

    assert run.messages == ["here"]


def test_transient_server_error_is_retried_without_an_error(byok: Byok) -> None:
    byok.upstream.play(Refuse(500, "internal"), say("here"))

    run = byok.exec("anything")

    assert run.messages == ["here"]
    assert len(byok.upstream.bodies) == 2


def test_permanent_server_error_is_shown_after_few_requests(byok: Byok) -> None:
    byok.configure(stream_max_retries=1)
    byok.upstream.default_answer = Refuse(500, "internal")

    run = byok.exec("anything")

    assert run.code != 0
    assert_names_provider(byok, run.errors)
    assert len(byok.upstream.bodies) <= 6 * byok.transports


@pytest.mark.parametrize("ending", ENDINGS)
def test_truncated_text_is_an_error(byok: Byok, ending: Ending) -> None:
    byok.configure(**NO_RETRIES)
    byok.upstream.play(*[Broken(say(TEXT), TEXT[:8].encode(), ending)] * byok.transports)

    run = byok.exec("say it")

    assert run.code != 0
    assert run.errors != "[]"
    assert len(byok.upstream.bodies) == byok.transports


@pytest.mark.parametrize("ending", ENDINGS)
def test_truncated_call_is_never_run(byok: Byok, ending: Ending) -> None:
    byok.configure(**NO_RETRIES)
    half = Broken(say("", command("touch ran.txt")), b"cmd", ending)
    byok.upstream.play(*[half] * byok.transports)

    run = byok.exec("do it")

    assert run.code != 0
    assert not (byok.user.workspace / "ran.txt").exists()
    assert run.items_of("command_execution") == []


def test_truncated_answer_is_retried_and_shown_once(byok: Byok) -> None:
    byok.upstream.play(Broken(say(TEXT), TEXT[:8].encode(), Ending.RESET), say(TEXT))

    run = byok.exec("say it")

    assert run.messages == [TEXT]


def test_text_at_the_output_limit_is_kept(byok: Byok) -> None:
    byok.upstream.play(
        ScriptedAnswer(TEXT, stop="length" if byok.protocol == "chat" else "max_tokens")
    )

    run = byok.exec("say it")

    assert run.code == 0, run.errors
    assert run.messages == [TEXT]


def test_call_truncated_by_the_output_limit_is_never_run(byok: Byok) -> None:
    stop = "length" if byok.protocol == "chat" else "max_tokens"
    half = Call("exec_command", '{"cmd": "touch ran.txt; rm -rf bui')
    byok.upstream.play(ScriptedAnswer(calls=(half,), stop=stop))

    run = byok.exec("do it")

    assert run.code != 0
    assert not (byok.user.workspace / "ran.txt").exists()
    assert len(byok.upstream.bodies) == 1
