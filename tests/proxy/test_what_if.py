"""The command of mitmweb: what it compares, what it refuses, and where its page is."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy import exceptions, flow, http
from mitmproxy.addons.view import View
from mitmproxy.test import taddons, tflow

from addons.adapters.system import tasks
from addons.core.routes import RouteTable
from addons.core.telemetry.record import METADATA_KEY
from addons.proxy.recent_turns import FinishedTurn
from addons.proxy.script import ScriptedShim
from addons.proxy.what_if import Comparison, original_turn
from tests.adapters.what_if.test_asking import answers_with, route
from tests.core.what_if.samples import EVENTS, body_of, stream
from tests.support.upstream import upstream

RECORD = {"route": "chatgpt", "model": "gpt-5.5", "seconds": 2.0, "ttft": 0.5}


def turn_flow() -> http.HTTPFlow:
    made = tflow.tflow(resp=True)
    made.request = http.Request.make("POST", "http://127.0.0.1:9/v1/responses", body_of())
    made.request.headers["x-codex-shim-token"] = "<kept by codex-shim>"
    made.request.encode("zstd")
    assert made.response
    made.response.headers["content-type"] = "text/event-stream"
    made.response.content = stream(*EVENTS)
    made.metadata[METADATA_KEY] = RECORD
    return made


def comparison(folder: Path, port: int = 9, host: str = "127.0.0.1") -> Comparison:
    table = RouteTable.of([route("one"), route("two")])
    sources: Any = SimpleNamespace(table=lambda: table, rows=SimpleNamespace(rows=()))
    state = folder / "state"
    state.mkdir(exist_ok=True)
    (state / "token").write_text("a-local-token-of-22-characters\n")
    return Comparison({"CODEX_SHIM_STATE_DIR": str(state)}, sources, lambda: (host, port))


def test_flow_is_read_with_its_answer_and_record() -> None:
    made = turn_flow()
    found = original_turn(FinishedTurn.of(made))
    assert (found.id, found.slug, found.body, found.headers) == (made.id, "row", body_of(), ())
    assert found.answer
    assert (found.answer.text, found.answer.provider, found.answer.seconds) == ("Hello.", "chatgpt", 2.0)  # fmt: skip
    made.response = None
    alone = original_turn(FinishedTurn(made.id, made.request, None, None))
    assert alone.answer is None


async def test_flow_is_compared_and_the_page_is_announced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with upstream(answers_with(*EVENTS), answers_with(EVENTS[0])) as up:
        mine = comparison(tmp_path, up.port, "0.0.0.0")  # noqa: S104  a listener's address
        path = mine.begin([turn_flow(), tflow.ttcpflow()], ["one", "two", "one"])
        await asyncio.gather(*tasks._running)
    assert path.parent == tmp_path / "state" / "what-if"
    page = path.read_text(encoding="utf-8")
    assert "row (recorded)" in page
    assert sorted(json.loads(request.body)["model"] for request in up.requests) == ["one", "two"]
    (token,) = {request.header(b"x-codex-shim-token") for request in up.requests}
    assert token == b"a-local-token-of-22-characters"
    (line,) = [each.message for each in caplog.records if each.message.startswith("What if:")]
    assert str(path) in line
    assert "Without a complete answer: " in line


async def test_page_that_cannot_be_written_is_an_error_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with upstream(answers_with(*EVENTS)) as up:
        mine = comparison(tmp_path, up.port)
        (tmp_path / "state" / "what-if").write_text("no folder")
        mine.begin([turn_flow()], ["one"])
        await asyncio.gather(*tasks._running)
    assert "The page of the comparison was not written" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("count", "slugs", "says"),
    [
        (0, ["one"], "No turn is selected. Mark one"),
        (2, ["one"], "2 turns are selected. Select one"),
        (1, [], "Name one or more models: one, two"),
        (1, ["on"], "There is no model 'on'."),
        (1, ["twoo", "one"], "Did you mean 'two'?"),
        (1, [str(number) for number in range(9)], "Name at most 8 models"),
    ],
)
def test_command_that_is_wrong_says_what_to_do(
    tmp_path: Path, count: int, slugs: list[str], says: str
) -> None:
    flows: list[flow.Flow] = [tflow.tflow(), *(turn_flow() for _ in range(count))]
    with pytest.raises(exceptions.CommandError) as raised:
        comparison(tmp_path).begin(flows, slugs)
    assert says in str(raised.value)


def test_compaction_is_not_compared(tmp_path: Path) -> None:
    made = turn_flow()
    made.request.path = "/v1/responses/compact"
    with pytest.raises(exceptions.CommandError, match="only turns of /responses"):
        comparison(tmp_path).begin([made], ["one"])


async def test_mitmproxy_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[list[flow.Flow], tuple[str, ...]]] = []

    def begin(_: Comparison, flows: list[flow.Flow], slugs: tuple[str, ...]) -> Path:
        begun.append((flows, slugs))
        return Path("page.html")

    monkeypatch.setattr(Comparison, "begin", begin)
    view, shim, made = View(), ScriptedShim({}), turn_flow()
    shim.sources, shim.parts = SimpleNamespace(), SimpleNamespace()  # type: ignore[assignment]
    with taddons.context(view) as context:
        context.master.commands.collect_commands(shim)
        view.add([made, turn_flow()])
        view.focus.flow = made
        made.marked = ":red_circle:"
        for spec in ("@focus", "@marked", f"@{made.id}"):
            said = context.master.commands.execute(f"codexshim.whatif {spec} one two")
            assert said == "The page will be page.html"
    assert begun == [([made], ("one", "two"))] * 3
