"""The command line that installs a package is one that pip or uv accepts."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest

from addons.adapters.system import packages
from addons.adapters.system.packages import install_command


def test_pip_of_this_environment_is_used_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: ModuleSpec(name, None))
    assert install_command("a>=1,<2") == f"{sys.executable} -m pip install 'a>=1,<2'"


def test_folder_with_a_blank_is_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/a b/python")
    assert "/a b/python" in shlex.split(install_command("a"))


@pytest.mark.skipif(not shutil.which("uv"), reason="runs uv, without its network")
def test_uv_accepts_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda _name: None)
    words = shlex.split(install_command("pytest>=1"))
    done = subprocess.run(
        [*words, "--offline", "--dry-run"], capture_output=True, check=False, text=True
    )
    assert (done.returncode, "no changes" in done.stderr) == (0, True), done.stderr
