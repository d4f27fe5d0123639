"""The routes of Cursor's models: when they are live, and what their turns use."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from addons.adapters.cursor.routes import CursorRoutes
from addons.core.cursor.status import NOT_FOUND
from addons.core.limits import Limits
from addons.core.providers.cursor import CursorPlan
from addons.core.turn import Answer, ClientRequest
from tests.fakes.cursor import FakeCursor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")


class Machine:
    """A machine with a fake cursor-agent, and the routes on it."""

    def __init__(self, folder: Path) -> None:
        self.fake = FakeCursor(folder / "fake")
        self.env = {
            "HOME": str(folder),
            "PATH": self.fake.path,
            "CODEX_SHIM_STATE_DIR": str(folder / "state"),
            **self.fake.env,
        }

    def routes(self, **env: str) -> CursorRoutes:
        return CursorRoutes(
            {**self.env, **env}, frozenset({8765}), lambda: 1000.0, lambda: frozenset({"PLAIN"})
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_routes_are_hidden_with_the_reason_until_a_login_is_found(machine: Machine) -> None:
    cursor = machine.routes()
    hidden = cursor.routes(Limits())
    assert [(route.slug, route.live) for route in hidden] == [
        ("composer-2-5", False),
        ("composer-2-5-fast", False),
    ]
    assert {route.unavailable_reason for route in hidden} == {NOT_FOUND.reason} == {cursor.reason}
    machine.fake.install()
    await cursor.refresh()
    assert [route.live for route in cursor.routes(Limits())] == [True, True]
    assert cursor.reason == ""


def test_models_come_from_the_settings(machine: Machine) -> None:
    cursor = machine.routes(CODEX_SHIM_CURSOR_MODEL="auto", CODEX_SHIM_CURSOR_FAST_MODEL="quick")
    assert [route.model for route in cursor.routes(Limits())] == ["auto", "quick"]


async def test_refresh_saves_the_state_for_the_next_process(machine: Machine) -> None:
    machine.fake.install()
    cursor = machine.routes()
    await cursor.refresh()
    assert cursor.file.is_file()
    assert machine.routes().reason == ""
    assert machine.fake.status_queries == 1


async def test_refresh_is_skipped_while_a_child_is_starting(machine: Machine) -> None:
    machine.fake.install()
    cursor = machine.routes()
    async with cursor.runner.starting:
        await cursor.refresh()
    assert machine.fake.status_queries == 0
    await cursor.refresh()
    assert machine.fake.status_queries == 1


def test_children_get_no_key_of_a_row_and_no_proxy_to_the_shim(machine: Machine) -> None:
    cursor = machine.routes(
        PLAIN="a key of a row", A_TOKEN="t", B_TOKEN="t", CODEX_SHIM_CURSOR_ENV="B_TOKEN",
        HTTPS_PROXY="http://127.0.0.1:8765",
    )  # fmt: skip
    assert {"PLAIN", "A_TOKEN", "HTTPS_PROXY"}.isdisjoint(cursor.runner.env())
    assert cursor.runner.env()["B_TOKEN"] == "t"


def test_hidden_route_answers_with_its_reason(machine: Machine) -> None:
    route = machine.routes().routes(Limits())[0]
    body = b'{"model":"composer-2-5","input":"hi"}'
    plan = route.make_plan(ClientRequest("POST", "/v1/responses", (), body), route)
    assert isinstance(plan, CursorPlan)
    step = plan.start()
    assert isinstance(step, Answer)
    assert b"cursor-agent is not installed" in step.reply.body


async def test_close_without_a_runner_does_nothing(machine: Machine) -> None:
    cursor = machine.routes()
    await asyncio.wait_for(cursor.close(), 5)
    assert "runner" not in cursor.__dict__
