"""The range of versions that were tested, and the sentence about every other one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from mitmproxy import version

from addons.adapters.system.packages import install_command
from addons.proxy.engine.compat.versions import TESTED, incompatible, is_tested
from shim_cli.doctor import packages

ROOT = Path(__file__).parents[4]


def test_range_is_the_one_that_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"mitmproxy{TESTED}" in project["dependencies"]
    assert is_tested(version.VERSION)


@pytest.mark.parametrize("installed", ["11.1.3", "12.1.9", "12.4.0", "13.0.0.dev", "9.0", "", "?"])
def test_version_outside_of_the_range_is_not_tested(installed: str) -> None:
    assert not is_tested(installed)


@pytest.mark.parametrize("installed", ["12.2.0", "12.2.3", "12.3.1", "12.3.9.dev"])
def test_version_inside_of_the_range_is_tested(installed: str) -> None:
    assert is_tested(installed)


@pytest.mark.parametrize("installed", ["12.1.9", "12.2.0", "12.3.1", "12.4.0", "13.0"])
def test_doctor_knows_the_same_range(installed: str) -> None:
    level = packages._mitmproxy(installed)[0]
    assert (level == "OK") == is_tested(installed)


def test_message_names_versions_differences_and_what_to_type() -> None:
    text = str(incompatible(["a (missing)", "b (missing)", "c", "d", "e"], "12.9.0"))
    assert f"needs mitmproxy {TESTED} and found 12.9.0" in text
    assert "a (missing); b (missing); c; and 2 more" in text
    assert f"`{install_command(f'mitmproxy{TESTED}')}`" in text
    assert "\n" not in text


def test_message_without_a_difference_names_the_installed_version() -> None:
    assert f"found {version.VERSION} on Python" in str(incompatible([]))
