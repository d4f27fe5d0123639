"""The records of turns equal what the upstreams reported: access log, ledger, quota, console."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from addons.adapters.ledger.usage_report import read_totals, sum_totals
from addons.core.telemetry.prices import PriceTable
from tests.browser.conftest import SLUGS, write_settings
from tests.e2e.leaks import leaks_in_files
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.http_messages import Action, Answer, Gate, Hold
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, Held, ModelUpstream, Refuse, Usage, say
from tests.shim_cli.run import environment, shim
from tests.shim_cli.served import ForkedShim
from tests.support.codex_client import CLIENT_SECRETS, HEADERS, Posted, request

pytestmark = pytest.mark.timeout(180)

CONVERSATION_TEXT = "a-word-of-the-conversation"


@dataclass(frozen=True, slots=True)
class Setup:
    """A home folder and one upstream of each kind."""

    home: Path
    chatgpt: ChatGptBackend
    upstreams: Mapping[str, ModelUpstream]
    env: dict[str, str] = field(default_factory=dict)

    def serve(self, *flags: str) -> ForkedShim:
        """A shim in this home."""
        return ForkedShim(self.env, self.home / "serve.log", "serve", *flags)

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
            return sum_totals(totals).turns
        return 0

    def usage(self, *args: str) -> dict[str, Any]:
        """What `codex-shim usage --json` says."""
        done = shim(self.home, "usage", "--json", *args, env=self.env)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """Start everything except the shim."""
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
        yield Setup(tmp_path, backend, upstreams, environment(tmp_path, more))


def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as it holds: the ledger is written a moment after a turn."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_turn_is_recorded_with_all_attempts_and_figures(setup: Setup) -> None:
    usage = Usage(input=18_200, read=17_000, written=100, output=640, reasoning=120)
    setup.upstreams["chat"].play(Refuse(503, "busy"), say(CONVERSATION_TEXT * 3, usage=usage))
    with setup.serve("-v") as running:
        answer = Posted(running.port, request(SLUGS["chat"], CONVERSATION_TEXT)).ended()
        assert b"response.completed" in answer
        eventually(lambda: setup.lines)
        eventually(lambda: " out 640" in running.output)
        (line,) = setup.lines
        console = running.output

    first, second = line.pop("attempts")
    url = f"{setup.upstreams['chat'].base_url}/chat/completions"
    assert (first["url"], first["reason"], first["outcome"]) == (url, "", "503")
    assert (second["url"], second["reason"], second["outcome"]) == (url, "after 503", "200")
    assert 0 < line.pop("ttft") <= line.pop("seconds")
    assert line.pop("time").startswith("20")
    assert len(line.pop("id")) == 36
    assert line == {
        "thread": HEADERS["thread-id"],
        "agent": "user",
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
        "bytes_in": len(json.dumps(request(SLUGS["chat"], CONVERSATION_TEXT))),
        "bytes_out": len(answer),
        "dropped": ["hosted tool web_search"],
        "replay": False,
    }
    summary = f"{SLUGS['chat']} → fake-chat · 200 · 2 attempts · TTFT "
    assert re.search(rf"^\d\d:\d\d:\d\d {re.escape(summary)}", console, re.MULTILINE)
    assert "in 18.2k (cached 17k) out 640" in console
    assert CONVERSATION_TEXT not in console
    files = [path for path in (setup.home / "state").rglob("*") if path.is_file()]
    secrets = {**CLIENT_SECRETS, "key": KEY, "said": CONVERSATION_TEXT}
    assert leaks_in_files([*files, setup.home / "serve.log"], secrets) == {}


def test_without_v_the_console_has_one_line_for_each_turn(setup: Setup) -> None:
    setup.upstreams["chat"].play(say("x"))
    with setup.serve() as running:
        Posted(running.port, request(SLUGS["chat"])).ended()
        eventually(lambda: "TTFT" in running.output)
        eventually(lambda: setup.lines)
    assert running.output.count("TTFT") == 1


def test_the_ledger_counts_what_upstreams_reported_over_a_kill_in_the_middle(setup: Setup) -> None:
    reported = {
        protocol: [Usage(1000 + n, 900 + n, 0, 30 + n, n) for n in range(5)]
        for protocol in setup.upstreams
    }
    gate = Gate()

    def play(port: int, turns: slice) -> None:
        for protocol, upstream in setup.upstreams.items():
            for usage in reported[protocol][turns]:
                upstream.play(say("x", usage=usage))
                assert b"response.completed" in Posted(port, request(SLUGS[protocol])).ended()

    with setup.serve() as running:
        play(running.port, slice(3))
        eventually(lambda: len(setup.lines) == 6)
        # the ledger is written right after the log, by the same thread
        eventually(lambda: setup.entered == 6)
        setup.upstreams["chat"].play(Held(say("x y z"), b"data", gate))
        cut = Posted(running.port, request(SLUGS["chat"]))
        gate.wait_reached()
        running.kill()
        cut.join(20)
        assert cut.broke
    gate.open()
    with setup.serve() as running:
        play(running.port, slice(3, 5))

    totals = {one["key"]: one for one in setup.usage()["totals"]}
    for protocol, usages in reported.items():
        total = totals[SLUGS[protocol]]
        assert total["turns"] == len(usages)
        assert total["input"] == sum(one.input for one in usages)
        assert total["cached"] == sum(one.read for one in usages)
        assert total["output"] == sum(one.output for one in usages)
        assert total["reasoning"] == (
            sum(one.reasoning for one in usages) if protocol == "chat" else 0
        )
    assert setup.usage("--by", "thread")["totals"][0]["key"] == HEADERS["thread-id"]


def test_reported_quota_is_shown_everywhere(setup: Setup) -> None:
    with setup.serve() as running:
        eventually(lambda: "gpt-5.5" in running.slugs() or "gpt-5.1-codex" in running.slugs())
        setup.chatgpt.play(scenarios.text("hello"))
        slug = next(one for one in running.slugs() if one.startswith("gpt-"))
        Posted(running.port, {**request(slug), "tools": []}).ended()
        eventually(lambda: setup.lines)
        (line,) = setup.lines
        health = json.loads(running.get("/health")[1])
        status = shim(setup.home, "status", "--port", str(running.port), env=setup.env)

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
    assert setup.usage()["quota"] == health["quota"]


def test_shares_of_threads_sum_to_what_the_window_gained(setup: Setup) -> None:
    """Scripted windows: the thread alone has an exact share, threads that overlap have ranges."""
    resets_at, gate = int(time.time()) + 3600, Gate()

    def answered(primary: float, secondary: float, *before: Action) -> Answer:
        fields = ("used-percent", "window-minutes", "reset-at")
        windows = {
            "primary": (primary, 300, resets_at),
            "secondary": (secondary, 10_080, resets_at + 86_400),
        }
        headers = tuple(
            (f"x-codex-{name}-{field}".encode(), str(value).encode())
            for name, values in windows.items()
            for field, value in zip(fields, values, strict=True)
        )
        plain = scenarios.text("hello")
        kept = tuple(header for header in plain.headers if not header[0].startswith(b"x-codex-"))
        return replace(plain, headers=(*kept, *headers), actions=(*before, *plain.actions))

    setup.chatgpt.play(
        answered(10.5, 1), answered(12.5, 2, Hold(gate)), answered(13, 3), answered(16.5, 5)
    )
    with setup.serve() as running:
        eventually(lambda: "gpt-5.5" in running.slugs() or "gpt-5.1-codex" in running.slugs())
        slug = next(one for one in running.slugs() if one.startswith("gpt-"))

        def ask(thread: str) -> Posted:
            headers = {**HEADERS, "thread-id": thread}
            return Posted(running.port, {**request(slug), "tools": []}, headers)

        ask("alone").ended()
        held = ask("slow")
        gate.wait_reached()
        ask("quick").ended()
        gate.open()
        held.ended()
        ask("last").ended()
        eventually(lambda: setup.entered == 4)

    primary, secondary = setup.usage("--quota", "--by", "thread")["windows"]
    shares = {one["key"]: (one["low"], one["high"]) for one in primary["shares"]}
    assert shares == {"alone": (2.0, 2.0), "slow": (0.5, 4.0), "quick": (0.0, 3.5)}
    assert (primary["before"], primary["total"], primary["elsewhere"]) == (10.5, 6.0, None)
    for window in (primary, secondary):
        assert window["before"] + window["total"] == window["used_percent"]
        assert sum(one["low"] for one in window["shares"]) <= window["total"]
        assert sum(one["high"] for one in window["shares"]) >= window["total"]
    whole = {one["key"]: (one["low"], one["high"]) for one in secondary["shares"]}
    assert whole["alone"] == (0.0, 2.0), "whole numbers are rounded"
    line = shim(setup.home, "statusline", "--thread", "alone", env=setup.env).stdout
    assert line == f"{slug} · chatgpt · 5 h 16.5 % (thread 2 %) · plan\n"
