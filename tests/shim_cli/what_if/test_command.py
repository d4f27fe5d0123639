"""`codex-shim what-if`, run as a user runs it, with a real shim and a strict fake upstream."""

from __future__ import annotations

import json
import shlex
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy import io as mitmproxy_io
from mitmproxy.test import tflow

from addons.core.cassette.format import (
    RecordedAnswer,
    RecordedRequest,
    RecordedTurn,
    head_line,
    turn_line,
)
from addons.core.what_if.answer import STOPPED, Answer
from shim_cli.console.errors import CliError, UsageProblem
from shim_cli.state.daemon import Started
from shim_cli.what_if import command
from shim_cli.what_if.command import WhatIfOptions, compare
from tests.core.what_if.samples import EVENTS, answer, body_of, original, stream
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY, Refuse, say
from tests.readme import Document
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.run import environment

PRICE = {"input": 8, "output": 14}
LAST, CASSETTE, FLOWS = (
    shlex.split(line)[1:]
    for line in Document("docs/workbench.md").lines()
    if line.startswith("codex-shim what-if")
)
"""What docs/workbench.md shows."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A user with a running shim and two models."""

    user: User
    upstream: ChatUpstream

    def write(self, name: str, data: bytes) -> Path:
        path = self.user.home / name
        path.write_bytes(data)
        return path


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("what-if")
    with ExitStack() as stack:
        upstream = stack.enter_context(ChatUpstream())
        row = {"model": "m", "provider": "vllm", "base_url": upstream.base_url, "api_key": KEY, "price": PRICE}  # fmt: skip
        settings = home / ".codex-shim" / "models.json"
        settings.parent.mkdir()
        rows = [{**row, "slug": slug} for slug in ("gpt-5.5", "deepseek-v4")]
        settings.write_text(json.dumps({"models": rows}))
        settings.chmod(0o600)
        user = stack.enter_context(user_with_daemons(home))
        upstream.default_answer = say("It is an answer.")
        assert user.run("start").returncode == 0
        yield Stage(user, upstream)


def cassette(*texts: str) -> bytes:
    events = tuple((float(at), stream(event).decode()) for at, event in enumerate(EVENTS))
    told = RecordedAnswer(200, (("content-type", "text/event-stream"),), events)
    turns = [
        RecordedTurn(RecordedRequest("POST", "/v1/responses", "http", "t", agent, "gpt-5.5", (), body_of("gpt-5.5", instructions=text).decode()), told)
        for text, agent in zip(texts, ("user", "user", "title"), strict=False)
    ]  # fmt: skip
    return head_line("1", "") + b"".join(map(turn_line, turns))


