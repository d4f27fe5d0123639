"""Fixtures: one stage a worker, and a fresh user at each dialect with each version of the client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.byok.stage import ROWS, Byok, Stage, stage
from tests.e2e.codex_cli import OLDEST, VERSION, CodexHome, installed_codex


@pytest.fixture(scope="session")
def byok_stage(codex: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The shim and both upstreams."""
    with stage(tmp_path_factory.mktemp("byok"), codex) as running:
        yield running


@pytest.fixture(params=[VERSION, OLDEST])
def version(request: pytest.FixtureRequest) -> str:
    """The version of the client."""
    return str(request.param)


@pytest.fixture(params=list(ROWS))
def dialect(request: pytest.FixtureRequest) -> str:
    """What the upstream speaks."""
    return str(request.param)


@pytest.fixture
def byok(byok_stage: Stage, version: str, dialect: str, tmp_path: Path) -> Iterator[Byok]:
    """A user at the dialect's model. A request that the upstream objected to fails the test."""
    upstream = byok_stage.upstreams[dialect]
    upstream.reset()
    yield Byok(
        user=CodexHome(tmp_path, installed_codex(version)),
        upstream=upstream,
        base_url=f"http://127.0.0.1:{byok_stage.shim.port}/v1",
        slug=byok_stage.slugs[dialect],
        catalog=byok_stage.catalog,
        dialect=dialect,
        version=version,
    )
    assert upstream.objections == []
    assert upstream.unplayed == 0
