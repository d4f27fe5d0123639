"""`addons.hooks` is what users' files import."""

from __future__ import annotations

import subprocess
import sys

import addons.hooks


def test_every_public_name_is_there() -> None:
    assert addons.hooks.__all__ == sorted(addons.hooks.__all__)
    assert all(hasattr(addons.hooks, name) for name in addons.hooks.__all__)
    assert addons.hooks.API_VERSION == 1


def test_import_needs_no_part_of_the_proxy() -> None:
    code = "import addons.hooks, sys; print([m for m in sys.modules if m.startswith(('mitmproxy', 'addons.proxy', 'addons.adapters'))])"  # fmt: skip
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
