from __future__ import annotations

import plistlib
import shlex
import sys
from pathlib import Path

import pytest

from shim_cli.commands.service import install, remove, service_for, systemd_quote
from shim_cli.console.errors import CliError


def env_of(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "CODEX_SHIM_STATE_DIR": str(home / "st ate"),
        "CODEX_SHIM_TOKEN": "s3cret",
        "OPENAI_API_KEY": "s3cret",
    }


@pytest.mark.parametrize(
    ("platform", "path", "start"),
    [
        ("linux", ".config/systemd/user/codex-shim.service", "systemctl --user daemon-reload && "),
        ("darwin", "Library/LaunchAgents/codex-shim.plist", "launchctl bootstrap gui/"),
    ],
)
def test_service_file_is_written_and_removed(
    tmp_path: Path, platform: str, path: str, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    env = env_of(tmp_path)
    assert install(env, 8765, platform) == 0
    file = tmp_path / path
    assert b"s3cret" not in file.read_bytes()
    output = capsys.readouterr().out
    assert output.startswith(f"Wrote {file}. ")
    assert start in output
    assert (tmp_path / "st ate" / "run").is_dir()
    assert remove(env, 8765, platform) == 0
    assert not file.exists()
    assert "If the service is still running" in capsys.readouterr().out
    assert remove(env, 8765, platform) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_systemd_unit_starts_this_installation(tmp_path: Path) -> None:
    text = service_for(env_of(tmp_path), 9000, "linux").content.decode()
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    words = shlex.split(lines["ExecStart"])
    assert words[:7] == [sys.executable, "-P", "-m", "shim_cli", "serve", "--port", "9000"]
    assert lines["Environment"] == f'"CODEX_SHIM_STATE_DIR={tmp_path}/st ate"'
    assert service_for({**env_of(tmp_path), "XDG_CONFIG_HOME": "/x"}, 1, "linux").path == (
        Path("/x/systemd/user/codex-shim.service")
    )


@pytest.mark.parametrize(
    ("text", "word"), [("a b", '"a b"'), ('q"\\', '"q\\"\\\\"'), ("50%$x", '"50%%$x"')]
)
def test_systemd_quoting(text: str, word: str) -> None:
    assert systemd_quote(text) == word


def test_launchd_plist_has_an_argument_list(tmp_path: Path) -> None:
    plist = plistlib.loads(service_for(env_of(tmp_path), 9000, "darwin").content)
    assert plist["ProgramArguments"][0] == sys.executable
    assert plist["EnvironmentVariables"] == {"CODEX_SHIM_STATE_DIR": f"{tmp_path}/st ate"}


def test_unsupported_platform_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="services are not supported"):
        install(env_of(tmp_path), 1, "win32")


def test_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("")
    with pytest.raises(CliError, match=r"\.config"):
        install(env_of(tmp_path), 1, "linux")


def test_service_finds_the_programs_of_the_shell(tmp_path: Path) -> None:
    env = {**env_of(tmp_path), "PATH": "/opt/my tools:/usr/bin"}
    unit = service_for(env, 9000, "linux").content.decode()
    plist = plistlib.loads(service_for(env, 9000, "darwin").content)
    assert 'Environment="PATH=/opt/my tools:/usr/bin"' in unit.splitlines()
    assert plist["EnvironmentVariables"]["PATH"] == "/opt/my tools:/usr/bin"
