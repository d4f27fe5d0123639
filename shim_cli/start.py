"""The start of `codex-shim`: a line for a prompt at once, usual arguments directly, any others through the command line.

Never does: import the command line for a prompt, which would take ten times as long as the line itself.
"""
# ruff: noqa: PLC0415 - only what the command needs is imported

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the `codex-shim` console script."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from shim_cli.console.outputs import open_missing_files

        open_missing_files()
    if sys.argv[1:2] == ["statusline"]:
        gc.disable()  # nothing is freed before the end
        from shim_cli.usage.statusline import run_plain

        if run_plain(sys.argv[1:]):
            # the line is written: cleaning up would take a fifth of the time
            os._exit(0)
    from shim_cli.plain import plain_command

    if plain := plain_command(sys.argv[1:], os.environ):
        from shim_cli.console.entry_point import run

        run(lambda: sys.exit(plain()))
    from shim_cli.app import main as run_app

    run_app()
