"""Which servers are asked, how often, and what the file says."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from addons.adapters.local import client, watch
from addons.adapters.local.watch import LocalServers, local_servers_file, parse_states
from addons.core.secrets import Origin
from addons.core.settings.models_file import parse_models
from addons.core.settings.row import ModelRow
from tests.fakes.local_servers import Ollama, Served
from tests.support.ports import free_port


def env(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "CODEX_SHIM_STATE_DIR": str(home / "state")}


def rows(port: int, *models: str) -> tuple[ModelRow, ...]:
    base_url = f"http://127.0.0.1:{port}/v1"
    fields = [{"model": model, "provider": "ollama", "base_url": base_url} for model in models]
    return parse_models(orjson.dumps(fields), "models.json").rows


class Monotonic:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


async def test_server_is_asked_once_in_its_interval_and_soon_after_a_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Monotonic(monkeypatch)
    with Ollama([Served("a:1b"), Served("b:1b")]) as server:
        local = LocalServers(env(tmp_path))
        known = rows(server.port, "a:1b")
        counts = []
        for step in (0.0, 1.0, watch.UP_SECONDS, 0.0):
            clock.now += step
            await local.poll(known)
            counts.append(server.asked.count("GET /api/ps"))
        local.turn_ended("another")
        await local.poll(known)
        local.turn_ended("a-1b")
        await local.poll(known)
        counts.append(server.asked.count("GET /api/ps"))

    assert counts == [1, 1, 2, 2, 3]
    assert server.asked.count("POST /api/show") == 1


async def test_server_that_is_down_is_asked_the_less_often_the_longer_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = Monotonic(monkeypatch), []
    local, known = LocalServers(env(tmp_path), lambda: 5.0), rows(free_port(), "a")
    original = LocalServers._schedule

    def note(self: LocalServers, server: object, *, is_down: bool) -> None:
        asked.append(clock.now)
        original(self, server, is_down=is_down)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalServers, "_schedule", note)
    for _ in range(200):
        await local.poll(known)
        clock.now += 1.0

    gaps = [after - before for before, after in pairwise(asked)]
    assert gaps[:5] == [2.0, 4.0, 8.0, 16.0, watch.MAX_DOWN_SECONDS]
    assert set(gaps[5:]) == {watch.MAX_DOWN_SECONDS}
    [(_, since, text)] = local.down
    assert (since, "does not answer since" in text) == (5.0, True)


async def test_other_processes_read_the_state_and_a_stopped_shim_leaves_no_word_of_a_failure(
    tmp_path: Path,
) -> None:
    port = free_port()
    known = rows(port, "a:1b")
    with Ollama([Served("a:1b", context=4096)], port=port):
        shim = LocalServers(env(tmp_path))
        await shim.poll(known)
    shim.turn_ended("a-1b")
    await shim.poll(known)
    down = LocalServers(env(tmp_path)).facts(known[0])
    await shim.stop()
    after = LocalServers(env(tmp_path)).facts(known[0])

    assert "does not answer since" in down.reason
    assert (after.reason, after.context, down.context) == ("", 4096, 4096)


async def test_nothing_is_done_without_a_local_row(tmp_path: Path) -> None:
    local = LocalServers(env(tmp_path))
    await local.poll(())
    await local.stop()
    assert not local_servers_file(env(tmp_path)).exists()


async def test_server_of_a_removed_row_is_forgotten(tmp_path: Path) -> None:
    local = LocalServers(env(tmp_path))
    await local.poll(rows(free_port(), "a"))
    assert local.down
    await local.poll(())
    assert (local.down, local.states) == ([], {})


@pytest.mark.parametrize(
    "data", [None, b"", b"[", b"3", b'[{"kind":"ollama"}]', b'[{"kind":"x","origin":"http://a"}]']
)
def test_damaged_file_says_nothing(data: bytes | None) -> None:
    assert parse_states(data) == {}


async def test_failure_that_nobody_foresaw_leaves_the_other_servers_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock, original, odd = Monotonic(monkeypatch), client.ask_models, free_port()

    def ask(kind: str, origin: Origin, *rest: object) -> object:
        if origin.port == odd:
            raise ZeroDivisionError
        return original(kind, origin, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(client, "ask_models", ask)
    with Ollama([Served("a:1b", context=4096)]) as server:
        local = LocalServers(env(tmp_path))
        both = rows(odd, "x") + rows(server.port, "a:1b")
        for _ in range(3):
            assert await local.poll(both)
            clock.now += watch.UP_SECONDS
    assert server.asked.count("GET /api/ps") == 3
    assert local.facts(both[1]).context == 4096
    assert local.facts(both[0]).reason == ""
    [warning] = [one.getMessage() for one in caplog.records]
    assert f"http://127.0.0.1:{odd} sends cannot be used (ZeroDivisionError)" in warning
