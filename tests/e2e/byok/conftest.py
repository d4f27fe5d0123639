"""Fixtures: one stage per worker, and a new user for each protocol and each version of the client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.byok.stage import ROWS, Byok, Stage, stage
from tests.e2e.codex_cli import CodexHome
from tests.e2e.installation import OLDEST, PREVIOUS, VERSION, installed_codex
from tests.e2e.shim import assert_websocket, logged_turns

NEVER = {("version", OLDEST), ("transport", "websocket")}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot be: the oldest version speaks HTTP only."""
    never = [item for item in items if _params(item).items() >= NEVER]
    if never:
        config.hook.pytest_deselected(items=never)
        items[:] = [item for item in items if item not in never]


def _params(item: pytest.Item) -> dict[str, object]:
    return (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )


@pytest.fixture(scope="session")
def byok_stage(codex: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The shim and both upstreams."""
    with stage(tmp_path_factory.mktemp("byok"), codex) as running:
        yield running


@pytest.fixture(params=[VERSION, PREVIOUS, OLDEST])
def version(request: pytest.FixtureRequest) -> str:
    """The version of the client."""
    return str(request.param)


@pytest.fixture(params=list(ROWS))
def protocol(request: pytest.FixtureRequest) -> str:
    """The protocol of the upstream."""
    return str(request.param)


@pytest.fixture(params=["http", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    """What carries the turns of the client."""
    return str(request.param)


@pytest.fixture
def byok(
    byok_stage: Stage, version: str, protocol: str, transport: str, tmp_path: Path
) -> Iterator[Byok]:
    """A user of the model with this protocol. A request that the strict upstream rejects fails the test."""
    upstream = byok_stage.upstreams[protocol]
    upstream.reset()
    before = len(logged_turns(byok_stage.state))
    yield Byok(
        user=CodexHome(tmp_path, installed_codex(version)),
        upstream=upstream,
        base_url=f"http://127.0.0.1:{byok_stage.shim.port}/v1",
        slug=byok_stage.slugs[protocol],
        catalog=byok_stage.catalog,
        protocol=protocol,
        version=version,
        transport=transport,
    )
    if upstream.bodies and transport == "websocket":
        assert_websocket(byok_stage.state, before)
    assert upstream.objections == []
    assert upstream.remaining == 0
