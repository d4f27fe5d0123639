"""The radar with the real Codex: what is known to differ between two versions, and what one version plants."""

from __future__ import annotations

import json
import os

import pytest

from addons.adapters.codex.cli import CodexCli
from addons.adapters.codex.contracts import before, recorded
from addons.core.contract.contract import Contract, differences
from shim_cli.radar.runner import Radar
from tests.e2e.codex_cli import CodexHome
from tests.e2e.installation import OLDEST, PREVIOUS, VERSION, installed_codex
from tests.e2e.line import Line
from tests.e2e.shim import Shim
from tests.fakes import scenarios
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.http_messages import Send

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PLANTED = {"type": "response.planted", "delta": "x"}


def contract(version: str, *settings: str) -> Contract:
    codex = CodexCli(str(installed_codex(version)), dict(os.environ))
    return Radar(codex, settings).contract(lambda _: None)


def rows(before_it: Contract, after: Contract) -> set[tuple[str, str, str, bool]]:
    found = differences(before_it, after)
    return {(one.section, one.name, one.member, one.is_new) for one in found}


def test_newest_version_differs_as_is_known() -> None:
    """Source: facts measured with both programs, 2026-11."""
    endpoints = ("GET /models", "POST /alpha/search", "POST /images/generations", "POST /responses")
    assert rows(before(VERSION), contract(VERSION)) == {
        *(("header", endpoint, "accept-encoding", True) for endpoint in endpoints),
        ("tool", "function functions.send_message_to_user_async", "", True),
        ("model", "gpt-6.2-astra", "", True),
        ("model", "gpt-6.2-sol", "", True),
    }


@pytest.mark.parametrize("version", [OLDEST, PREVIOUS])
def test_recorded_contract_is_that_of_the_program(version: str) -> None:
    known = next(one for one in recorded() if one.codex == version)
    assert rows(known, contract(version)) == set()


def test_another_provider_block_is_named() -> None:
    """A block with the name `OpenAI` turns compressed bodies and routing headers on."""
    found = rows(
        next(one for one in recorded() if one.codex == VERSION),
        contract(VERSION, 'model_providers.codex_shim.name="OpenAI"'),
    )
    assert ("header", "POST /responses", "x-codex-routing-hint", True) in found


def test_event_that_codex_does_not_know_is_seen_while_serving(
    user: CodexHome, backend: ChatGptBackend, shim: Shim
) -> None:
    planted = Send(b"event: response.planted\ndata: " + json.dumps(PLANTED).encode() + b"\n\n")
    backend.play(scenarios._insert(scenarios.text("done"), "response.completed", planted))
    line = Line(user, backend, f"http://127.0.0.1:{shim.port}/v1")
    line.configure("gpt-5.5")
    done = line.exec("hello")
    assert done.messages == ["done"]
    shim.stop()
    seen = json.loads((user.state / "contract-seen.json").read_bytes())["seen"]
    assert [(one["section"], one["name"]) for one in seen] == [("event", "response.planted")]
    assert seen[0]["client"] == f"codex_exec/{VERSION}"
