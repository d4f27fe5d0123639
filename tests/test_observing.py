"""docs/observing.md tells the truth: fields, options and defaults are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

from mitmproxy.addonmanager import Loader
from mitmproxy.test import taddons

from addons.core.access import access_line
from addons.core.record_line import summary
from addons.core.usage import Usage
from addons.origins.access_log import KEPT, ROTATE_BYTES
from addons.proxy.kept import MOST_TURNS
from addons.proxy.script import ScriptedShim
from tests.origins.records import turn

TEXT = (Path(__file__).parents[1] / "docs" / "observing.md").read_text()


def first_cells(heading: str) -> list[list[str]]:
    """The rows of the table with this heading."""
    table = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [line.split("|")[1:] for line in table.splitlines()[2:]]


def test_every_field_of_the_access_log_is_there_and_no_other() -> None:
    told = [name for row in first_cells("field") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(told) == sorted(access_line(turn(), "input[1]"))
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
    assert KEPT == 5
    assert MOST_TURNS == 8


def test_options_have_these_defaults() -> None:
    with taddons.context() as context:
        known = set(context.options.keys())
        ScriptedShim().load(Loader(context.master))
        own = {name: context.options.default(name) for name in context.options.keys() - known}
    told = {row[0].strip(" `"): int(row[1]) for row in first_cells("option")}
    assert told == {name: value for name, value in own.items() if name in told}
    assert {name for name in own if name not in told} == {
        "codex_shim_settings",
        "codex_shim_allow_remote",
    }


def test_the_comment_has_the_form_of_the_example() -> None:
    record = turn(
        slug="gpt-5.5", model="gpt-5.5", ttft=0.82, usage=Usage(18_200, 17_000, 640, 0, 18_840)
    )
    record.seconds = 0.82 + 640 / 312
    assert summary(record) in TEXT
