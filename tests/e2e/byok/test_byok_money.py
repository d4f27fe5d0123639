"""The cost of a long session, and no truncated answer reported as complete: figures of `benchmarks/session_cost.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cost import messages_ratio, session_ratio
from tests.e2e.byok import session, truth
from tests.e2e.byok.stage import Byok, Stage
from tests.e2e.installation import VERSION
from tests.fakes.model_upstream import say

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MAX_COST = {"chat": 1.04, "messages": 1.02}
MIN_UNCACHED_COST = 5
MAX_CONNECTIONS = 3


def lines_of_newest_thread(byok: Byok) -> list[dict[str, Any]]:
    """Return its access log lines. Earlier tests used the same shim and changed prefixes on purpose."""
    log = (byok.catalog.parent / "access.jsonl").read_text()
    lines = [line for line in map(json.loads, log.splitlines()) if line["slug"] == byok.slug]
    return [line for line in lines if line["thread"] == lines[-1]["thread"]]


@pytest.mark.parametrize("version", [VERSION], indirect=True)
def test_session_of_thirty_requests_is_cached(byok: Byok) -> None:
    before = byok.upstream.connections

    bodies = session.run_session(byok)

    assert len(bodies) == session.REQUESTS
    # Codex opens a connection for each request
    assert byok.upstream.connections - before <= MAX_CONNECTIONS
    assert session.unstable(bodies) == []
    assert session_ratio(bodies) <= MAX_COST[byok.protocol]
    # no warning for a thread whose prompt is stable
    lines = lines_of_newest_thread(byok)
    assert len(lines) >= session.REQUESTS - 1
    assert [line["prefix_broke_at"] for line in lines if "prefix_broke_at" in line] == []
    if byok.protocol == "messages":
        bare = [session.without_marks(body) for body in bodies]
        assert messages_ratio(bare) > MIN_UNCACHED_COST, "the ratio must rise without cache marks"


@pytest.mark.parametrize("client", list(truth.CLIENTS))
def test_truncated_answer_is_never_reported_as_complete(
    byok_stage: Stage, protocol: str, client: str
) -> None:
    upstream = byok_stage.upstreams[protocol]

    row = truth.verdicts(byok_stage.shim.port, byok_stage.slugs[protocol], upstream, client)

    assert upstream.objections == []
    assert row.pop("Retry-After of a 429") == "passed on"
    assert row == dict.fromkeys(row, "typed")


def test_complete_answer_is_judged_as_complete(byok_stage: Stage, protocol: str) -> None:
    upstream = byok_stage.upstreams[protocol]
    for client in truth.CLIENTS:
        upstream.reset()
        upstream.default_answer = say(truth.TEXT, truth.HALF)

        received = truth.ask(byok_stage.shim.port, byok_stage.slugs[protocol], client)

        assert (received.status, received.verdict) == (200, "complete")
