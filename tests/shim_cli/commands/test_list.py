from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from addons.core.cursor.status import NOT_FOUND
from shim_cli.commands import list as list_models
from shim_cli.commands.list import format_lines, hidden_lines
from shim_cli.state.listing import ListedModel, Listing
from shim_cli.state.processes import start_mark
from shim_cli.state.run_state import RunState, write_state
from tests.shim_cli.health_server import HEALTHY, answering
from tests.shim_cli.run import environment, shim

LOGIN = '{"tokens":{"access_token":"opaque","account_id":"acc"}}'
MODELS = '{"models":[{"slug":"gpt-6-sol","display_name":"GPT-6 Sol"},{"slug":"gpt-5.5"}]}'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "models_cache.json").write_text(MODELS)
    return tmp_path


def log_in(home: Path) -> None:
    (home / ".codex" / "auth.json").write_text(LOGIN)


def test_without_a_login_the_demo_is_listed(home: Path) -> None:
    ran = shim(home, "list")

    assert ran.returncode == 0
    [reason] = ran.stderr.splitlines()
    assert reason.startswith("2 ChatGPT models hidden: There is no ChatGPT login in ")
    assert ran.stdout.startswith("shim-demo  ")
    assert ran.stdout.endswith("->  shim-demo (demo)\n")


def test_login_lists_the_account_models(home: Path) -> None:
    log_in(home)

    ran = shim(home, "list")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == (
        "gpt-6-sol  GPT-6 Sol  ->  gpt-6-sol (ChatGPT login, http://127.0.0.1:9)\n"
        "gpt-5.5    gpt-5.5  ->  gpt-5.5 (ChatGPT login, http://127.0.0.1:9)\n"
    )


def test_hidden_models_have_a_reason(home: Path) -> None:
    ran = shim(home, "list", "--all")

    rows = ran.stdout.splitlines()
    assert rows[0].split("  ")[0] == "gpt-6-sol"
    assert rows[0].endswith("  GPT-6 Sol  ->  gpt-6-sol (ChatGPT, http://127.0.0.1:9)  (hidden)")
    reasons = [row for row in rows if "hidden: " in row]
    assert reasons[0].startswith("2 ChatGPT models hidden: There is no ChatGPT login in ")
    assert "`codex login`" in reasons[0]
    assert reasons[1].startswith("2 Cursor models hidden: cursor-agent is not installed")
    assert (len(reasons), ran.stderr) == (2, "")


def test_json_list(home: Path) -> None:
    log_in(home)

    assert json.loads(shim(home, "list", "--json").stdout)[1] == {
        "slug": "gpt-5.5",
        "display_name": "gpt-5.5",
        "model": "gpt-5.5",
        "provider": "chatgpt",
        "upstream": "http://127.0.0.1:9",
        "context_window": None,
        "live": True,
        "hidden_because": "",
        "learnt": [],
        "label": "ChatGPT",
        "vision": "",
        "login": "ChatGPT login",
    }
    everything = json.loads(shim(home, "list", "--all", "--json").stdout)
    assert [row["slug"] for row in everything if not row["live"]] == [
        "composer-2-5",
        "composer-2-5-fast",
        "shim-demo",
    ]


def test_list_writes_only_the_cache(home: Path) -> None:
    before = set(home.rglob("*"))

    shim(home, "list", "--all")

    assert set(home.rglob("*")) - before == {home / "state", home / "state" / "listing.json"}


def test_named_settings_must_exist(home: Path) -> None:
    ran = shim(home, "list", "--settings", "none.json")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "codex-shim: none.json does not exist or is not a file\n"
        "Name an existing models.json: --settings PATH\n"
    )


def test_invalid_settings_are_reported_on_stderr(home: Path) -> None:
    (home / "mine.json").write_text("{")

    ran = shim(home, "list", "--settings", str(home / "mine.json"))

    assert ran.returncode == 0
    assert ran.stderr.startswith(f"codex-shim: {home}/mine.json: line 1")
    assert "shim-demo" in ran.stdout


def test_invalid_backend_url_is_an_error(home: Path) -> None:
    ran = shim(home, "list", env={"CODEX_SHIM_CHATGPT_BASE_URL": "chatgpt.com"})

    assert ran.returncode == 1
    assert ran.stderr.startswith("codex-shim: ")
    assert "internal error" not in ran.stderr


def test_names_are_aligned() -> None:
    models = [
        ListedModel("a", "A", "m-1", "deepseek", "https://api.deepseek.com", 1000, True, ""),
        ListedModel("longer", "B", "longer", "chatgpt", "", None, False, "Type `x`."),
        ListedModel("own", "O", "o", "generic", "http://h:1", 1, True, "", label="h:1 (chat)"),
    ]

    assert format_lines(models) == [
        "a       A  ->  m-1 (deepseek, https://api.deepseek.com)",
        "longer  B  ->  longer (chatgpt)  (hidden)",
        "own     O  ->  o (h:1 (chat))",
    ]
    assert hidden_lines(models) == ["longer hidden: Type `x`."]
    assert format_lines([]) == []


def test_model_that_describes_pictures_is_named_below() -> None:
    model = ListedModel(
        "a", "A", "m-1", "deepseek", "https://a.example", 1000, True, "", vision="eyes"
    )
    assert format_lines([model])[1:] == ["   pictures: described by eyes"]


def test_no_live_model_is_an_error_with_advice(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(list_models, "load_listing", lambda _env, _settings: Listing())

    assert list_models.write_list({}, home, show_all=False, as_json=False) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("codex-shim: no model is available\nLog in with `codex login`")


def test_cursor_is_missed_only_by_who_installed_it() -> None:
    assert NOT_FOUND.reason.startswith(list_models.NO_CURSOR)


def test_what_a_running_shim_does_not_ask_is_named(home: Path) -> None:
    text = "gpt-5.5 is used up until 14:20; mine answers"
    report = {**HEALTHY, "unavailable": [{"text": text}]}
    with answering(200, json.dumps(report).encode()) as port:
        state = RunState(os.getpid(), port, start_mark(os.getpid()), 1.0, "0.1.0", detached=True)
        assert write_state(environment(home), state) == ""

        ran = shim(home, "list")

    assert ran.stderr.splitlines()[-1] == text
    assert text not in ran.stdout
