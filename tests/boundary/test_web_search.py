"""Web searches of rows through the whole proxy on sockets, with strict fakes of the search services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from typing import Any
from urllib.parse import unquote_plus

import orjson
import pytest

from addons.core.providers import web_search
from tests.boundary.surfaces import Home, Running, code_of, running
from tests.fakes.account import Account
from tests.fakes.http_messages import Answer, Gate, Send
from tests.fakes.search_services import MISSING, SearchServiceFake, found, reply
from tests.strict.search_services import KEY, VALIDATORS
from tests.support.client import Response, client
from tests.support.upstream import Exchange
from tests.support.waiting import until

CODEX = (
    b"originator: codex_exec",
    b"user-agent: codex_exec/0.171.0",
    b'x-codex-turn-metadata: {"thread_id":"t1"}',
    b"authorization: Bearer cl1ent-bearer",
    b"accept-encoding: zstd,gzip",
)
ROW = {
    "model": "fake-chat",
    "provider": "generic-chat-completion-api",
    "base_url": "http://127.0.0.1:9/v1",
    "api_key": "fabricated-row-key",
}
SECRET_TALK = "the user's own words"
Json = dict[str, Any]


def search_body(
    model: str = "fake-chat",
    settings: Json | None = None,
    **commands: Any,
) -> bytes:
    """Return a request as Codex 0.171 sends it."""
    said = {"role": "user", "content": [{"type": "input_text", "text": SECRET_TALK}]}
    return orjson.dumps(
        {
            "id": "s1",
            "model": model,
            "input": [{"type": "message", **said}],
            "commands": commands,
            "settings": {
                "allowed_callers": ["direct"],
                "external_web_access": True,
                **(settings or {}),
            },
            "max_output_tokens": 10_000,
        }
    )


def query(*texts: str, **more: object) -> Json:
    return {"search_query": [{"q": text, **more} for text in texts]}


class Setup:
    """One user of a row, and a shim whose settings a test changes while it runs."""

    def __init__(self, home: Home, proxy: Running) -> None:
        self.home, self.proxy = home, proxy

    def configure(self, section: Mapping[str, object] | None, **limits: float) -> None:
        document: Json = {"models": [ROW], "limits": limits}
        if section is not None:
            document["web_search"] = section
        self.home.settings.write_text(json.dumps(document))

    def use(self, service: SearchServiceFake, *, key: str = KEY, **more: object) -> None:
        named: Json = {} if service.service == "searxng" else {"api_key": key}
        limits = {name: more.pop(name) for name in ("search_seconds",) if name in more}
        section = {"service": service.service, "base_url": service.base_url, **named, **more}
        self.configure(section, **limits)  # type: ignore[arg-type]

    async def ask(self, body: bytes) -> Response:
        async with client(self.proxy.port) as c:
            await c.post("/v1/alpha/search", body, *CODEX)
            return await c.response()

    async def output(self, body: bytes) -> str:
        response = await self.ask(body)
        assert response.status == 200, response.body
        text: str = orjson.loads(response.body)["output"]
        return text

    async def log_lines(self, count: int) -> list[Json]:
        path = self.home.folder / "state" / "access.jsonl"
        await until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count)
        return [json.loads(line) for line in path.read_bytes().splitlines()]


@asynccontextmanager
async def setup(home: Home, **env: str) -> AsyncIterator[Setup]:
    async with running(home, **env) as proxy:
        yield Setup(home, proxy)


@pytest.fixture
def services() -> Iterator[Mapping[str, SearchServiceFake]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(SearchServiceFake(name)) for name in VALIDATORS}


@pytest.fixture
def brave() -> Iterator[SearchServiceFake]:
    with SearchServiceFake("brave") as running_service:
        yield running_service


# Answers --------------------------------------------------------------------------------------------------


async def test_each_service_answers_a_row(
    home: Home, services: Mapping[str, SearchServiceFake]
) -> None:
    home.log_in()
    async with setup(home) as s:
        for name, service in services.items():
            s.use(service)
            wanted = query("Grüße", recency=7, domains=["one.example"])
            response = await s.ask(search_body(**wanted, response_length="medium"))

            assert response.status == 200, (name, response.body)
            answer = orjson.loads(response.body)
            assert answer["results"] == [{"url": "https://one.example/greetings", "title": "Greetings & more"}]  # fmt: skip
            assert "https://one.example/greetings\nHow people greet" in answer["output"]
            # the service returned it although the query names another domain
            assert "two.example" not in answer["output"]
            (asked,) = service.requests
            assert service.refused == []
            sent = asked.head + asked.body
            assert SECRET_TALK.encode() not in sent, name
            assert b"cl1ent" not in sent, name
            assert b"codex_exec" not in sent, name
        lines = await s.log_lines(len(services))
    assert [line["route"] for line in lines] == list(services)
    for line in lines:
        assert (line["slug"], line["model"], line["thread"]) == ("alpha/search", "fake-chat", "t1")
        assert line["search"] == "1 query of 5 characters, 1 result"
        logged = json.dumps(line, ensure_ascii=False)
        assert "Grüße" not in unquote_plus(logged)
        assert "one.example" not in logged
    assert not any(b"alpha" in request.line for request in home.backend.requests)


async def test_queries_of_one_call_are_asked_in_order_and_found_once(
    home: Home, brave: SearchServiceFake
) -> None:
    brave.play(
        reply(found("brave", (("https://a.example/", "A", ""), ("https://a.example/", "A", ""))))
    )
    async with setup(home) as s:
        s.use(brave)
        output = await s.output(
            search_body(**query("first", "second"), finance=[{"ticker": "AMD"}])
        )
    assert [request.target.partition("q=")[2].partition("&")[0] for request in brave.requests] == ["first", "second"]  # fmt: skip
    assert output.index('Results for "first"') < output.index('Results for "second"')
    assert output.count("https://a.example/") == 1
    assert "`finance` is not available here" in output


async def test_call_without_a_query_asks_nobody(home: Home, brave: SearchServiceFake) -> None:
    async with setup(home) as s:
        s.use(brave)
        empty: tuple[Json, ...] = ({}, query(""), {"search_query": 7})
        for commands in empty:
            assert "nothing was searched" in await s.output(search_body(**commands))
    assert brave.requests == []


async def test_pages_come_from_the_service(
    home: Home, services: Mapping[str, SearchServiceFake]
) -> None:
    opened: Json = {
        "open": [{"ref_id": "https://one.example/a", "lineno": 2}, {"ref_id": MISSING}],
        "find": [{"ref_id": "https://one.example/a", "pattern": "GOOD day"}],
    }
    async with setup(home) as s:
        for name in ("tavily", "exa"):
            s.use(services[name])
            output = await s.output(search_body(**opened))
            assert "L2: People say hello." in output, name
            assert "L0" not in output.partition("missing")[0], name
            assert f"{MISSING}: The page was not opened" in output, name
            assert '"GOOD day" is in 1 of 4 lines' in output, name
            assert len(services[name].requests) == 1, name
            assert services[name].refused == [], name


async def test_pages_are_opened_only_when_codex_may_fetch_them(
    home: Home, services: Mapping[str, SearchServiceFake]
) -> None:
    stored = search_body(
        settings={"external_web_access": False}, open=[{"ref_id": "https://one.example/a"}]
    )
    async with setup(home) as s:
        for name in ("tavily", "brave"):
            s.use(services[name])
            response = await s.ask(stored)
            assert response.status == 424
            assert b'web_search = \\"live\\"' in response.body
            assert services[name].requests == []
        s.use(services["exa"])
        assert "People say hello" in await s.output(stored)
    (asked,) = services["exa"].requests
    assert json.loads(asked.body)["maxAgeHours"] == -1


async def test_own_fetch_reaches_no_private_address(home: Home, brave: SearchServiceFake) -> None:
    port = home.backend.port
    urls = [f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://[::1]:{port}/", "file:///etc/passwd", "turn0search0"]  # fmt: skip
    async with setup(home) as s:
        s.use(brave)
        before = home.backend.connections
        for url in urls:
            body = orjson.loads((await s.ask(search_body(open=[{"ref_id": url}]))).body)
            text = body["output"] if "output" in body else body["error"]["message"]
            assert "not on the public internet" in text or "not the URL of a page" in text, url
        assert home.backend.connections == before
    assert brave.requests == []


# Who answers ----------------------------------------------------------------------------------------------


async def test_search_without_a_service_names_setting_and_command(home: Home) -> None:
    home.log_in()
    async with setup(home) as s:
        s.configure(None)
        response = await s.ask(search_body(**query("x")))
        assert response.status == 424
        assert code_of(response) == "search_not_configured"
        assert b"`web_search` of models.json" in response.body
        assert b"`codex-shim enable`" in response.body
        (line,) = await s.log_lines(1)
    assert (line["slug"], line["status"], line["error"]) == ("alpha/search", 424, "search_not_configured")  # fmt: skip
    assert not any(b"POST" in request.line for request in home.backend.requests)


async def test_chatgpt_login_answers_rows_only_when_the_user_says_so(
    home: Home, brave: SearchServiceFake
) -> None:
    account = Account()
    home.log_in(account)

    async def script(exchange: Exchange) -> None:
        if exchange.request.line.startswith(b"GET"):
            await exchange.whole(b"", status=b"404 Not Found")
        else:
            await exchange.whole(b'{"output":"from ChatGPT"}', b"content-type: application/json")

    home.backend.scripts[:] = [script]
    async with setup(home) as s:
        s.use(brave)
        assert "Greetings" in await s.output(search_body(**query("x")))
        assert await s.output(search_body("gpt-5.5", **query("x"))) == "from ChatGPT"
        s.use(brave, chatgpt=True)
        assert await s.output(search_body(**query("x"))) == "from ChatGPT"
        home.auth.unlink()
        assert "Greetings" in await s.output(search_body(**query("x")))
        s.configure({"chatgpt": True})
        response = await s.ask(search_body(**query("x")))
        assert response.status == 424
        assert b"`codex login`" in response.body
    own, of_row = [one for one in home.backend.requests if one.line.startswith(b"POST")]
    assert json.loads(own.body)["model"] == "gpt-5.5"
    # the backend does not know the models of rows
    assert json.loads(of_row.body) == json.loads(search_body("gpt-5.5", **query("x")))
    assert of_row.header(b"authorization") == f"Bearer {account.access_token}".encode()
    assert len(brave.requests) == 2


async def test_chatgpt_login_answers_rows_only_for_its_own_user(
    home: Home, brave: SearchServiceFake
) -> None:
    home.log_in()
    async with setup(home) as s:
        s.proxy.master.options.update(codex_shim_allow_remote=True)
        s.use(brave, chatgpt=True)
        assert "Greetings" in await s.output(search_body(**query("x")))
        s.configure({"chatgpt": True})
        response = await s.ask(search_body(**query("x")))
        assert (response.status, code_of(response)) == (424, "search_not_configured")
        assert b"--allow-remote" in response.body
    assert not any(b"alpha" in request.line for request in home.backend.requests)


async def test_queries_are_logged_only_when_the_user_says_so(
    home: Home, brave: SearchServiceFake
) -> None:
    async with setup(home) as s:
        s.use(brave)
        await s.ask(search_body(**query("alpha beta")))
        s.use(brave, log_queries=True)
        await s.ask(search_body(**query("alpha beta")))
        quiet, told = await s.log_lines(2)
    assert "queries" not in quiet
    assert told["queries"] == ["alpha beta"]


# Failures -------------------------------------------------------------------------------------------------

HTML = Answer((Send(b"<html>log in</html>"),), 200, ((b"content-type", b"text/html"),))
FAILURES: Mapping[str, tuple[tuple[Answer, ...], int, str]] = {
    "5xx": ((reply({}, 503),), 424, "has a fault (HTTP 503)"),
    "used up": ((reply({}, 402),), 424, "used up (HTTP 402)"),
    "limit": ((reply({}, 429, (b"retry-after", b"60")),), 429, "again in 60 s"),
    "no JSON": ((Answer((Send(b"{"),), 200, ((b"content-type", b"application/json"),)),), 424, "something else than JSON results"),
    "other JSON": ((reply({"ok": True}),), 424, "something else than JSON results"),
    "page": ((HTML,), 424, "a web page"),
    "redirect": ((reply({}, 302, (b"location", b"https://other.example/")),), 424, "a redirect"),
}  # fmt: skip


async def test_failure_of_the_service_is_one_answer_and_one_request(
    home: Home, brave: SearchServiceFake
) -> None:
    async with setup(home) as s:
        s.use(brave)
        for name, (answers, status, words) in FAILURES.items():
            brave.play(*answers)
            before = len(brave.requests)
            response = await s.ask(search_body(**query("x", "y")))
            assert (response.status, code_of(response)) == (status, "search_failed"), name
            assert words in response.body.decode(), name
            assert KEY.encode() not in response.body, name
            # the second query would fail as well
            assert len(brave.requests) == before + 1, name
        brave.play(reply({"type": "search"}))
        assert "There are none." in await s.output(search_body(**query("x")))


async def test_wrong_key_is_named_by_its_setting(
    home: Home, services: Mapping[str, SearchServiceFake]
) -> None:
    async with setup(home) as s:
        for name in ("brave", "tavily", "exa"):
            s.use(services[name], key="fabricated-wrong-key")
            response = await s.ask(search_body(**query("x")))
            assert response.status == 424, name
            assert b"refused the key" in response.body, name
            assert b"`web_search.api_key` in models.json" in response.body, name
            assert b"fabricated-wrong-key" not in response.body, name
            assert len(services[name].requests) == 1, name
        services["searxng"].speaks_json = False
        s.use(services["searxng"])
        response = await s.ask(search_body(**query("x")))
        assert b"`json` to `search.formats`" in response.body
        s.configure({"service": "exa", "api_key_env": "NO_SUCH_KEY"})
        response = await s.ask(search_body(**query("x")))
        assert response.status == 424
        assert b"NO_SUCH_KEY is not set" in response.body


async def test_short_limit_is_waited_for_once(
    home: Home, brave: SearchServiceFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_search, "LIMIT_PAUSE", 0.01)
    async with setup(home) as s:
        s.use(brave)
        brave.play(reply({}, 429))
        assert "Greetings" in await s.output(search_body(**query("x")))
        brave.play(reply({}, 429), reply({}, 429))
        assert (await s.ask(search_body(**query("x")))).status == 429
    assert len(brave.requests) == 4


async def test_silent_service_fails_within_its_own_limit(
    home: Home, brave: SearchServiceFake
) -> None:
    gate = Gate()
    async with setup(home) as s:
        s.use(brave, search_seconds=0.2)
        brave.play(Answer(gate=gate))
        response = await s.ask(search_body(**query("x")))
        assert response.status == 424
        assert b"no byte for 0.2 s" in response.body
    assert len(brave.requests) == 1


async def test_what_was_found_before_a_failure_is_kept(
    home: Home, brave: SearchServiceFake
) -> None:
    async with setup(home) as s:
        s.use(brave)
        brave.play(reply(found("brave", (("https://a.example/", "A", ""),))), reply({}, 500))
        output = await s.output(search_body(**query("x", "y", "z")))
        (line,) = await s.log_lines(1)
    assert "https://a.example/" in output
    assert "y: Brave Search" in output
    assert "z: Not asked" in output
    assert line["search"] == "3 queries of 3 characters, 1 result, 2 failed"
    assert len(brave.requests) == 2


async def test_search_that_is_ended_here_has_a_status_that_codex_does_not_repeat(
    home: Home, brave: SearchServiceFake
) -> None:
    """Killed in mitmproxy, in its request or while its pages are opened, and cut by a shutdown."""

    async def ended(s: Setup, commands: Json, kind: str) -> Response:
        gate = Gate()
        brave.play(Answer(gate=gate))
        async with client(s.proxy.port) as c:
            await c.post("/v1/alpha/search", search_body(**commands), *CODEX)
            await asyncio.to_thread(gate.wait_reached)
            (turn,) = s.proxy.shim.engine._turns.values()
            if kind == "kill":
                turn.flow.kill()
            else:
                s.proxy.master.shutdown()  # type: ignore[no-untyped-call]
            return await c.response()

    async with setup(home, CODEX_SHIM_DRAIN_SECONDS="0.01") as s:
        s.use(brave)
        for kind in ("kill", "shutdown"):
            response = await ended(s, query("x"), kind)
            assert response.status == 424, kind
            assert code_of(response) in {"invalid_prompt", "shutting_down"}
    assert len(brave.requests) == 2


async def test_search_that_is_ended_while_its_pages_are_opened_is_not_repeated(
    home: Home, brave: SearchServiceFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    async def never(*_: object) -> Json:
        reached.set()
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr("addons.adapters.web.page_fetch.PageFetcher.open_pages", never)
    async with setup(home) as s:
        s.use(brave)
        async with client(s.proxy.port) as c:
            opened = search_body(**query("x"), open=[{"ref_id": "https://one.example/"}])
            await c.post("/v1/alpha/search", opened, *CODEX)
            await reached.wait()
            (turn,) = s.proxy.shim.engine._turns.values()
            turn.flow.kill()
            assert (await c.response()).status == 424
    assert len(brave.requests) == 1


async def test_key_that_the_service_repeats_is_masked(home: Home, brave: SearchServiceFake) -> None:
    said = {"error": {"code": "X", "detail": f"your key {KEY} is odd"}}
    async with setup(home) as s:
        s.use(brave)
        for answer in (
            reply(said, 400),
            reply(found("brave", (("https://a.example/", KEY, KEY),))),
        ):
            brave.play(answer)
            response = await s.ask(search_body(**query("x")))
            assert b"is odd" in response.body or b"a.example" in response.body
            assert KEY.encode() not in response.body
        assert KEY not in json.dumps(await s.log_lines(2))


async def test_client_that_leaves_ends_the_search(home: Home, brave: SearchServiceFake) -> None:
    gate = Gate()
    async with setup(home) as s:
        s.use(brave)
        brave.play(Answer(gate=gate))
        async with client(s.proxy.port) as c:
            await c.post("/v1/alpha/search", search_body(**query("x", "y")), *CODEX)
            await asyncio.to_thread(gate.wait_reached)
        assert await asyncio.to_thread(brave.client_left.wait, 10)
        (line,) = await s.log_lines(1)
    assert (line["status"], line["ended"]) == (0, "client_left")
    assert line["search"] == "2 queries of 2 characters, 0 results"
    assert "?" not in line["attempts"][0]["url"]
    assert len(brave.requests) == 1
