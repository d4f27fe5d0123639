"""What codex-shim must keep, add and repair between the real Codex and ChatGPT.

A tap before codex-shim records what Codex sent, the backend what arrived; both are compared byte by byte.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.codex_cli import Json
from tests.e2e.line import Line
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chatgpt_backend import LITE_HEADER, OAUTH_PATH, decoded_body
from tests.fakes.http_messages import Gate, HeaderList, Pause, Request
from tests.fakes.tap import Tap

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

# The headers of a turn of Codex 0.169.0 (recorded). All of them must reach the backend.
CODEX_HEADERS = {
    b"accept", b"content-type", b"originator", b"user-agent", b"session-id", b"thread-id", b"x-client-request-id",
    b"x-codex-window-id", b"x-codex-turn-metadata", b"x-codex-beta-features",
}  # fmt: skip
NO_RETRIES: dict[str, Any] = {"request_max_retries": 0, "stream_max_retries": 0}
CHANGED_HEADERS = {b"host", b"content-length", b"accept-encoding", b"connection", b"authorization"}
CHANGED_HEADERS |= {b"chatgpt-account-id"}


def forwarded_headers(request: Request) -> HeaderList:
    """Return the headers that must arrive unchanged, in order."""
    return tuple(
        (name, value) for name, value in request.headers if name.lower() not in CHANGED_HEADERS
    )


def assert_untouched(tap: Tap, line: Line) -> None:
    sent = [request for request in tap.requests if request.method == "POST"]
    arrived = line.backend.turns
    assert [request.body for request in arrived] == [request.body for request in sent]
    assert [forwarded_headers(request) for request in arrived] == [
        forwarded_headers(request) for request in sent
    ]


def test_bodies_and_headers_arrive_unchanged(tapped: Line, tap: Tap) -> None:
    call = scenarios.turn(scenarios.thought("hm"), scenarios.command("echo Grüße"))
    tapped.backend.play(call, scenarios.text("done"))

    run = tapped.exec("Grüße, 世界")

    assert run.messages == ["done"]
    assert len(tapped.backend.turns) == 2
    assert_untouched(tap, tapped)


def test_all_headers_of_codex_arrive(tapped: Line) -> None:
    tapped.backend.play(scenarios.text("done"))

    tapped.exec("hello")

    (request,) = tapped.backend.turns
    assert {name.lower() for name, _ in request.headers} >= CODEX_HEADERS
    assert request.header("host") == tapped.backend.base_url.split("/")[2]
    assert request.header("accept-encoding") in (None, "identity")


def test_login_of_auth_json_is_used_if_codex_sends_none(
    tapped: Line, tap: Tap, account: Account
) -> None:
    tapped.backend.play(scenarios.text("done"))

    tapped.exec("hello")

    (arrived,) = tapped.backend.turns
    assert [request.header("authorization") for request in tap.requests if request.body] == [None]
    bearers = [value for name, value in arrived.headers if name.lower() == b"authorization"]
    assert bearers == [f"Bearer {account.access_token}".encode()]
    assert arrived.header("chatgpt-account-id") == account.account_id


def test_credentials_of_the_client_are_replaced(tapped: Line, tap: Tap, account: Account) -> None:
    tapped.configure(http_headers={"Authorization": "Bearer stale", "ChatGPT-Account-ID": "other"})
    tapped.backend.play(scenarios.text("done"))

    run = tapped.exec("hello")

    assert run.messages == ["done"]
    assert tap.requests[-1].header("authorization") == "Bearer stale"
    assert b"stale" not in tapped.backend.turns[0].head
    assert tapped.backend.turns[0].header("authorization") == f"Bearer {account.access_token}"


def test_response_headers_reach_codex(tapped: Line) -> None:
    tapped.backend.play(scenarios.turn(scenarios.command("true")), scenarios.text("done"))

    tapped.exec("hello")

    # Codex repeats this header of the first answer in the second request of the turn.
    echoed = [request.header("x-codex-turn-state") for request in tapped.backend.turns]
    assert echoed == [None, "turn-state-fabricated"]


def test_lite_model_keeps_its_header_and_form(
    tapped: Line, tap: Tap, bundled_models: list[Json]
) -> None:
    entry = next(model for model in bundled_models if model["slug"] == "gpt-5.6-sol")
    catalog = tapped.user.root / "catalog.json"
    catalog.write_text(json.dumps({"models": [entry]}))
    tapped.configure("gpt-5.6-sol", settings={"model_catalog_json": str(catalog)})
    script = 'const r = await tools.exec_command({cmd: "echo lite > lite.txt"}); text("ran");'
    call = {**scenarios.custom_call("exec", script), "namespace": "functions"}
    tapped.backend.play(scenarios.turn(call), scenarios.text("done"))

    run = tapped.exec("hello")

    assert run.messages == ["done"]
    assert (tapped.user.workspace / "lite.txt").read_text() == "lite\n"
    for request in tapped.backend.turns:
        assert request.header(LITE_HEADER) == "true"
        assert "tools" not in decoded_body(request)
    assert_untouched(tap, tapped)


def test_zstd_bodies_pass_unchanged(tapped: Line, tap: Tap) -> None:
    tapped.configure(name="OpenAI", requires_openai_auth=True)
    tapped.backend.play(scenarios.text("done"))

    run = tapped.exec("hello")

    assert run.messages == ["done"]
    (request,) = tapped.backend.turns
    assert request.header("content-encoding") == "zstd"
    assert decoded_body(request)["model"] == "gpt-5.5"
    assert_untouched(tap, tapped)


def test_model_list_is_served(tapped: Line, tap: Tap) -> None:
    tapped.configure(requires_openai_auth=True)
    tapped.backend.play(scenarios.text("done"))

    run = tapped.exec("hello")

    assert run.messages == ["done"]
    assert [request.path for request in tap.requests if request.method == "GET"]
    assert (tapped.user.codex_home / "models_cache.json").exists()


IMPATIENT: dict[str, Any] = {"stream_idle_timeout_ms": 1500, **NO_RETRIES}
SLOW = scenarios.pause_before(
    scenarios.text("thought about it"), "response.output_item.added", seconds=4
)


@pytest.mark.parametrize("shim_settings", [{"CODEX_SHIM_HEARTBEAT_SECONDS": "0.5"}])
def test_long_silence_is_bridged_by_heartbeats(tapped: Line) -> None:
    tapped.configure(**IMPATIENT)
    tapped.backend.play(SLOW)

    run = tapped.exec("think long")

    assert run.messages == ["thought about it"]
    assert len(tapped.backend.turns) == 1


def test_long_silence_ends_the_turn_without_codex_shim(direct: Line) -> None:
    direct.configure(**IMPATIENT)
    direct.backend.play(SLOW)

    run = direct.exec("think long")

    assert "idle timeout" in run.errors


@pytest.mark.parametrize("shim_settings", [{"CODEX_SHIM_HEARTBEAT_SECONDS": "0.2"}])
def test_silence_inside_an_item_loses_no_item(tapped: Line) -> None:
    whole = scenarios.text("not lost")
    answer = scenarios.split_inside(whole, "response.output_item.done", Pause(1.5))
    tapped.backend.play(answer)

    run = tapped.exec("say it")

    assert run.messages == ["not lost"]


@pytest.mark.parametrize(
    "shim_settings",
    [{"CODEX_SHIM_HEARTBEAT_SECONDS": "0.5", "CODEX_SHIM_STALL_SECONDS": "1.5"}],
)
def test_endless_silence_ends_with_a_typed_error(tapped: Line) -> None:
    tapped.configure(**NO_RETRIES)
    tapped.backend.play(replace(SLOW, actions=(*SLOW.actions[:2], Pause(20))))

    run = tapped.exec("think long")

    assert "silent for too long" in run.errors
    assert "127.0.0.1" in run.errors


@pytest.mark.parametrize("event", ["response.output_text.delta", "response.output_item.done"])
def test_truncated_stream_ends_with_a_typed_error(tapped: Line, event: str) -> None:
    tapped.configure(**NO_RETRIES)
    tapped.backend.play(scenarios.cut_inside(scenarios.text("never whole"), event))

    run = tapped.exec("say it")

    assert run.code != 0
    assert run.messages == []
    assert "ended the connection in the middle of its answer" in run.errors


def test_replaced_login_is_used_by_the_next_request(tapped: Line, account: Account) -> None:
    renewed = account.renewed()
    tapped.backend.play(scenarios.text("one"), scenarios.text("two"))

    first = tapped.exec("one")
    renewed.write(tapped.user.codex_home)
    tapped.backend.account = renewed
    second = tapped.exec("two")

    assert (first.messages, second.messages) == (["one"], ["two"])
    assert tapped.backend.refused == []


def test_login_replaced_inside_a_turn_is_used_by_its_next_request(
    tapped: Line, account: Account
) -> None:
    renewed = account.renewed()
    gate = Gate()
    answer = replace(scenarios.turn(scenarios.command("true")), gate=gate)
    tapped.backend.play(answer, scenarios.text("two"))

    running = tapped.begin("go on")
    gate.wait_reached()
    renewed.write(tapped.user.codex_home)
    tapped.backend.account = renewed
    gate.open()

    assert running.result(60).messages == ["two"]
    assert tapped.backend.refused == []


def test_expired_login_is_read_again_once_without_an_error(
    tapped: Line, tap: Tap, account: Account
) -> None:
    renewed = account.renewed()
    gate = Gate()
    expired = scenarios.error(401, "token_expired", "Provided authentication token is expired.")
    tapped.backend.play(replace(expired, gate=gate), scenarios.text("healed"))

    running = tapped.begin("hello")
    gate.wait_reached()
    renewed.write(tapped.user.codex_home)
    tapped.backend.account = renewed
    gate.open()

    assert running.result(60).messages == ["healed"]
    assert len([request for request in tap.requests if request.body]) == 1
    assert [request.header("authorization") for request in tapped.backend.turns] == [
        f"Bearer {login.access_token}" for login in (account, renewed)
    ]


def test_expired_login_is_refreshed_by_codex_and_the_turn_continues(line: Line) -> None:
    line.user.extra_env["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = line.backend.oauth_url
    line.backend.expire_token()
    line.backend.play(scenarios.text("healed"))

    run = line.exec("hello")

    assert run.messages == ["healed"]
    assert [request.path for request in line.backend.requests].count(OAUTH_PATH) == 1


def test_login_that_cannot_be_refreshed_ends_the_turn(line: Line) -> None:
    line.user.extra_env["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = line.backend.oauth_url
    line.configure(**NO_RETRIES)
    line.backend.account = Account()

    run = line.exec("hello")

    assert run.code != 0
    assert "sign in again" in run.errors
    assert run.messages == []


def test_disconnect_of_codex_ends_the_upstream_request(tapped: Line) -> None:
    gate = Gate()
    held = scenarios.gate_before(scenarios.text("late"), "response.output_item.added", gate)
    tapped.backend.play(held)

    with pytest.raises(subprocess.TimeoutExpired):
        tapped.exec("hello", timeout=4)

    assert tapped.backend.client_left.wait(5)
    gate.open()


def test_remote_compaction_passes_unchanged(tapped: Line, tap: Tap) -> None:
    full = scenarios.Usage(input_tokens=150_000)
    compacted: scenarios.Item = {
        "type": "compaction",
        "encrypted_content": "gAAAAfabricated-compaction",
    }
    tapped.configure(
        settings={"model_auto_compact_token_limit": 20_000},
        name="OpenAI",
        requires_openai_auth=True,
    )
    tapped.backend.play(
        scenarios.turn(scenarios.command("true"), usage=full),
        scenarios.turn(compacted),
        scenarios.text("done"),
    )

    run = tapped.exec("work until it is full")

    assert run.messages == ["done"]
    _, compaction, resumed = map(decoded_body, tapped.backend.turns)
    assert "compaction_trigger" in json.dumps(compaction["input"])
    assert "gAAAAfabricated-compaction" in json.dumps(resumed["input"])
    assert_untouched(tap, tapped)
