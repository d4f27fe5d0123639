"""The command line that installs a Python package into the environment of this program.

codex-shim is on no package index, so its own name is nothing that a user could install. Never does: install anything.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

PIP, UV = (
    "{python} -m pip install '{requirement}'",
    "uv pip install --python {python} '{requirement}'",
)


def install_command(requirement: str) -> str:
    """Return the command line for a requirement: with pip where this environment has it, else with uv."""
    form = PIP if find_spec("pip") else UV
    python = sys.executable
    return form.format(python=f"'{python}'" if " " in python else python, requirement=requirement)
