"""`doctor models`, `doctor picker`, and the report on a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from addons.core.catalog import codex_shape, fallback_entries
from shim_cli.doctor.colours import write_coloured
from shim_cli.doctor.finding import Finding, Subject
from shim_cli.doctor.models import model_findings
from shim_cli.doctor.picker import has_chatgpt_login, picker_findings
from shim_cli.doctor.summary import summary_of
from tests.cli.doctor.looking import put
from tests.cli.run import shim

ROW = {
    "model": "deepseek-chat",
    "provider": "deepseek",
    "api_key": "sk-hush",
    "extra_headers": {"x-token": "hush"},
    "fallback": ["shim-demo"],
}


def subject(env: dict[str, str]) -> Subject:
    return Subject(env, 9, cwd=Path(env["HOME"]))


def lines(findings: list[Finding]) -> list[str]:
    return [f"{each.section}: {each.level} {each.message}" for each in findings]


def test_models_tells_where_each_goes_and_what_it_can(env: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / ".codex-shim" / "models.json", json.dumps([ROW]))

    told = lines(model_findings(subject(env)))

    assert "deepseek-chat: OK deepseek-chat: deepseek-chat by deepseek" in told
    assert (
        "deepseek-chat: INFO chat at https://api.deepseek.com, "
        "api_key in the file, extra_headers.x-token in the file"
    ) in told
    assert "deepseek-chat: INFO when it cannot answer: shim-demo" in told
    assert "gpt-5.5: INFO byte for byte to http://127.0.0.1:9" in told
    assert "hush" not in repr(told)


def wire(env: dict[str, str], *entries: object) -> None:
    catalog = Path(env["CODEX_SHIM_STATE_DIR"], "custom_model_catalog.json")
    put(catalog, json.dumps(codex_shape(entries)))  # type: ignore[arg-type]
    put(Path(env["HOME"], ".codex", "config.toml"), f'model_catalog_json = "{catalog}"\n')


def test_picker_tells_which_rule_hides_a_model(env: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / ".codex-shim" / "models.json", json.dumps([ROW]))
    base = fallback_entries()[0]
    wire(
        env,
        {**base, "slug": "b", "priority": 2},
        {**base, "slug": "hidden", "visibility": "hide"},
        {**base, "slug": "account", "supported_in_api": False},
    )

    told = lines(picker_findings(subject(env)))

    assert told[1] == "What Codex reads: INFO Codex has no ChatGPT login"
    assert told[2] == "Models: OK b is shown at place 1"
    assert 'hidden is hidden: its entry says visibility "hide"' in told[3]
    assert "account is hidden: its entry says supported_in_api false" in told[4]
    assert "Models: WARN deepseek-chat is hidden: it is not in the catalog yet" in told
    assert "Models: INFO shim-demo is hidden: It is only offered while no real model is." in told


def test_picker_warns_of_what_desktop_does_not_load(env: dict[str, str]) -> None:
    base = fallback_entries()[0]
    wire(env, *({**base, "slug": f"m{at:03}", "priority": at} for at in range(102)))

    told = [each.message for each in picker_findings(subject(env)) if each.level == "WARN"]

    assert [line.split()[0] for line in told if "Desktop" in line] == ["m100", "m101"]


def test_picker_says_when_codex_reads_no_catalog_of_ours(env: dict[str, str]) -> None:
    levels = [(each.section, each.level) for each in picker_findings(subject(env))]

    assert levels[:2] == [("What Codex reads", "WARN"), ("What Codex reads", "WARN")]


@pytest.mark.parametrize("content", ["{", "3", '{"models":[]}'])
def test_a_catalog_that_is_pointed_at_and_broken_fails(env: dict[str, str], content: str) -> None:
    wire(env)
    put(Path(env["CODEX_SHIM_STATE_DIR"], "custom_model_catalog.json"), content)

    assert "FAIL" in {each.level for each in picker_findings(subject(env))}


@pytest.mark.parametrize(
    ("content", "login"),
    [
        ('{"tokens":{}}', True),
        ('{"auth_mode":"chatgpt","tokens":{}}', True),
        ('{"auth_mode":"apikey","tokens":{}}', False),
        ('{"OPENAI_API_KEY":"sk"}', False),
        ("{", False),
        ("[]", False),
    ],
)
def test_a_login_is_one_for_codex_even_when_it_has_expired(
    env: dict[str, str], tmp_path: Path, content: str, login: bool
) -> None:
    put(tmp_path / ".codex" / "auth.json", content)

    assert has_chatgpt_login(subject(env)) is login


@pytest.mark.parametrize("about", ["models", "picker"])
def test_a_base_url_that_is_none_is_a_failure(tmp_path: Path, about: str) -> None:
    ran = shim(tmp_path, "doctor", about, env={"CODEX_SHIM_CHATGPT_BASE_URL": "chatgpt.com"})

    assert (ran.returncode, ran.stderr) == (1, "")
    assert "FAIL" in ran.stdout


def test_an_unknown_view_is_a_usage_error(tmp_path: Path) -> None:
    ran = shim(tmp_path, "doctor", "everything")

    assert ran.returncode == 2
    assert "'everything' is not one of 'all', 'models', 'picker'" in ran.stderr


def test_on_a_terminal_the_same_is_said_in_colour() -> None:
    findings = [
        Finding("A", "OK", "one [bold]not markup[/bold]"),
        Finding("A", "FAIL", "two", "type this"),
        Finding("B", "WARN", "three " * 30, "x"),
    ]
    plain, coloured = io.StringIO(), io.StringIO()
    width = 60

    write_coloured(findings, summary_of(findings), Console(file=plain, width=width))
    write_coloured(
        findings, summary_of(findings), Console(file=coloured, width=width, force_terminal=True)
    )

    text = plain.getvalue()
    assert "one [bold]not markup[/bold]" in text
    assert "two" in text
    assert "type this" in text
    assert "1 OK, 1 WARN, 1 FAIL, 0 INFO" in text
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b[1;31mFAIL" in coloured.getvalue()
