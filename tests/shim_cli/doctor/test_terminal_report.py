"""Snapshots of the doctor's reports that a person sees, at 80 and 200 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from shim_cli.doctor.finding import Finding, count_levels
from shim_cli.doctor.terminal_report import write_names, write_sections
from tests.shim_cli.screen import drawn

SETUP = [
    Finding("Python", "OK", "Python 3.13.0 at /usr/bin/python"),
    Finding("Codex CLI", "WARN", "Codex [v0.169] was not found on PATH, and CODEX_BIN does not name any program", "npm install -g @openai/codex"),
    Finding("Codex CLI", "OK", "one"),
    Finding("Daemon", "FAIL", "two", "codex-shim start"),
    Finding("Environment", "INFO", "no proxy variable is set"),
]  # fmt: skip
MODELS = [
    Finding("gpt-6-sol", "OK", "GPT-6 Sol: gpt-6-sol by chatgpt"),
    Finding("gpt-6-sol", "INFO", "context window 272,000 tokens"),
    Finding("a-slug-that-is-longer-than-a-third", "INFO", 'learnt 2026-11-30: temperature is not sent: "Unsupported parameter: \'temperature\' is not supported"', "codex-shim model forget a-slug-that-is-longer-than-a-third"),
]  # fmt: skip
PICKER = [
    Finding("What Codex reads", "OK", "~/.codex/config.toml names ~/.codex/codex-shim-catalog.json"),
    Finding("Models", "OK", "gpt-6-sol is shown at position 1"),
    Finding("Models", "INFO", "composer-2-5 is hidden: cursor-agent is not installed. Run `curl https://cursor.com/install -fsS | bash`"),
]  # fmt: skip
SETUP_80 = """\
Python ─────────────────────────────────────────────────────────────────────────
  OK   Python 3.13.0 at /usr/bin/python
Codex CLI ──────────────────────────────────────────────────────────────────────
  WARN Codex [v0.169] was not found on PATH, and CODEX_BIN does not name any
       program
       npm install -g @openai/codex
  OK   one
Daemon ─────────────────────────────────────────────────────────────────────────
  FAIL two
       codex-shim start
Environment ────────────────────────────────────────────────────────────────────
  INFO no proxy variable is set
Summary ────────────────────────────────────────────────────────────────────────
  2 OK, 1 WARN, 1 FAIL, 1 INFO
  Not checked: whether the models answer. Ask them: codex-shim test
"""
SETUP_200 = """\
Python ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  OK   Python 3.13.0 at /usr/bin/python
Codex CLI ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  WARN Codex [v0.169] was not found on PATH, and CODEX_BIN does not name any program
       npm install -g @openai/codex
  OK   one
Daemon ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  FAIL two
       codex-shim start
Environment ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  INFO no proxy variable is set
Summary ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  2 OK, 1 WARN, 1 FAIL, 1 INFO
  Not checked: whether the models answer. Ask them: codex-shim test
"""
MODELS_80 = """\
model                             finding
gpt-6-sol                   OK    GPT-6 Sol: gpt-6-sol by chatgpt
                            INFO  context window 272,000 tokens
a-slug-that-is-longer-than  INFO  learnt 2026-11-30: temperature is not sent:
-a-third                          "Unsupported parameter: 'temperature' is not
                                  supported"
                                  codex-shim model forget
                                  a-slug-that-is-longer-than-a-third
Summary ────────────────────────────────────────────────────────────────────────
  1 OK, 0 WARN, 0 FAIL, 2 INFO
  Not checked: whether the models answer. Ask them: codex-shim test
"""
MODELS_200 = """\
model                                     finding
gpt-6-sol                           OK    GPT-6 Sol: gpt-6-sol by chatgpt
                                    INFO  context window 272,000 tokens
a-slug-that-is-longer-than-a-third  INFO  learnt 2026-11-30: temperature is not sent: "Unsupported parameter: 'temperature' is not supported"
                                          codex-shim model forget a-slug-that-is-longer-than-a-third
Summary ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  1 OK, 0 WARN, 0 FAIL, 2 INFO
  Not checked: whether the models answer. Ask them: codex-shim test
"""
PICKER_80 = """\
What Codex reads ───────────────────────────────────────────────────────────────
  OK   ~/.codex/config.toml names ~/.codex/codex-shim-catalog.json
Models ─────────────────────────────────────────────────────────────────────────
  OK   gpt-6-sol is shown at position 1
  INFO composer-2-5 is hidden: cursor-agent is not installed. Run `curl
       https://cursor.com/install -fsS | bash`
Summary ────────────────────────────────────────────────────────────────────────
  2 OK, 0 WARN, 0 FAIL, 1 INFO
  Not checked: whether the models answer. Ask them: codex-shim test
"""
PICKER_200 = """\
What Codex reads ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  OK   ~/.codex/config.toml names ~/.codex/codex-shim-catalog.json
Models ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  OK   gpt-6-sol is shown at position 1
  INFO composer-2-5 is hidden: cursor-agent is not installed. Run `curl https://cursor.com/install -fsS | bash`
Summary ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  2 OK, 0 WARN, 0 FAIL, 1 INFO
  Not checked: whether the models answer. Ask them: codex-shim test
"""


@pytest.mark.parametrize(
    ("findings", "width", "expected"),
    [
        (SETUP, 80, SETUP_80),
        (SETUP, 200, SETUP_200),
        (PICKER, 80, PICKER_80),
        (PICKER, 200, PICKER_200),
    ],
)
def test_sections_fit_the_terminal(findings: list[Finding], width: int, expected: str) -> None:
    counts = count_levels(findings)
    assert drawn(lambda console: write_sections(console, findings, counts), width) == expected


@pytest.mark.parametrize(("width", "expected"), [(80, MODELS_80), (200, MODELS_200)])
def test_models_fit_the_terminal(width: int, expected: str) -> None:
    counts = count_levels(MODELS)
    assert drawn(lambda console: write_names(console, MODELS, counts), width) == expected


def test_levels_have_colours() -> None:
    out = io.StringIO()
    write_sections(Console(file=out, width=60, force_terminal=True), SETUP, count_levels(SETUP))
    assert "\x1b[1;31mFAIL" in out.getvalue()
