"""The report: one line for each difference, grouped by section."""

from __future__ import annotations

from addons.core.contract.contract import differences, merged
from addons.core.contract.seen import Unknown
from shim_cli.radar.report import comparison_json, comparison_lines, seen_json, seen_lines

BEFORE = merged(
    "1.0",
    [
        {
            "endpoint": {"POST /a": frozenset(), "POST /b": frozenset()},
            "header": {"POST /a": frozenset({"old"}), "POST /b": frozenset()},
            "tool": {"function f": frozenset({"x"}), "function gone": frozenset()},
        }
    ],
)
AFTER = merged(
    "2.0",
    [
        {
            "endpoint": {"POST /a": frozenset({"q"}), "POST /b": frozenset(), "POST /new": frozenset()},
            "header": {"POST /a": frozenset({"h"}), "POST /b": frozenset({"h"}), "POST /new": frozenset({"h"})},
            "tool": {"function f": frozenset({"x", "y"})},
        }
    ],
)  # fmt: skip
FOUND = differences(BEFORE, AFTER)


def test_header_stands_once_and_a_new_endpoint_brings_none() -> None:
    assert comparison_lines(BEFORE, AFTER, FOUND) == [
        "Codex 2.0, compared with 1.0",
        "  Endpoints",
        "    + POST /a: q",
        "    + POST /new",
        "  Request headers",
        "    + h  (POST /a, POST /b)",
        "    - old  (POST /a)",
        "  Tools",
        "    + function f: y",
        "    - function gone",
    ]


def test_equal_contracts_are_said_to_be_equal() -> None:
    assert comparison_lines(AFTER, AFTER, []) == [
        "Codex 2.0, compared with 2.0",
        "  No difference.",
    ]


def test_json_has_every_difference() -> None:
    document = comparison_json(BEFORE, AFTER, FOUND)
    rows = document["differences"]
    assert isinstance(rows, list)
    assert len(rows) == len(FOUND)
    assert {"section": "tool", "name": "function gone", "member": "", "change": "removed"} in rows


def test_what_was_seen_names_client_and_day() -> None:
    seen = [Unknown("tool", "function t", "p", "codex/1", 5.0), Unknown("event", "response.x", "", "codex/1", 5.0)]  # fmt: skip
    assert list(seen_lines(seen, {5.0: "2026-11-30"})) == [
        "  Tools",
        "    function t: p  (codex/1, 2026-11-30)",
        "  Events that Codex reads",
        "    response.x  (codex/1, 2026-11-30)",
    ]
    assert seen_json(seen) == {"seen": [
        {"section": "tool", "name": "function t", "member": "p", "client": "codex/1", "since": 5.0},
        {"section": "event", "name": "response.x", "member": "", "client": "codex/1", "since": 5.0},
    ]}  # fmt: skip
