"""What a running shim writes down of its turns is what its upstreams reported: access log, ledger, quota, console."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from addons.core.prices import PriceTable
from addons.origins.usage_report import read_totals, sum_of
from tests.browser.conftest import SLUGS, write_settings
from tests.cli.run import environment, shim
from tests.e2e.leaks import leaks_in_files
from tests.e2e.shim import Shim
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, Held, ModelUpstream, Refuse, Usage, say
from tests.fakes.wire import Gate
from tests.support.codex_client import CLIENT_SECRETS, HEADERS, Posted, request

pytestmark = pytest.mark.timeout(180)

SPOKEN = "a-word-of-the-conversation"


@dataclass(frozen=True, slots=True)
class House:
    """A home folder, and one upstream of each kind that the shim in it asks."""

    home: Path
    chatgpt: ChatGptBackend
    upstreams: Mapping[str, ModelUpstream]
    env: dict[str, str] = field(default_factory=dict)

    def serve(self, *flags: str) -> Shim:
        """A shim in this home."""
        return Shim(self.env, self.home / "serve.log", "serve", *flags)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The access log."""
        path = self.home / "state" / "access.jsonl"
        return (
            [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        )

    @property
    def entered(self) -> int:
        """How many turns the ledger holds."""
        with contextlib.suppress(sqlite3.Error):
            totals = read_totals(self.home / "state" / "usage.sqlite", 0, "model", PriceTable(""))
            return sum_of(totals).turns
        return 0

    def usage(self, *args: str) -> dict[str, Any]:
        """What `codex-shim usage --json` says."""
        done = shim(self.home, "usage", "--json", *args, env=self.env)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Everything is there but the shim."""
    with ExitStack() as stack:
        upstreams: dict[str, ModelUpstream] = {
            "chat": stack.enter_context(ChatUpstream()),
            "messages": stack.enter_context(MessagesUpstream()),
        }
        account = Account()
        backend = stack.enter_context(ChatGptBackend(account))
        (tmp_path / ".codex").mkdir()
        account.write(tmp_path / ".codex")
        write_settings(tmp_path / "models.json", upstreams)
        more = {
            "CODEX_SHIM_SETTINGS": str(tmp_path / "models.json"),
            "CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url,
        }
        yield House(tmp_path, backend, upstreams, environment(tmp_path, more))


def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as it holds: the books are written a moment after a turn."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_turn_is_written_down_with_all_its_attempts_and_figures(house: House) -> None:
    usage = Usage(input=18_200, read=17_000, written=100, output=640, reasoning=120)
    house.upstreams["chat"].play(Refuse(503, "busy"), say(SPOKEN * 3, usage=usage))
    with house.serve("-v") as running:
        answer = Posted(running.port, request(SLUGS["chat"], SPOKEN)).ended()
        assert b"response.completed" in answer
        eventually(lambda: house.lines)
        eventually(lambda: " out 640" in running.output)
        (line,) = house.lines
        console = running.output

    first, second = line.pop("attempts")
    url = f"{house.upstreams['chat'].base_url}/chat/completions"
    assert (first["url"], first["reason"], first["outcome"]) == (url, "", "503")
    assert (second["url"], second["reason"], second["outcome"]) == (url, "after 503", "200")
    assert 0 < line.pop("ttft") <= line.pop("seconds")
    assert line.pop("time").startswith("20")
    assert len(line.pop("id")) == 36
    assert line == {
        "thread": HEADERS["thread-id"],
        "slug": SLUGS["chat"],
        "route": "generic-chat-completion-api",
        "model": "fake-chat",
        "status": 200,
        "terminal": "response.completed",
        "error": "",
        "ended": "",
        "usage": {
            "input": 18_200,
            "cached": 17_000,
            "cache_written": 100,
            "output": 640,
            "reasoning": 120,
        },
        "bytes_in": len(json.dumps(request(SLUGS["chat"], SPOKEN))),
        "bytes_out": len(answer),
        "dropped": ["hosted tool web_search"],
        "replay": False,
    }
    summary = f"{SLUGS['chat']} → fake-chat · 200 · 2 attempts · TTFT "
    assert f"DEBUG {summary}" in console
    assert "in 18.2k (cached 17k) out 640" in console
    assert SPOKEN not in console
    files = [path for path in (house.home / "state").rglob("*") if path.is_file()]
    secrets = {**CLIENT_SECRETS, "key": KEY, "said": SPOKEN}
    assert leaks_in_files([*files, house.home / "serve.log"], secrets) == {}


def test_without_v_the_console_is_silent_of_turns(house: House) -> None:
    house.upstreams["chat"].play(say("x"))
    with house.serve() as running:
        Posted(running.port, request(SLUGS["chat"])).ended()
        eventually(lambda: house.lines)
        assert "TTFT" not in running.output


def test_the_ledger_counts_what_upstreams_reported_over_a_kill_in_the_middle(house: House) -> None:
    reported = {
        dialect: [Usage(1000 + n, 900 + n, 0, 30 + n, n) for n in range(5)]
        for dialect in house.upstreams
    }
    gate = Gate()

    def play(port: int, turns: slice) -> None:
        for dialect, upstream in house.upstreams.items():
            for usage in reported[dialect][turns]:
                upstream.play(say("x", usage=usage))
                assert b"response.completed" in Posted(port, request(SLUGS[dialect])).ended()

    with house.serve() as running:
        play(running.port, slice(3))
        eventually(lambda: len(house.lines) == 6)
        # the ledger is written right after the log, by the same thread
        eventually(lambda: house.entered == 6)
        house.upstreams["chat"].play(Held(say("x y z"), b"data", gate))
        cut = Posted(running.port, request(SLUGS["chat"]))
        gate.wait_reached()
        running.kill()
        cut.join(20)
        assert cut.broke
    gate.open()
    with house.serve() as running:
        play(running.port, slice(3, 5))

    totals = {one["key"]: one for one in house.usage()["totals"]}
    for dialect, told in reported.items():
        total = totals[SLUGS[dialect]]
        assert total["turns"] == len(told)
        assert total["input"] == sum(one.input for one in told)
        assert total["cached"] == sum(one.read for one in told)
        assert total["output"] == sum(one.output for one in told)
        assert total["reasoning"] == (
            sum(one.reasoning for one in told) if dialect == "chat" else 0
        )
    assert house.usage("--by", "thread")["totals"][0]["key"] == HEADERS["thread-id"]


def test_the_quota_that_upstreams_tell_is_shown_everywhere(house: House) -> None:
    with house.serve() as running:
        eventually(lambda: "gpt-5.5" in running.slugs() or "gpt-5.1-codex" in running.slugs())
        house.chatgpt.play(scenarios.text("hello"))
        slug = next(one for one in running.slugs() if one.startswith("gpt-"))
        Posted(running.port, {**request(slug), "tools": []}).ended()
        eventually(lambda: house.lines)
        (line,) = house.lines
        health = json.loads(running.get("/health")[1])
        status = shim(house.home, "status", "--port", str(running.port), env=house.env)

    assert (line["route"], line["status"], line["usage"]["cached"]) == ("chatgpt", 200, 1000)
    windows = {one["name"]: one for one in health["quota"]["chatgpt"]}
    assert windows["primary"] == {
        "name": "primary",
        "used_percent": 42.0,
        "minutes": 300,
        "resets_at": 1795500000.0,
    }
    assert windows["secondary"]["used_percent"] == 7.0
    assert "primary: 42 % used of 5 h" in status.stdout
    assert house.usage()["quota"] == health["quota"]
