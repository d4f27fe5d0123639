from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.core.codex.catalog import codex_shape, fallback_entries
from shim_cli.doctor.finding import DoctorContext, Finding
from shim_cli.doctor.picker import picker_findings
from tests.shim_cli.doctor.findings import put

ROW = {
    "model": "deepseek-chat",
    "provider": "deepseek",
    "api_key": "sk-hush",
    "extra_headers": {"x-token": "hush"},
    "fallback": ["shim-demo"],
}


def context(env: dict[str, str]) -> DoctorContext:
    return DoctorContext(env, 9, cwd=Path(env["HOME"]))


def lines(findings: list[Finding]) -> list[str]:
    return [f"{each.section}: {each.level} {each.message}" for each in findings]


def write_catalog_and_config(env: dict[str, str], *entries: object) -> None:
    catalog = Path(env["CODEX_SHIM_STATE_DIR"], "custom_model_catalog.json")
    put(catalog, json.dumps(codex_shape(entries)))  # type: ignore[arg-type]
    put(Path(env["HOME"], ".codex", "config.toml"), f'model_catalog_json = "{catalog}"\n')


def test_picker_names_the_rule_that_hides_a_model(env: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / ".codex-shim" / "models.json", json.dumps([ROW]))
    base = fallback_entries()[0]
    write_catalog_and_config(
        env,
        {**base, "slug": "b", "priority": 2},
        {**base, "slug": "hidden", "visibility": "hide"},
        {**base, "slug": "account", "supported_in_api": False},
    )

    report = lines(picker_findings(context(env)))

    assert report[1] == "What Codex reads: INFO Codex has no ChatGPT login"
    assert report[2] == "Models: OK b is shown at position 1"
    assert 'hidden is hidden: its entry says visibility "hide"' in report[3]
    assert "account is hidden: its entry says supported_in_api false" in report[4]
    assert "Models: WARN deepseek-chat is hidden: it is not in the catalog yet" in report
    assert (
        "Models: INFO shim-demo is hidden: The demo is offered only while no other model is available."
        in report
    )


def test_picker_warns_about_models_beyond_the_desktop_limit(env: dict[str, str]) -> None:
    base = fallback_entries()[0]
    write_catalog_and_config(
        env, *({**base, "slug": f"m{at:03}", "priority": at} for at in range(102))
    )

    report = [each.message for each in picker_findings(context(env)) if each.level == "WARN"]

    assert [line.split()[0] for line in report if "Desktop" in line] == ["m100", "m101"]


def test_picker_warns_if_config_names_no_catalog(env: dict[str, str]) -> None:
    levels = [(each.section, each.level) for each in picker_findings(context(env))]

    assert levels[:2] == [("What Codex reads", "WARN"), ("What Codex reads", "WARN")]


@pytest.mark.parametrize("content", ["{", "3", '{"models":[]}'])
def test_broken_catalog_in_use_fails(env: dict[str, str], content: str) -> None:
    write_catalog_and_config(env)
    put(Path(env["CODEX_SHIM_STATE_DIR"], "custom_model_catalog.json"), content)

    assert "FAIL" in {each.level for each in picker_findings(context(env))}
