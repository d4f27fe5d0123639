"""The documents about faults and threats say what the tests show."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.faults.fault import Fault
from tests.faults.oracle import AGAIN, AGAIN_WITHIN, Seen, codex_requests
from tests.faults.reaching import REACHING
from tests.faults.refusals import REFUSALS
from tests.faults.routes import ROUTES
from tests.faults.streams import STREAMS
from tests.faults.table import COMMAND, FILE, ROOT, text

THREATS = ROOT / "docs" / "threat-model.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_the_table_of_faults_is_up_to_date() -> None:
    assert FILE.read_text() == text(), f"run `{COMMAND}`"


def test_no_name_of_a_fault_is_used_twice() -> None:
    names = [str(one) for one in (*REFUSALS, *REACHING, *STREAMS)]
    assert len(names) == len(set(names)) >= 50


@pytest.mark.parametrize("fault", [f for f in (*REFUSALS, *STREAMS) if f.short], ids=str)
def test_no_row_calls_a_short_answer_whole(fault: Fault) -> None:
    for pair in (fault.account, fault.native, fault.translated):
        for told in (pair.codex, pair.sdk):
            assert told.terminal != "response.completed"


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_threat_names_tests_that_exist() -> None:
    threats = [line for line in THREATS.read_text().splitlines() if re.match(r"\| T\d+ \|", line)]
    assert [line.split("|")[1].strip() for line in threats] == [f"T{n}" for n in range(1, 21)]
    for line in threats:
        named = NAMED.findall(line)
        assert named, line
        for file, name in named:
            assert Path(ROOT, file).is_file(), file
            assert not name or name in names_in(file), f"{file}::{name}"


@pytest.mark.parametrize(
    ("seen", "requests"),
    [
        (Seen(200, "response.completed"), 1),
        (Seen(200, "response.failed", "invalid_prompt"), 1),
        (Seen(200, "response.failed", "server_error"), AGAIN),
        (Seen(200), AGAIN),
        (Seen(400), 1),
        (Seen(401), AGAIN),
        (Seen(404), 1),
        (Seen(429), 1),
        (Seen(429, retry_after="2"), AGAIN),
        (Seen(429, error_type="usage_limit_reached", retry_after="2"), 1),
        (Seen(500), AGAIN_WITHIN),
        (Seen(503, code="server_is_overloaded"), 5),
    ],
)
def test_the_rules_of_codex_are_those_that_were_measured(seen: Seen, requests: int) -> None:
    assert codex_requests(seen) == requests


def test_every_route_of_the_product_is_in_the_matrix() -> None:
    assert {route.name for route in ROUTES} >= {
        "chatgpt",
        "chat",
        "messages",
        "native",
        "demo",
        "cursor",
    }
