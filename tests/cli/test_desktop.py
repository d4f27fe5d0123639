"""`codex-shim app` on a Mac that is not there: its programs are fakes, Codex's config is real."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from addons.origins.codex_config import CodexConfig
from shim_cli import desktop
from shim_cli.daemon import Started
from shim_cli.desktop import installed_app, open_app
from shim_cli.errors import CliError
from shim_cli.model import use

OWN = 'model = "o3"\n'


class Mac:
    """A Mac with Desktop. Keeps what was run, and which model Codex's config named meanwhile."""

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

    def run(self, words: Sequence[str]) -> int:
        name = Path(words[0]).name
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


def test_the_config_is_wired_while_it_is_open_and_put_back(mac: Mac) -> None:
    assert mac.open() == 0
    assert mac.ran == [("pgrep", None), ("codex", "shim-demo"), ("open", "shim-demo")]
    assert mac.config.path.read_text() == OWN


@pytest.mark.parametrize("breaks", [KeyboardInterrupt(), SystemExit(143)])
def test_the_config_is_put_back_however_the_wait_ends(mac: Mac, breaks: BaseException) -> None:
    mac.breaks = breaks
    with pytest.raises(type(breaks)):
        mac.open()
    assert mac.config.path.read_text() == OWN


def test_a_codex_that_fails_to_open_it_is_told_of(mac: Mac) -> None:
    mac.codes["codex"] = 3
    with pytest.raises(CliError, match="ended with 3"):
        mac.open()
    assert mac.config.path.read_text() == OWN


def test_what_was_wired_before_stays_wired(mac: Mac) -> None:
    use(mac.env, None, 8765, None)
    mac.open()
    assert mac.config.active_model() == "shim-demo"


def test_an_app_that_is_open_has_read_its_config(mac: Mac) -> None:
    mac.codes["pgrep"] = 0
    with pytest.raises(CliError, match="is open"):
        mac.open()
    assert mac.config.path.read_text() == OWN


def test_a_signal_to_end_becomes_an_end() -> None:
    with pytest.raises(SystemExit) as caught:
        desktop._end(15, None)
    assert caught.value.code == 143


@pytest.mark.parametrize(("platform", "words"), [("linux", "macOS"), ("darwin", "neither in")])
def test_where_there_is_none_it_is_said(tmp_path: Path, platform: str, words: str) -> None:
    with pytest.raises(CliError, match=words):
        installed_app({"HOME": str(tmp_path)}, platform)


def test_a_command_is_run_to_its_end() -> None:
    assert desktop.run(["true"]) == 0
    assert desktop.run(["false"]) == 1
