"""The cached listing is used only while its inputs are unchanged."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shim_cli.commands import list as list_models
from shim_cli.state.list_cache import ListingInputs, RecordingEnv, load_listing
from shim_cli.state.listing import Listing
from tests.shim_cli.doctor.findings import jwt
from tests.shim_cli.run import environment, shim

ROWS = [
    {"model": "a", "provider": "deepseek", "api_key": "sk-inline-hush"},
    {"model": "b", "provider": "deepseek", "api_key_env": "B_KEY"},
    {"model": "c", "provider": "deepseek", "api_key_file": "c.key"},
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for folder in (".codex", ".codex-shim"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".codex-shim" / "models.json").write_text(json.dumps(ROWS))
    return tmp_path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Listing]:
    """The listings that were built instead of loaded."""
    found: list[Listing] = []
    make = list_models._build

    def counted(env: dict[str, str], settings: Path | None) -> Listing:
        found.append(make(env, settings))
        return found[-1]

    monkeypatch.setattr(list_models, "_build", counted)
    return found


def run(env: dict[str, str], settings: Path | None = None) -> None:
    list_models.write_list(env, settings, show_all=True, as_json=True)


def live(listing: Listing) -> list[str]:
    return [model.slug for model in listing.live]


def log_in(home: Path, expires_at: float) -> None:
    tokens = {"access_token": jwt({"exp": expires_at})}
    (home / ".codex" / "auth.json").write_text(json.dumps({"tokens": tokens}))


def test_unchanged_listing_comes_from_the_cache(home: Path, made: list[Listing]) -> None:
    env = environment(home)

    run(env)
    run(env)

    assert len(made) == 1
    assert load_listing(env, None) == made[0]


def rewrite_row(home: Path) -> None:
    path = home / ".codex-shim" / "models.json"
    before = path.stat()
    path.write_text(path.read_text().replace('"a"', '"z"'))
    # The content counts: size and time stay the same.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path, dict[str, str]], object]] = {
    "a row": lambda home, _env: rewrite_row(home),
    "a key in the environment": lambda _home, env: env.update(B_KEY="sk-b"),
    "a key file": lambda home, _env: (home / ".codex-shim" / "c.key").write_text("sk-c"),
    "a login": lambda home, _env: log_in(home, time.time() + 999),
    "the account's models": lambda home, _env: (home / ".codex" / "models_cache.json").write_text(
        '{"models":[{"slug":"gpt-9"}]}'
    ),
    "the ChatGPT route switched off": lambda _home, env: env.update(CODEX_SHIM_DISABLE_CHATGPT="1"),
    "another home of Codex": lambda home, env: env.update(CODEX_HOME=str(home / "other")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_invalidates_the_cache(
    home: Path, made: list[Listing], change: Callable[[Path, dict[str, str]], object]
) -> None:
    env = environment(home)
    run(env)

    change(home, env)
    run(env)

    first, second = made
    assert first != second


def test_other_settings_invalidate_the_cache(home: Path, made: list[Listing]) -> None:
    env = environment(home)
    other = home / "other.json"
    other.write_text("[]")

    run(env)
    run(env, other)
    run(env)

    assert ["shim-demo" in live(each) for each in made] == [False, True, False]


def test_expired_login_invalidates_the_cache(
    home: Path, made: list[Listing], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    log_in(home, now + 600)
    env = environment(home)
    run(env)
    run(env)
    monkeypatch.setattr(time, "time", lambda: now + 601)

    run(env)

    assert "gpt-5.5" in live(made[0])
    assert len(made) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"files":1}', '{"files":[]}'])
def test_damaged_cache_is_replaced(home: Path, made: list[Listing], content: str) -> None:
    env = environment(home)
    kept = home / "state" / "listing.json"
    kept.parent.mkdir()
    kept.write_text(content)

    run(env)

    assert len(made) == 1
    assert load_listing(env, None) == made[0]


def test_cache_contains_no_secret(home: Path) -> None:
    log_in(home, time.time() + 999)
    (home / ".codex-shim" / "c.key").write_text("sk-file-hush")
    token = json.loads((home / ".codex" / "auth.json").read_text())["tokens"]["access_token"]

    ran = shim(home, "list", "--all", env={"B_KEY": "sk-env-hush"})

    kept = home / "state" / "listing.json"
    text = kept.read_text() + ran.stdout + ran.stderr
    assert (ran.returncode, kept.stat().st_mode & 0o777) == (0, 0o600)
    assert "B_KEY" in text
    assert [
        secret
        for secret in ("sk-inline-hush", "sk-env-hush", "sk-file-hush", token)
        if secret in text
    ] == []


def test_unwritable_state_folder_is_ignored(home: Path) -> None:
    (home / "state").write_text("a file in the way")

    ran = shim(home, "list")

    assert (ran.returncode, ran.stdout.split()[0]) == (0, "a")


def test_every_opened_file_is_an_input(home: Path) -> None:
    """A file that is not an input would leave an outdated listing in use."""
    (home / ".codex-shim" / "c.key").write_text("sk-c")
    log_in(home, time.time() + 999)
    env = environment(home)
    opened: list[str] = []
    watching = [True]
    sys.addaudithook(
        lambda event, args: opened.append(str(args[0])) if watching[0] and event == "open" else None
    )

    run(env)

    watching[0] = False
    kept = json.loads((home / "state" / "listing.json").read_bytes())
    ours = {path for path in opened if path.startswith(str(home)) and "listing.json" not in path}
    assert f"{home}/.codex-shim/c.key" in ours
    assert ours - {f"{home}/state"} <= set(kept["files"])


def test_copied_environment_counts_as_read() -> None:
    watched = RecordingEnv({"A": "1", "B": "2"})

    assert dict(watched) == {"A": "1", "B": "2"}
    assert watched.names == {"A", "B"}
    assert ListingInputs([], ["A"]).digest({"A": "1"}, None) != ListingInputs([], ["A"]).digest(
        {"A": "2"}, None
    )
