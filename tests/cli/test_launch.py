"""`codex-shim codex`: a stand-in for Codex tells what it was given; the real one is in tests/e2e."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shim_cli.errors import CliError
from shim_cli.launch import child_env, codex_command, unwrapped, without_proxy
from tests.cli.daemons import User, user_with_daemons

posix = pytest.mark.skipif(os.name != "posix", reason="a script as a program")
FAKE = """#!{python}
import json, os, sys
if "debug" in sys.argv or "--version" in sys.argv:
    sys.exit(0)
names = ("CODEX_SHIM_TOKEN", "NO_PROXY", "no_proxy")
print(json.dumps([sys.argv[1:], {{name: os.environ.get(name) for name in names}}, os.getcwd()]))
sys.exit(7)
"""


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_with_daemons(tmp_path) as someone:
        fake = tmp_path / "codex"
        fake.write_text(FAKE.format(python=sys.executable))
        fake.chmod(0o755)
        someone.more = {"CODEX_BIN": str(fake), "NO_PROXY": "corp.example"}
        yield someone


@posix
def test_codex_gets_overrides_the_users_words_last_and_its_exit_code_is_passed_on(
    user: User,
) -> None:
    ran = user.run("codex", "--", "exec", "--model", "x", "hi -c")
    assert ran.returncode == 7
    assert ran.stderr == (
        f"codex-shim runs in the background now. Stop it: codex-shim stop --port {user.port}\n"
    )
    argv: list[str]
    given: Mapping[str, Any]
    argv, given, folder = json.loads(ran.stdout)
    assert argv[-4:] == ["exec", "--model", "x", "hi -c"]
    config = tomllib.loads("\n".join(argv[1:-4:2]))
    assert config["model"] == "shim-demo"
    provider = config["model_providers"]["codex_shim"]
    assert provider["base_url"] == f"http://127.0.0.1:{user.port}/v1"
    assert provider["env_http_headers"] == {"x-codex-shim-token": "CODEX_SHIM_TOKEN"}
    assert Path(config["model_catalog_json"]).is_file()
    token = (user.state / "token").read_text().strip()
    assert given["CODEX_SHIM_TOKEN"] == token
    assert token not in " ".join(argv)
    assert given["NO_PROXY"] == given["no_proxy"] == "corp.example,127.0.0.1,localhost,::1"
    assert folder == str(user.home)
    assert not (user.home / ".codex").exists()
    again = user.run("codex")
    assert (again.returncode, again.stderr) == (7, "")


@posix
def test_without_codex_nothing_is_started(user: User) -> None:
    ran = user.run("codex", CODEX_BIN="")
    assert ran.returncode == 1
    assert "npm install -g @openai/codex" in ran.stderr
    assert not user.record.exists()


@posix
def test_a_codex_that_cannot_run_is_told_of(user: User) -> None:
    (user.home / "codex").write_text("no program")
    ran = user.run("codex")
    assert ran.returncode == 1
    assert "could not be started" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "127.0.0.1,localhost,::1"),
        ("a, b,", "a,b,127.0.0.1,localhost,::1"),
        ("localhost,x", "localhost,x,127.0.0.1,::1"),
        ("*", "*"),
    ],
)
def test_no_proxy_names_this_machine(before: str, after: str) -> None:
    assert without_proxy(before) == after


def test_the_lower_case_variable_counts_where_it_is_the_only_one() -> None:
    assert child_env({"no_proxy": "x"}, "t")["NO_PROXY"].startswith("x,127.0.0.1")


def test_on_windows_a_batch_file_is_not_given_quotes() -> None:
    # cmd would read `-c model="x"` in its own way
    assert unwrapped("/npm/codex.CMD", lambda _: True) == [
        "node",
        str(Path("/npm/node_modules/@openai/codex/bin/codex.js")),
    ]
    assert unwrapped("/npm/codex.cmd", lambda _: False) == ["/npm/codex.cmd"]
    assert unwrapped("/npm/codex.exe", lambda _: True) == ["/npm/codex.exe"]


def test_codex_is_found_by_the_given_path_alone(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="not on PATH"):
        codex_command({"PATH": str(tmp_path)})
