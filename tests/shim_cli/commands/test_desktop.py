"""`codex-shim app` with fake macOS programs and a real Codex config."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from addons.adapters.codex.config_file import CodexConfig
from shim_cli.commands import desktop
from shim_cli.commands.desktop import installed_app, open_app
from shim_cli.commands.model import select_model
from shim_cli.console.errors import CliError
from shim_cli.state.daemon import Started

OWN = 'model = "o3"\n'


class Mac:
    """A fake Mac with Codex Desktop. Records each command and the model in Codex's config at that time."""

    def __init__(self, home: Path) -> None:
        (home / "Applications" / "Codex.app").mkdir(parents=True)
        (home / ".codex").mkdir()
        codex = home / "codex"
        codex.write_text("")
        codex.chmod(0o755)
        self.home = home
        self.env = {
            "HOME": str(home),
            "CODEX_BIN": str(codex),
            "CODEX_SHIM_STATE_DIR": str(home / "state"),
            "CODEX_SHIM_DISABLE_CHATGPT": "1",
        }
        self.config = CodexConfig(self.env)
        self.config.path.write_text(OWN)
        self.ran: list[tuple[str, str | None]] = []
        self.codes = {"pgrep": 1}
        self.breaks: BaseException | None = None

    def run(self, command: Sequence[str]) -> int:
        name = Path(command[0]).name
        self.ran.append((name, self.config.active_model()))
        if name == "open" and self.breaks:
            raise self.breaks
        return self.codes.get(name, 0)

    def open(self) -> int:
        return open_app(self.env, 8765, None, self.home, run=self.run, platform="darwin")


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mac]:
    started = Started("http://127.0.0.1:8765", 1, was_running=True)
    monkeypatch.setattr(desktop, "ensure_started", lambda *_: started)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    yield Mac(tmp_path)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_config_is_enabled_while_the_app_is_open(mac: Mac) -> None:
    assert mac.open() == 0
    assert mac.ran == [("pgrep", None), ("codex", "shim-demo"), ("open", "shim-demo")]
    assert mac.config.path.read_text() == OWN


@pytest.mark.parametrize("breaks", [KeyboardInterrupt(), SystemExit(143)])
def test_config_is_restored_however_the_wait_ends(mac: Mac, breaks: BaseException) -> None:
    mac.breaks = breaks
    with pytest.raises(type(breaks)):
        mac.open()
    assert mac.config.path.read_text() == OWN


def test_failed_codex_app_is_an_error(mac: Mac) -> None:
    mac.codes["codex"] = 3
    with pytest.raises(CliError, match="exited with code 3"):
        mac.open()
    assert mac.config.path.read_text() == OWN


def test_config_that_was_enabled_before_stays_enabled(mac: Mac) -> None:
    select_model(mac.env, None, 8765, None)
    mac.open()
    assert mac.config.active_model() == "shim-demo"


def test_open_app_is_an_error(mac: Mac) -> None:
    mac.codes["pgrep"] = 0
    with pytest.raises(CliError, match="is open"):
        mac.open()
    assert mac.config.path.read_text() == OWN


@pytest.mark.parametrize(("platform", "expected"), [("linux", "macOS"), ("darwin", "neither in")])
def test_missing_app_is_an_error(tmp_path: Path, platform: str, expected: str) -> None:
    with pytest.raises(CliError, match=expected):
        installed_app({"HOME": str(tmp_path)}, platform)


def test_run_returns_the_exit_code() -> None:
    assert desktop.run(["true"]) == 0
    assert desktop.run(["false"]) == 1
