"""GET /metrics on a real socket, as Prometheus scrapes it."""

from __future__ import annotations

from addons.adapters.system.local_token import ensure_token
from tests.boundary.surfaces import DEMO, Home, code_of, running
from tests.strict.prometheus import parse_openmetrics, parse_text
from tests.support.waiting import until

PROMETHEUS = (
    b"accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    b"text/plain;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.2"
)


async def test_metrics_need_the_local_token(home: Home) -> None:
    token = ensure_token(home.env)
    line = b"x-codex-shim-token: " + token.encode()
    async with running(home) as proxy:
        for path in ("/metrics", "/v1/metrics"):
            refused = await proxy.get(path)
            assert (refused.status, code_of(refused)) == (401, "local_token_missing")
        scraped = await proxy.get("/metrics", line)
        assert scraped.status == 200
        assert token.encode() not in scraped.body
        post = await proxy.post(DEMO, line)
        assert post.status == 200


async def test_turns_are_counted_from_the_first_scrape_on(home: Home) -> None:
    async with running(home) as proxy:
        for _ in range(2):  # the first turn precedes the first scrape
            assert (await proxy.post(DEMO)).status == 200
            await until(lambda: proxy.shim.engine.live_turns == 0)
            scraped = await proxy.get("/metrics", PROMETHEUS)
        assert scraped.header(b"content-type") == (
            b"application/openmetrics-text; version=1.0.0; charset=utf-8"
        )
        found = {f.name: f.samples for f in parse_openmetrics(scraped.body)}
        [turns] = found["codex_shim_turns"]
        assert turns.value == 1
        assert turns.labels == {"route": "demo", "model": "shim-demo", "outcome": "completed"}
        [running_turns] = found["codex_shim_running_turns"]
        assert running_turns.value == 0  # the scrape itself is no turn
        plain = await proxy.get("/metrics")
        assert plain.header(b"content-type") == b"text/plain; version=0.0.4; charset=utf-8"
        names = {f.name for f in parse_text(plain.body)}
        assert names == set(found)
