"""Snapshots of the tables that a person sees, at 80 and 200 columns."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from addons.adapters.codex.thread_index import Thread
from addons.adapters.ledger.usage_report import Total
from addons.core.telemetry.prices import PriceTable
from addons.core.version import VERSION
from shim_cli.commands.list import model_table
from shim_cli.commands.status import described
from shim_cli.commands.threads import write_thread_tables
from shim_cli.console.tables import write_pairs, write_table
from shim_cli.state.health import Health
from shim_cli.state.listing import ListedModel
from shim_cli.usage.command import UsageReport, usage_table
from tests.adapters.codex.codex_threads import thread_id
from tests.shim_cli.screen import drawn

MODELS = [
    ListedModel("gpt-6-sol", "GPT-6 Sol", "gpt-6-sol", "chatgpt", "https://chatgpt.com", 272_000, True, "", label="ChatGPT", login="ChatGPT login"),
    ListedModel("deepseek-chat", "DeepSeek [V4]", "deepseek-chat", "deepseek", "https://api.deepseek.com", 1_000_000, True, "", label="DeepSeek"),
    ListedModel("composer-2-5", "Composer 2.5", "composer-2.5", "cursor", "", 200_000, False, "no login", label="Cursor"),
]  # fmt: skip
TOTALS = [
    Total("gpt-6-sol", 1240, input=1_879_400_000, cached=1_500_000_000, output=2_345_678, on_plan=1240),
    Total("deepseek-chat", 1, input=1200, cached=162, output=20, cost=0.0007),
]  # fmt: skip

LIST_80 = """\
model          name             context  provider       sent as
gpt-6-sol      GPT-6 Sol        272,000  ChatGPT login  gpt-6-sol
deepseek-chat  DeepSeek [V4]  1,000,000  DeepSeek       deepseek-chat
composer-2-5   Composer 2.5      hidden  Cursor         composer-2.5
"""
LIST_200 = """\
model          name             context  provider       sent as        to
gpt-6-sol      GPT-6 Sol        272,000  ChatGPT login  gpt-6-sol      https://chatgpt.com
deepseek-chat  DeepSeek [V4]  1,000,000  DeepSeek       deepseek-chat  https://api.deepseek.com
composer-2-5   Composer 2.5      hidden  Cursor         composer-2.5
"""
LIST_60 = """\
model          name             context  provider
gpt-6-sol      GPT-6 Sol        272,000  ChatGPT login
deepseek-chat  DeepSeek [V4]  1,000,000  DeepSeek
composer-2-5   Composer 2.5      hidden  Cursor
"""
LIST_50 = """\
model          name           context  provider
gpt-6-sol      GPT-6 Sol      272,000  ChatGPT lo…
deepseek-chat  DeepSeek […  1,000,000  DeepSeek
composer-2-5   Composer 2…     hidden  Cursor
"""
USAGE_80 = """\
model          turns  input  cached  output     cost  share of tokens
gpt-6-sol      1,240  1.88B     80%    2.3M     plan  ████████████████████████
deepseek-chat      1   1.2k     14%      20  $0.0007
all            1,241  1.88B     80%    2.3M  $0.0007
"""
USAGE_200 = """\
model          turns  input  cached  output     cost  share of tokens
gpt-6-sol      1,240  1.88B     80%    2.3M     plan  ████████████████████████
deepseek-chat      1   1.2k     14%      20  $0.0007
all            1,241  1.88B     80%    2.3M  $0.0007
"""


HEALTH = Health("http://127.0.0.1:8765", "running", report={
    "version": VERSION, "pid": 4711, "uptime_seconds": 3725.4, "models": 3,
    "chatgpt_passthrough": True, "cursor_passthrough": False,
    "reasons": {"cursor": "cursor-agent is not logged in. Run `cursor-agent login`."},
    "quota": {"a-provider-with-a-long-name": [{"name": "primary", "used_percent": 42, "minutes": 300}]},
})  # fmt: skip
STATUS_80 = """\
  version                            0.1.0
  pid                                4711
  uptime                             1 h 2 min
  models                             3
  ChatGPT passthrough                yes
  Cursor passthrough                 no: cursor-agent is not logged in. Run
                                     `cursor-agent login`.
  quota a-provider-with-a-long-name  primary: 42 % used of 5 h
"""
STATUS_200 = """\
  version                            0.1.0
  pid                                4711
  uptime                             1 h 2 min
  models                             3
  ChatGPT passthrough                yes
  Cursor passthrough                 no: cursor-agent is not logged in. Run `cursor-agent login`.
  quota a-provider-with-a-long-name  primary: 42 % used of 5 h
"""
UPDATED = time.mktime((2026, 11, 30, 9, 5, 0, 0, 0, -1))
THREADS = [
    Thread(thread_id(1), "codex_shim", Path("a"), "Repair [the] parser\nand more", UPDATED),
    Thread(thread_id(2), "codex_shim", Path("b"), "日本語のとても長い題名" * 4, UPDATED + 3600),
    Thread(thread_id(3), "openai", Path("c"), "", UPDATED + 3600),
    *(Thread(thread_id(n), "azure", Path("d"), "Elsewhere", UPDATED + 3600) for n in range(10, 1031)),
]  # fmt: skip
THREADS_80 = """\
azure: 1,021 threads
thread                                updated           title
01a229d8-0000-7000-8000-000000000010  2026-11-30 10:05  Elsewhere
01a229d8-0000-7000-8000-000000000011  2026-11-30 10:05  Elsewhere
and 1,019 more: codex-shim threads list --json
codex_shim (codex-shim): 2 threads
thread                                updated           title
01a229d8-0000-7000-8000-000000000001  2026-11-30 09:05  Repair [the] parser
01a229d8-0000-7000-8000-000000000002  2026-11-30 10:05  日本語のとても長い題名 …
openai (Codex's own provider): 1 thread
thread                                updated           title
01a229d8-0000-7000-8000-000000000003  2026-11-30 10:05
"""
THREADS_200 = """\
azure: 1,021 threads
thread                                updated           title
01a229d8-0000-7000-8000-000000000010  2026-11-30 10:05  Elsewhere
01a229d8-0000-7000-8000-000000000011  2026-11-30 10:05  Elsewhere
and 1,019 more: codex-shim threads list --json
codex_shim (codex-shim): 2 threads
thread                                updated           title
01a229d8-0000-7000-8000-000000000001  2026-11-30 09:05  Repair [the] parser
01a229d8-0000-7000-8000-000000000002  2026-11-30 10:05  日本語のとても長い題名日本語のとても長い題名日本語のとても長い題名日本語のとても長い題名
openai (Codex's own provider): 1 thread
thread                                updated           title
01a229d8-0000-7000-8000-000000000003  2026-11-30 10:05
"""


@pytest.mark.parametrize(
    ("width", "expected"), [(50, LIST_50), (60, LIST_60), (80, LIST_80), (200, LIST_200)]
)
def test_list_fits_the_terminal(width: int, expected: str) -> None:
    assert drawn(lambda console: write_table(console, *model_table(MODELS)), width) == expected


@pytest.mark.parametrize(("width", "expected"), [(80, USAGE_80), (200, USAGE_200)])
def test_usage_fits_the_terminal(width: int, expected: str) -> None:
    report = UsageReport("model", 0.0, TOTALS, [], {}, PriceTable("2026-04-30"))

    assert drawn(lambda console: write_table(console, *usage_table(report)), width) == expected


@pytest.mark.parametrize(("width", "expected"), [(80, STATUS_80), (200, STATUS_200)])
def test_status_fits_the_terminal(width: int, expected: str) -> None:
    facts = described({}, HEALTH, 8765).facts

    assert drawn(lambda console: write_pairs(console, facts), width) == expected


@pytest.mark.parametrize(("width", "expected"), [(80, THREADS_80), (200, THREADS_200)])
def test_threads_fit_the_terminal(
    width: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shim_cli.commands.threads.LISTED", 2)

    assert drawn(lambda console: write_thread_tables(console, THREADS), width) == expected
