from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.run import START, environment, shim

HELP = """\
Usage: codex-shim [OPTIONS] COMMAND [ARGS]...

  One local port for Codex: ChatGPT passthrough and your other models side by
  side.

Options:
  --version             Show the version.
  --port INTEGER RANGE  The shim's port, for any command.  [1<=x<=65535]
  --settings PATH       models.json, for any command.
  --state-dir DIR       Where codex-shim keeps its own files.
  --help                Show this message and exit.

Commands:
  serve       Run the shim in the foreground, without a view.
  start       Run the shim in the background.
  stop        Stop the shim.
  restart     Stop the shim and start it in the background.
  enable      Start the shim and make Codex use it.
  disable     Give Codex its own config.toml back, and stop the shim.
  codex       Run Codex through the shim, once: `codex -- exec "hi"`.
  app         Open Codex Desktop through the shim until it quits (macOS).
  mitmdump    Run the shim in mitmdump: turns in the terminal.
  web         Run the shim in mitmweb: see and edit turns in the browser.
  picker      Choose the model that Codex uses, in the browser.
  dashboard   See turns and what they use, in the browser.
  addon-path  Print the addon's path, for `mitmdump -s` or `mitmweb -s`.
  generate    Write the model catalog and a config.toml to try.
  list        List the models that Codex can choose, and where they go.
  status      Say whether the shim runs.
  usage       Say what turns have used: tokens, cache, cost and quota.
  doctor      Check everything that a turn needs, and say what to type.
  completion  Print what makes a shell complete these commands.
  report      Write one zip for a bug report, without text or secrets.
  model       List models, or choose the one to use.
  service     Let the system start the shim at login.
"""


def test_help_names_every_command(tmp_path: Path) -> None:
    ran = shim(tmp_path, "--help", env={"COLUMNS": "80"})

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, HELP, "")


def test_version(tmp_path: Path) -> None:
    ran = shim(tmp_path, "--version")

    assert (ran.returncode, ran.stdout) == (0, f"codex-shim {version('codex-shim')}\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["status", "--bogus"], "No such option '--bogus'"),
        (["bogus"], "No such command 'bogus'"),
        (["status", "--port", "0"], "0 is not in the range 1<=x<=65535"),
        (["status", "--port", "many"], "'many' is not a valid int"),
        (["mitmdump", "--set", "x=y"], "No such option '--set'"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_a_usage_error(
    tmp_path: Path, args: list[str], said: str
) -> None:
    ran = shim(tmp_path, *args)

    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Usage: codex-shim" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("args", [["--help"], ["list"], ["list", "--all", "--json"]])
def test_a_quick_command_loads_no_heavy_library(tmp_path: Path, args: list[str]) -> None:
    code = (
        "import sys; from shim_cli.app import main\n"
        "try: main()\n"
        "finally: print([m for m in ('mitmproxy', 'httpx', 'pydantic', 'rich') if m in sys.modules],"
        " file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, *args],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "[]\n")


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*START, "list"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.close()
    _, stderr = process.communicate(timeout=50)

    assert stderr == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("KeyboardInterrupt", 130, "\n"),
        (
            "PermissionError(13, 'Permission denied', '/x/y')",
            1,
            (
                "codex-shim: /x/y: Permission denied\n"
                "Check the path and its permissions, then run `codex-shim doctor`.\n"
            ),
        ),
        (
            "KeyError('secret')",
            1,
            (
                "codex-shim: failed inside: KeyError\n"
                "This is a bug. Run it again with CODEX_SHIM_DEBUG=1 and report what it prints.\n"
            ),
        ),
    ],
)
def test_no_traceback_reaches_the_user(tmp_path: Path, error: str, code: int, said: str) -> None:
    start = (
        "import shim_cli.status as status; from shim_cli.app import main\n"
        f"def broken(*_, **__): raise {error}\n"
        "status.write_status = broken; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", start, "status"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr.lstrip("\n") or "\n") == (code, said)


def test_the_traceback_is_there_for_who_asks(tmp_path: Path) -> None:
    start = (
        "import shim_cli.status as status; from shim_cli.app import main\n"
        "status.write_status = None; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", start, "status"],
        env=environment(tmp_path, {"CODEX_SHIM_DEBUG": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert "Traceback" in ran.stderr
