from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.shim_cli.run import environment, shim

HELP = """\
Usage: codex-shim [OPTIONS] COMMAND [ARGS]...

  One local port for Codex: ChatGPT passthrough and your other models side by
  side.

Options:
  -V, --version    Show the version.
  --port PORT      The shim's port, for any command.
  --settings PATH  Path to models.json, for any command.
  --state-dir DIR  The state folder of codex-shim.
  -h, --help       Show this message and exit.

First steps:
  try         Ask a model once, through the shim.
  add         Add a model to models.json.
  enable      Start the shim and make Codex use it.
  disable     Restore Codex's config.toml and stop the shim.
  codex       Run Codex once through the shim: `codex -- exec "hi"`.
  app         Run Codex Desktop through the shim (macOS).

Models:
  list        List the models and their upstreams.
  test        Ask each model once, and say what is wrong.
  model       List models or select one.
  remove      Remove a model from models.json.
  picker      Select the model that Codex uses, in the browser.
  generate    Write a model catalog and a sample config.toml.

The shim:
  start       Run the shim in the background.
  stop        Stop the shim.
  restart     Stop the shim and start it in the background.
  status      Show whether the shim is running.
  serve       Run the shim in the foreground.
  service     Start the shim automatically at login.

Turns:
  dashboard   Show turns and their usage, in the browser.
  usage       Show token usage, cache hits, cost and quota.
  budget      Show what is spent of your budgets, or lift one.
  statusline  Print model, upstream, quota and cost of a thread on one line.
  web         Run the shim in mitmweb and show turns in the browser.
  mitmdump    Run the shim in mitmdump and show turns in the terminal.
  addon-path  Print the addon's path, for `mitmdump -s` or `mitmweb -s`.
  threads     List Codex's threads by provider, or move them to another one.

Workbench:
  record      Run the shim and record its turns, with their text, for...
  replay      Answer the turns of Codex from a recording, without a network.
  what-if     Ask other models the same as one turn, and show the answers...
  har         Write the turns of a thread as a HAR file, for browsers.
  radar       Show what a version of Codex sends and reads that the...
  drill       Show what Codex does when a model's upstream fails, in your...
  privacy     Print a text as the privacy gate would send it.

Help:
  doctor      Diagnose your setup and suggest fixes.
  report      Write a zip for a bug report, without text or secrets.
  completion  Print a shell completion script.

Examples:
  codex-shim try "Say hello"      one turn, without Codex
  codex-shim codex                run Codex once through the shim
  codex-shim enable               make Codex use the shim from now on
  codex-shim help enable          what a command does, and its options
"""


def test_help_lists_every_command(tmp_path: Path) -> None:
    ran = shim(tmp_path, "--help", env={"COLUMNS": "80"})

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, HELP, "")


def test_version_option(tmp_path: Path) -> None:
    ran = shim(tmp_path, "--version")

    assert (ran.returncode, ran.stdout) == (0, f"codex-shim {version('codex-shim')}\n")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["status", "--bogus"], "No such option '--bogus'"),
        (["bogus"], "No such command 'bogus'"),
        (["status", "--port", "0"], "0 is not between 1 and 65535"),
        (["status", "--port", "many"], "'many' is not a number."),
        (["mitmdump", "--set", "x=y"], "No such option '--set'"),
    ],
)
def test_invalid_arguments_are_a_usage_error(
    tmp_path: Path, args: list[str], expected: str
) -> None:
    ran = shim(tmp_path, *args)

    assert ran.returncode == 2
    assert expected in ran.stderr
    assert "Usage: codex-shim" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("args", "reasons"), [(["--help"], 0), (["list"], 1), (["list", "--all", "--json"], 0)]
)
def test_quick_command_imports_no_heavy_library(
    tmp_path: Path, args: list[str], reasons: int
) -> None:
    """`list` says on stderr why the models of ChatGPT are hidden."""
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

    *lines, imported = ran.stderr.splitlines()
    assert (ran.returncode, imported) == (0, "[]")
    assert len([line for line in lines if "hidden" in line]) == len(lines) == reasons