def test_turn_of_a_cassette_is_shown_side_by_side(stage: Stage) -> None:
    stage.write("turns.jsonl", cassette("one", "two", "a title"))
    stage.upstream.play(say("Hello, you."))
    done = stage.user.run("what-if", "turns.jsonl", "--as", "deepseek-v4", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    assert "Asking 1 model, with about " in done.stderr
    assert "tokens of input each: deepseek-v4 about $0.00" in done.stderr
    assert "No tool is run." in done.stderr
    assert "deepseek-v4: completed, " in done.stderr
    assert stage.upstream.bodies[-1]["messages"][0]["content"] == "two", "the user's last turn"  # type: ignore[index]
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["gpt-5.5", "(recorded)", "deepseek-v4"]
    assert any(line.split()[:1] == ["answer"] and "Hello." in line and "Hello, you." in line for line in lines)  # fmt: skip
    assert any(line.split() == ["cost", "$0.0001", "$0.01"] for line in lines), done.stdout
    page = stage.user.home / "page.html"
    assert "Page: page.html" in done.stderr
    assert "<ins>" in page.read_text()
    again = stage.user.run("what-if", "turns.jsonl", "--as", "deepseek-v4", "--html", "page.html")  # fmt: skip
    asked = len(stage.upstream.bodies)
    assert (again.returncode, len(stage.upstream.bodies)) == (1, asked)
    assert "page.html exists, and is not overwritten" in again.stderr


def test_several_models_one_of_which_fails(stage: Stage) -> None:
    stage.write("turns.jsonl", cassette("one"))
    hostile = "\x9b31m\u202e"
    stage.upstream.play(Refuse(400, "not today"), say(hostile))
    done = stage.user.run(*CASSETTE, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert done.stdout.strip().isascii()
    assert hostile in {one["text"] for one in found["answers"]}
    assert (found["turn"], found["original"]["text"]) == ("1", "Hello.")
    assert sorted(one["outcome"] for one in found["answers"]) == ["completed", "failed"]
    assert "not today" in json.dumps(found["answers"])
    assert {one["provider"] for one in found["answers"]} == {"vllm"}
    (page,) = (stage.user.state / "what-if").iterdir()
    assert f"Page: {page}" in done.stderr


def test_last_turn_of_the_running_shim(stage: Stage) -> None:
    nothing = stage.user.run("what-if", "LAST", "deepseek-v4")
    assert nothing.returncode == 1
    assert "No turn of yours is remembered" in nothing.stderr
    assert "Record turns: codex-shim record FILE" in nothing.stderr
    token = (stage.user.state / "token").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{stage.user.port}/v1/responses",
        data=body_of("gpt-5.5", instructions="remember me"),
        headers={"content-type": "application/json", "x-codex-shim-token": token},
    )
    with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
        response.read()
    done = stage.user.run(*LAST, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert found["original"]["text"] is None, "serve keeps no answers"
    assert found["original"]["usage"]["output"] == 34
    assert found["answers"][0]["text"] == "It is an answer."
    assert stage.upstream.bodies[-1]["messages"][0]["content"] == "remember me"  # type: ignore[index]
    assert stage.user.run("what-if", found["turn"][:8], "deepseek-v4").returncode == 0


def test_turn_of_a_file_of_flows(stage: Stage) -> None:
    with (stage.user.home / "turns.flow").open("wb") as file:
        for number in range(1, 5):
            made = tflow.tflow(resp=True)
            body = body_of("gpt-5.5", instructions=f"flow {number}")
            made.request = http.Request.make("POST", "http://127.0.0.1:9/v1/responses", body)
            mitmproxy_io.FlowWriter(file).add(made)
    done = stage.user.run(*FLOWS)
    assert done.returncode == 0, done.stderr
    assert stage.upstream.bodies[-1]["messages"][0]["content"] == "flow 3"  # type: ignore[index]
    page = (stage.user.home / "compared.html").read_text()
    assert "It is an answer." in page


def test_errors_say_what_to_type_and_nothing_is_sent(stage: Stage) -> None:
    stage.write("mine.jsonl", cassette("one"))
    before = len(stage.upstream.bodies)
    for arguments, says, code in (
        (("mine.jsonl",), "no model is named", 2),
        (("mine.jsonl", "--as", "deepsek-v4"), "Did you mean 'deepseek-v4'?", 1),
        (("nowhere.jsonl", "deepseek-v4"), "there is no file nowhere.jsonl", 1),
        (("mine.jsonl", "deepseek-v4", "--html", "no/such/page.html"), "the folder of no/such/page.html does not exist", 1),
        (("LAST", "deepseek-v4", "--port", "9"), "no codex-shim is running on port 9", 1),
    ):  # fmt: skip
        done = stage.user.run("what-if", *arguments)
        assert says in done.stderr, done.stderr
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)
        assert "codex-shim " in done.stderr.splitlines()[-1] or "--open" in done.stderr
    assert len(stage.upstream.bodies) == before


def test_too_many_models_are_refused(tmp_path: Path) -> None:
    class Table:
        routes = aliases = ()
        live = ()

        def resolve(self, name: str) -> Any:
            return type("R", (), {"slug": name})()

    with pytest.raises(UsageProblem, match="9 models are named, and 8 can be compared"):
        command._routes(Table(), [str(number) for number in range(9)])  # type: ignore[arg-type]
    with pytest.raises(CliError):
        command._check_page(tmp_path)


def test_ctrl_c_shows_what_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(_shim: object, _turn: object, _routes: object, answers: list[Answer], _say: object) -> None:  # fmt: skip
        answers += [answer("shim-demo", "all of it"), Answer("gpt-5.5", text="a part")]
        answers[1].fail(STOPPED, "not_awaited", "it was stopped before its end")
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "ask_models", ask)
    monkeypatch.setattr(command, "turn_of", lambda *_: original())
    monkeypatch.setattr(command, "running_shim", lambda *_: Started("http://127.0.0.1:9", 1, True))
    options = WhatIfOptions("LAST", ["shim-demo"], as_json=True)
    code = compare(environment(tmp_path), 9, None, options)
    found = json.loads(capsys.readouterr().out)
    assert code == 130
    assert [one["outcome"] for one in found["answers"]] == ["completed", "stopped"]
    assert found["answers"][1]["text"] == "a part"
