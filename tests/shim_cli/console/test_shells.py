from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shim_cli.console.shells import Posix, PowerShell, shell_for

ODD = r"C:\Users\Mary Ann\it's.json"


def run(script: str, **env: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("platform", "kind"), [("posix", Posix), ("nt", PowerShell), ("java", Posix)]
)
def test_shell_of_each_platform(platform: str, kind: type) -> None:
    assert isinstance(shell_for(platform), kind)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_posix_quoting_round_trip(word: str) -> None:
    import shlex  # noqa: PLC0415

    assert shlex.split(Posix().quote(word)) == [word]


def test_posix_command_lines_work(tmp_path: Path) -> None:
    shell = Posix()
    file = tmp_path / "with blank's"
    file.touch(mode=0o644)

    run(shell.make_private(str(file)))

    assert file.stat().st_mode & 0o777 == 0o600
    assert run(f"{shell.edit(str(file))}", EDITOR="printf %s") == str(file)
    assert run(shell.show(str(file))).startswith("-rw-------")
    assert run(f"{shell.set_variable('A', 'x')}; echo $A") == "x\n"
    assert run(f"{shell.append_to('A', 'x')}; echo $A") == "x\n"
    assert run(f"{shell.append_to('A', 'x')}; echo $A", A="y") == "y,x\n"
    assert run(f"{shell.unset('A')}; echo ${{A-none}}", A="y") == "none\n"


def test_powershell_quoting() -> None:
    shell = PowerShell()

    assert shell.quote(ODD) == r"'C:\Users\Mary Ann\it''s.json'"
    assert shell.quote(r"C:\plain.json") == r"C:\plain.json"
    assert shell.quote("") == "''"
    assert shell.quote("$env:X") == "'$env:X'"
    assert shell.edit(ODD) == r"notepad 'C:\Users\Mary Ann\it''s.json'"
    assert shell.show("a") == "icacls a"
    assert shell.set_variable("A", "x") == "$env:A = 'x'"
    assert shell.unset("A") == "Remove-Item Env:A"
    assert shell.append_to("A", "x") == "$env:A = (@($env:A, 'x') -ne $null) -join ','"
    assert shell.make_private("a") == 'icacls a /inheritance:r /grant:r "${env:USERNAME}:F"'
