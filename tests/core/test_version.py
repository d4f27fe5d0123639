"""The version: one value, for the package and for the program."""

from __future__ import annotations

import re
from importlib.metadata import version

from addons.core.version import VERSION


def test_version_is_that_of_the_installed_package() -> None:
    assert version("codex-shim") == VERSION


def test_version_is_semantic() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
