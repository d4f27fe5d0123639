"""All sections together."""

from __future__ import annotations

from pathlib import Path

from shim_cli.doctor.finding import DoctorContext
from shim_cli.doctor.sections import SECTIONS, run_sections
from tests.shim_cli.doctor.findings import put
from tests.shim_cli.run import environment


def test_invalid_base_url_fails_in_one_section_only(env: dict[str, str]) -> None:
    env |= {"CODEX_SHIM_CHATGPT_BASE_URL": "chatgpt.com"}
    context = DoctorContext(env, 9, cwd=Path(env["HOME"]))

    levels = {name: [each[0] for each in section(context)] for name, section in SECTIONS}

    assert levels["ChatGPT passthrough"] == ["FAIL"]
    assert [name for name, each in levels.items() if "FAIL" in each] == ["ChatGPT passthrough"]


def test_every_warning_and_failure_has_advice(tmp_path: Path) -> None:
    put(tmp_path / "state" / "custom_model_catalog.json", "{")
    put(tmp_path / ".codex-shim" / "models.json", "{")
    env = environment(tmp_path, {"HTTPS_PROXY": "http://proxy:3128", "CODEX_BIN": "/nowhere"})

    findings = run_sections(DoctorContext(env, 9, cwd=tmp_path))

    problems = [finding for finding in findings if finding.level in {"WARN", "FAIL"}]
    assert len(problems) >= 6
    assert [finding for finding in problems if not finding.advice] == []
