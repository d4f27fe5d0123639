"""The recorded contracts, and the file of what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.adapters.codex.contracts import (
    add_seen,
    before,
    everything_recorded,
    read_seen,
    recorded,
)
from addons.adapters.system.paths import seen_contract_file
from addons.core.contract.contract import dumps
from addons.core.contract.seen import Unknown
from shim_cli.doctor.codex import NEWEST, OLDEST

TOOL = Unknown("tool", "function new", "", "codex_exec/0.172.0", 1.0)


def test_contracts_of_the_tested_versions_are_recorded() -> None:
    versions = [contract.codex for contract in recorded()]
    assert versions[0] == OLDEST
    assert versions[-1] == NEWEST
    for contract in recorded():
        assert "POST /responses" in contract.names("endpoint"), contract.codex
        assert "function exec_command" in contract.names("tool"), contract.codex
        assert "response.completed" in contract.names("event"), contract.codex


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.171.0", "0.169.0"),
        ("0.171.1", "0.171.0"),
        ("1.0.0", "0.171.0"),
        ("0.150.0", "0.133.0"),
        ("0.1.0", "0.133.0"),
    ],
)
def test_version_before_is_the_newest_older_one(version: str, expected: str) -> None:
    assert before(version).codex == expected


def test_everything_recorded_has_what_only_one_version_has() -> None:
    known = everything_recorded()
    assert {"gpt-6.2-sol", "gpt-5.2"} <= set(known.names("model"))


def test_contracts_hold_no_values() -> None:
    for contract in recorded():
        written = dumps(contract)
        for text in (b"Say hello", b"/tmp", b"127.0.0.1", b"example.com", b"radar-"):
            assert text not in written, (contract.codex, text)


def test_what_was_seen_is_added_once(tmp_path: Path) -> None:
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")}
    assert read_seen(env) == []
    add_seen(env, [])
    assert not seen_contract_file(env).exists()
    add_seen(env, [TOOL])
    written = seen_contract_file(env).stat()
    add_seen(env, [TOOL])
    assert read_seen(env) == [TOOL]
    assert seen_contract_file(env).stat().st_mtime_ns == written.st_mtime_ns


def test_file_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where the folder should be")
    add_seen({"CODEX_SHIM_STATE_DIR": str(blocked)}, [TOOL])
    assert blocked.read_text() == "a file where the folder should be"
