"""`codex-shim codex` with a fake Codex that prints its arguments; the real one is in tests/e2e."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shim_cli.commands.launch import child_env, codex_command, unwrap_batch_file, with_loopback
from shim_cli.console.errors import CliError
from tests.adapters.codex.codex_threads import CodexThreads
from tests.shim_cli.daemons import User, user_with_daemons

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
def test_codex_gets_overrides_and_its_exit_code_is_returned(
    user: User,
) -> None:
    ran = user.run("codex", "--", "exec", "--model", "x", "hi -c")
    assert ran.returncode == 7
    assert ran.stderr == (
        f"codex-shim is now running in the background. Stop it: codex-shim stop --port {user.port}\n"
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
def test_codex_that_cannot_run_is_an_error(user: User) -> None:
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
def test_no_proxy_includes_loopback(before: str, after: str) -> None:
    assert with_loopback(before) == after


def test_lower_case_no_proxy_is_used() -> None:
    assert child_env({"no_proxy": "x"}, "t")["NO_PROXY"].startswith("x,127.0.0.1")


def test_batch_file_is_replaced_by_its_script() -> None:
    # cmd would interpret the quotes in `-c model="x"`.
    assert unwrap_batch_file("/npm/codex.CMD", lambda _: True) == [
        "node",
        str(Path("/npm/node_modules/@openai/codex/bin/codex.js")),
    ]
    assert unwrap_batch_file("/npm/codex.cmd", lambda _: False) == ["/npm/codex.cmd"]
    assert unwrap_batch_file("/npm/codex.exe", lambda _: True) == ["/npm/codex.exe"]


def test_codex_is_searched_in_the_given_path_only(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="not found on PATH"):
        codex_command({"PATH": str(tmp_path)})


@posix
def test_thread_of_codexs_own_provider_is_resumed_without_the_shim(user: User) -> None:
    threads = CodexThreads(user.home)
    own, with_shim = threads.begin(1), threads.begin(2, "codex_shim")
    ran = user.run("codex", "--", "exec", "resume", own, "go on")
    assert json.loads(ran.stdout)[0] == ["exec", "resume", own, "go on"]
    assert f"codex-shim threads move --to shim {own}" in ran.stderr
    assert not user.record.exists()

    user.config.write_text(
        '# >>> codex-shim >>>\nmodel = "one"\nmodel_provider = "codex_shim"\n# <<< codex-shim <<<\n'
    )
    ran = user.run("codex", "--", "resume", own)
    argv = json.loads(ran.stdout)[0]
    config = tomllib.loads("\n".join(argv[1:-2:2]))
    assert config == {"model_provider": "openai", "model": "gpt-5.5"}

    ran = user.run("codex", "--", "resume", with_shim)
    assert 'model_provider="codex_shim"' in json.loads(ran.stdout)[0]


@posix
def test_threads_that_cannot_be_read_are_left_to_codex(user: User) -> None:
    threads = CodexThreads(user.home)
    own = threads.begin(1)
    threads.database.write_bytes(b"no database" * 100)
    ran = user.run("codex", "--", "resume", own)
    assert 'model_provider="codex_shim"' in json.loads(ran.stdout)[0]
