from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from addons.adapters.codex.accepted_models import AcceptedModels
from addons.core.routes import RouteTable
from shim_cli.doctor.finding import DoctorContext, Finding, count_levels, format_counts
from tests.adapters.fake_codex import FakeCodex
from tests.shim_cli.doctor.findings import put


def test_counts_include_levels_without_a_finding() -> None:
    counts = count_levels([Finding("A", "WARN", "x"), Finding("B", "OK", "y"), Finding("B", "OK", "z")])  # fmt: skip
    assert counts == {"OK": 2, "WARN": 1, "FAIL": 0, "INFO": 0}
    assert format_counts(counts) == "2 OK, 1 WARN, 0 FAIL, 0 INFO"


def test_unusable_sources_give_the_reason(env: dict[str, str]) -> None:
    context = DoctorContext({**env, "CODEX_SHIM_CHATGPT_BASE_URL": "chatgpt.com"}, 9)
    assert isinstance(context.sources, str)
    assert "CODEX_SHIM_CHATGPT_BASE_URL" in context.sources
    assert context.refused == {}


def test_context_reads_codex_and_its_config_once(env: dict[str, str], tmp_path: Path) -> None:
    context = DoctorContext({**env, "CODEX_BIN": str(FakeCodex(tmp_path).binary)}, 9)
    assert context.codex is not None
    config = context.config
    put(tmp_path / ".codex" / "config.toml", 'model = "late"')
    assert config.exists is context.config.exists is False


def test_models_that_codex_rejects_have_a_reason(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject_demo(_codex: object, table: RouteTable, _version: str) -> AcceptedModels:
        demo = replace(table.routes["shim-demo"], unavailable_reason="too new for Codex")
        return AcceptedModels(RouteTable.of([demo]), {"shim-demo": "missing field"})

    monkeypatch.setattr("shim_cli.doctor.finding.filter_accepted", reject_demo)
    assert DoctorContext(env, 9).refused == {"shim-demo": "too new for Codex"}
