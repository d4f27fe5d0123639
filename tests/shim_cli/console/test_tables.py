"""Snapshots of the tables that a person sees, at 80 and 200 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from addons.adapters.ledger.usage_report import Total
from addons.core.telemetry.prices import PriceTable
from shim_cli.commands.list import model_table
from shim_cli.commands.usage import UsageReport, usage_table
from shim_cli.console.tables import Column, Row, write_table
from shim_cli.state.listing import ListedModel

MODELS = [
    ListedModel("gpt-6-sol", "GPT-6 Sol", "gpt-6-sol", "chatgpt", "https://chatgpt.com", 272_000, True, "", login="ChatGPT login"),
    ListedModel("deepseek-chat", "DeepSeek [V4]", "deepseek-chat", "deepseek", "https://api.deepseek.com", 1_000_000, True, ""),
    ListedModel("composer-2-5", "Composer 2.5", "composer-2.5", "cursor", "", 200_000, False, "no login"),
]  # fmt: skip
TOTALS = [
    Total("gpt-6-sol", 1240, input=1_879_400_000, cached=1_500_000_000, output=2_345_678, on_plan=1240),
    Total("deepseek-chat", 1, input=1200, cached=162, output=20, cost=0.0007),
]  # fmt: skip

LIST_80 = """\
model          name            context  provider      sent as       to
gpt-6-sol      GPT-6 Sol       272,000  chatgpt, Ch…  gpt-6-sol     https://cha…
deepseek-chat  DeepSeek [V…  1,000,000  deepseek      deepseek-ch…  https://api…
composer-2-5   Composer 2.5     hidden  cursor        composer-2.5
"""
LIST_200 = """\
model          name             context  provider                sent as        to
gpt-6-sol      GPT-6 Sol        272,000  chatgpt, ChatGPT login  gpt-6-sol      https://chatgpt.com
deepseek-chat  DeepSeek [V4]  1,000,000  deepseek                deepseek-chat  https://api.deepseek.com
composer-2-5   Composer 2.5      hidden  cursor                  composer-2.5
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


def drawn(columns: list[Column], rows: list[Row], width: int) -> str:
    out = io.StringIO()
    write_table(Console(file=out, width=width, highlight=False), columns, rows)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return "".join(f"{line.rstrip()}\n" for line in lines)


@pytest.mark.parametrize(("width", "expected"), [(80, LIST_80), (200, LIST_200)])
def test_list_fits_the_terminal(width: int, expected: str) -> None:
    assert drawn(*model_table(MODELS), width) == expected


@pytest.mark.parametrize(("width", "expected"), [(80, USAGE_80), (200, USAGE_200)])
def test_usage_fits_the_terminal(width: int, expected: str) -> None:
    report = UsageReport("model", 0.0, TOTALS, [], {}, PriceTable("2026-04-30"))

    assert drawn(*usage_table(report), width) == expected
