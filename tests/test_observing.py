"""docs/observing.md names the fields, options and defaults of the code."""

from __future__ import annotations

import re
from pathlib import Path

from mitmproxy.addonmanager import Loader
from mitmproxy.test import taddons

from addons.adapters.ledger.turn_log import ROTATE_BYTES, ROTATED_FILES
from addons.core.telemetry.record import access_line, summary
from addons.core.usage import Usage
from addons.proxy.recent_turns import MAX_TURNS
from addons.proxy.script import ScriptedShim
from tests.adapters.records import turn

TEXT = (Path(__file__).parents[1] / "docs" / "observing.md").read_text()


def first_cells(heading: str) -> list[list[str]]:
    """Return the rows of the table with this heading."""
    table = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [line.split("|")[1:] for line in table.splitlines()[2:]]


def test_fields_of_the_access_log_are_documented() -> None:
    documented = [name for row in first_cells("field") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(documented) == sorted(access_line(turn(), "input[1]"))
    inside = [
        name
        for row in first_cells("field")
        if "`attempts`" in row[0]
        for name in re.findall(r"`(\w+)`", row[1])
    ]
    assert inside == list(access_line(turn())["attempts"][0])  # type: ignore[index]
    tokens = [
        name
        for row in first_cells("field")
        if "`usage`" in row[0]
        for name in re.findall(r"`(\w+)`", row[1])
    ]
    assert tokens == list(Usage(0, 0, 0, 0, 0).plain())
    assert f"rotated at {ROTATE_BYTES >> 20} MiB" in TEXT
    assert (ROTATED_FILES, "five older files kept" in TEXT) == (5, True)
    assert MAX_TURNS == 8


def test_documented_defaults_of_options_are_those_of_the_code() -> None:
    with taddons.context() as context:
        known = set(context.options.keys())
        ScriptedShim().load(Loader(context.master))
        own = {name: context.options.default(name) for name in context.options.keys() - known}
    documented = {row[0].strip(" `"): int(row[1]) for row in first_cells("option")}
    assert documented == {name: value for name, value in own.items() if name in documented}
    assert own.keys() - documented.keys() == {
        "codex_shim_settings",
        "codex_shim_allow_remote",
        "codex_shim_record",
        "codex_shim_hook",
        "codex_shim_privacy",
    }
    assert (
        "codex_shim_privacy=true"
        in Path(__file__).parents[1].joinpath("docs", "privacy.md").read_text()
    )
    assert "`codex_shim_hook`" in Path(__file__).parents[1].joinpath("docs", "hooks.md").read_text()
    assert (
        "--set codex_shim_record="
        in Path(__file__).parents[1].joinpath("docs", "workbench.md").read_text()
    )


def test_comment_of_a_flow_has_the_documented_form() -> None:
    record = turn(
        slug="gpt-5.5", model="gpt-5.5", ttft=0.82, usage=Usage(18_200, 17_000, 640, 0, 18_840)
    )
    record.seconds = 0.82 + 640 / 312
    assert summary(record) in TEXT
