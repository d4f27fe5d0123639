from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.shim_cli.run import START, environment, finished


def test_closed_stdout_is_not_an_error(tmp_path: Path) -> None:
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
    ("error", "code", "expected"),
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
                "codex-shim: internal error: KeyError\n"
                "This is a bug. Run it again with CODEX_SHIM_DEBUG=1 and report the output.\n"
            ),
        ),
    ],
)
def test_exceptions_are_reported_without_traceback(
    tmp_path: Path, error: str, code: int, expected: str
) -> None:
    before = (
        "import shim_cli.commands.status as status\n"
        f"def broken(*_, **__): raise {error}\n"
        "status.write_status = broken"
    )
    ran = finished([*START, "status"], environment(tmp_path), tmp_path, before=before)

    assert (ran.returncode, ran.stderr.lstrip("\n") or "\n") == (code, expected)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no passwd entries")
@pytest.mark.parametrize("command", ["status", "doctor", "enable"])
def test_user_without_a_home_folder_is_told(tmp_path: Path, command: str) -> None:
    before = "import pwd\ndef unknown(uid): raise KeyError(uid)\npwd.getpwuid = unknown"
    env = environment(tmp_path)
    for name in ("HOME", "USERPROFILE", "CODEX_SHIM_STATE_DIR"):
        del env[name]
    ran = finished([*START, command], env, tmp_path, before=before)

    assert ran.returncode == 1
    assert ran.stderr == (
        "codex-shim: HOME is not set, and the system names no home folder for this user\n"
        "Set it to a folder of yours, then run the command again.\n"
    )


def test_debug_variable_shows_the_traceback(tmp_path: Path) -> None:
    before = "import shim_cli.commands.status as status\nstatus.write_status = None"
    ran = finished(
        [*START, "status"],
        environment(tmp_path, {"CODEX_SHIM_DEBUG": "1"}),
        tmp_path,
        before=before,
    )

    assert ran.returncode == 1
    assert "Traceback" in ran.stderr
