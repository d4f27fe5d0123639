"""What a long session costs, and that no cut answer is told as whole: the figures of `benchmarks/session_cost.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cost import messages_ratio, session_ratio
from tests.e2e.byok import session, truth
from tests.e2e.byok.stage import Byok, Stage
from tests.e2e.codex_cli import VERSION
from tests.fakes.model_upstream import say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

DEAREST = {"chat": 1.04, "messages": 1.02}
UNCACHED = 5
FEW_CONNECTIONS = 3


def lines_of_newest_thread(byok: Byok) -> list[dict[str, Any]]:
    """What the access log has on it: earlier tests have asked the same shim, and broken prefixes on purpose."""
    log = (byok.catalog.parent / "access.jsonl").read_text()
    lines = [line for line in map(json.loads, log.splitlines()) if line["slug"] == byok.slug]
    return [line for line in lines if line["thread"] == lines[-1]["thread"]]


@pytest.mark.parametrize("version", [VERSION], indirect=True)
def test_a_session_of_thirty_requests_is_cached(byok: Byok) -> None:
    before = byok.upstream.connections

    bodies = session.run_session(byok)

    assert len(bodies) == session.REQUESTS
    # Codex opens a connection for each request
    assert byok.upstream.connections - before <= FEW_CONNECTIONS
    assert session.unstable(bodies) == []
    assert session_ratio(bodies) <= DEAREST[byok.dialect]
    # and nobody is warned of a thread that is as it should be
    lines = lines_of_newest_thread(byok)
    assert len(lines) >= session.REQUESTS - 1
    assert [line["prefix_broke_at"] for line in lines if "prefix_broke_at" in line] == []
    if byok.dialect == "messages":
        bare = [session.without_marks(body) for body in bodies]
        assert messages_ratio(bare) > UNCACHED, "the figure would not see a missing mark"


@pytest.mark.parametrize("client", list(truth.CLIENTS))
def test_no_cut_answer_is_told_as_whole(byok_stage: Stage, dialect: str, client: str) -> None:
    upstream = byok_stage.upstreams[dialect]

    row = truth.truth_row(byok_stage.shim.port, byok_stage.slugs[dialect], upstream, client)

    assert upstream.objections == []
    assert row.pop("Retry-After of a 429") == "kept"
    assert row == dict.fromkeys(row, "typed")


def test_a_whole_answer_is_not_called_cut(byok_stage: Stage, dialect: str) -> None:
    upstream = byok_stage.upstreams[dialect]
    for client in truth.CLIENTS:
        upstream.reset()
        upstream.otherwise = say(truth.TEXT, truth.HALF)

        told = truth.ask(byok_stage.shim.port, byok_stage.slugs[dialect], client)

        assert (told.status, told.verdict) == (200, "lie"), "the judge would miss a lie"
