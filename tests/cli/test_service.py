from __future__ import annotations

import plistlib
import shlex
import sys
from pathlib import Path

import pytest

from shim_cli.errors import CliError
from shim_cli.service import install, remove, service_of, systemd_word


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
def test_the_file_is_written_and_removed_and_the_commands_are_told(
    tmp_path: Path, platform: str, path: str, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    env = env_of(tmp_path)
    assert install(env, 8765, platform) == 0
    file = tmp_path / path
    assert b"s3cret" not in file.read_bytes()
    told = capsys.readouterr().out
    assert told.startswith(f"Wrote {file}. ")
    assert start in told
    assert (tmp_path / "st ate" / "run").is_dir()
    assert remove(env, 8765, platform) == 0
    assert not file.exists()
    assert "If it still runs" in capsys.readouterr().out
    assert remove(env, 8765, platform) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_systemd_starts_this_installation_with_its_paths(tmp_path: Path) -> None:
    text = service_of(env_of(tmp_path), 9000, "linux").content.decode()
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    words = shlex.split(lines["ExecStart"])
    assert words[:7] == [sys.executable, "-P", "-m", "shim_cli", "serve", "--port", "9000"]
    assert lines["Environment"] == f'"CODEX_SHIM_STATE_DIR={tmp_path}/st ate"'
    assert service_of({**env_of(tmp_path), "XDG_CONFIG_HOME": "/x"}, 1, "linux").path == (
        Path("/x/systemd/user/codex-shim.service")
    )


@pytest.mark.parametrize(
    ("text", "word"), [("a b", '"a b"'), ('q"\\', '"q\\"\\\\"'), ("50%$x", '"50%%$x"')]
)
def test_a_word_of_a_unit(text: str, word: str) -> None:
    assert systemd_word(text) == word


def test_launchd_gets_words_not_a_line(tmp_path: Path) -> None:
    plist = plistlib.loads(service_of(env_of(tmp_path), 9000, "darwin").content)
    assert plist["ProgramArguments"][0] == sys.executable
    assert plist["EnvironmentVariables"] == {"CODEX_SHIM_STATE_DIR": f"{tmp_path}/st ate"}


def test_elsewhere_there_is_a_word_about_it(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="no user service"):
        install(env_of(tmp_path), 1, "win32")


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("")
    with pytest.raises(CliError, match=r"\.config"):
        install(env_of(tmp_path), 1, "linux")
