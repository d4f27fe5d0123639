"""docs/faults.md and docs/threat-model.md agree with the tests, and the fault tests cover every kind of route."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from addons.adapters.route_sources import RouteSources
from addons.core.settings.models_file import parse_models
from addons.core.settings.upstream_url import EndpointRules
from addons.core.upstream.protocol import Protocol
from tests.fakes.account import Account
from tests.faults.connect_faults import CONNECT_FAULTS
from tests.faults.oracle import ALL_RETRIES, STREAM_RETRIES, Seen, codex_requests
from tests.faults.refusals import REFUSALS
from tests.faults.routes import ROUTES
from tests.faults.shim import settings_text
from tests.faults.socket_faults import SOCKET_FAULTS
from tests.faults.stream_faults import STREAM_FAULTS
from tests.faults.table import COMMAND, FILE, ROOT, text

THREATS = ROOT / "docs" / "threat-model.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_document_of_faults_is_up_to_date() -> None:
    assert FILE.read_text() == text(), f"run `{COMMAND}`"


def test_names_of_faults_are_unique() -> None:
    names = [str(fault) for fault in (*REFUSALS, *CONNECT_FAULTS, *STREAM_FAULTS)]
    assert len(names) == len(set(names)) >= 50


def names_of_tests(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_threat_names_existing_tests() -> None:
    threats = [line for line in THREATS.read_text().splitlines() if re.match(r"\| T\d+ \|", line)]
    assert [line.split("|")[1].strip() for line in threats] == [f"T{n}" for n in range(1, 24)]
    missing = []
    for line in threats:
        named = NAMED.findall(line)
        assert named, line
        missing += [
            f"{file}::{name}"
            for file, name in named
            if not Path(ROOT, file).is_file() or (name and name not in names_of_tests(file))
        ]
    assert missing == []


def test_every_fault_of_a_websocket_is_shown_by_a_test() -> None:
    missing = [each for each in SOCKET_FAULTS if each.test not in names_of_tests(each.file)]
    assert missing == []


@pytest.mark.parametrize(
    ("seen", "requests"),
    [
        (Seen(200, "response.completed"), 1),
        (Seen(200, "response.failed", "invalid_prompt"), 1),
        (Seen(200, "response.failed", "server_error"), STREAM_RETRIES),
        (Seen(200), STREAM_RETRIES),
        (Seen(400), 1),
        (Seen(401), STREAM_RETRIES),
        (Seen(404), 1),
        (Seen(429), 1),
        (Seen(429, retry_after="2"), STREAM_RETRIES),
        (Seen(429, error_type="usage_limit_reached", retry_after="2"), 1),
        (Seen(500), ALL_RETRIES),
        (Seen(503, code="server_is_overloaded"), 5),
    ],
)
def test_rules_of_codex_are_those_that_were_measured(seen: Seen, requests: int) -> None:
    assert codex_requests(seen) == requests


def test_every_kind_of_route_has_fault_tests(tmp_path: Path) -> None:
    """The kinds are the providers of the product's own route table, and the protocols of rows in models.json."""
    Account().write(tmp_path)
    env = {"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path), "PATH": ""}
    table = RouteSources(env, tmp_path / "no-models.json").table()
    product = {route.provider for route in table.routes.values()} | {str(one) for one in Protocol}

    tested = set()
    for kind in ROUTES:
        if kind.row:
            settings = settings_text(kind, "http://127.0.0.1:1", {})
            (row,) = parse_models(settings.encode(), "models.json", EndpointRules()).rows
            assert row.target
            tested.add(str(row.target.protocol))
        else:
            route = table.resolve(kind.slug)
            assert route, kind
            tested.add(route.provider)
    assert tested == product
