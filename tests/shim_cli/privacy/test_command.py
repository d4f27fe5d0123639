"""`codex-shim privacy` prints a text as the gate would send it."""

from __future__ import annotations

import io
from pathlib import Path

import orjson
import pytest

from shim_cli.console.errors import CliError
from shim_cli.privacy.command import write_masked
from tests.core.privacy.values import EMAILS, KEYS


def _env(folder: Path) -> dict[str, str]:
    return {"CODEX_SHIM_STATE_DIR": str(folder / "state"), "HOME": str(folder)}


def test_a_file_is_printed_with_placeholders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, text = tmp_path / "models.json", tmp_path / "notes.txt"
    text.write_text(f"ask {EMAILS[0]} about ACME-1234\nand {KEYS[0]}\n")
    settings.write_bytes(
        orjson.dumps({"privacy": {"keys": False, "patterns": {"ticket": "ACME-[0-9]+"}}})
    )
    assert write_masked(_env(tmp_path), str(text), settings) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("ask masked-email-")
    assert "masked-ticket-" in shown.out
    assert KEYS[0] in shown.out
    assert shown.err == "codex-shim: replaced: email 1, ticket 1\n"
    assert not (tmp_path / "state").exists()


def test_stdin_is_read_and_the_sets_are_on_without_a_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for data, found in ((KEYS[0].encode(), "key 1"), (b"hello\xff", "nothing")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert write_masked(_env(tmp_path), "-", None) == 0
        assert capsys.readouterr().err == f"codex-shim: replaced: {found}\n"


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="cannot read"):
        write_masked(_env(tmp_path), str(tmp_path / "none.txt"), None)
    settings = tmp_path / "models.json"
    (tmp_path / "a").write_text("a")
    for written, message in (
        (b'{"privacy": {"emials": true}}', "Did you mean 'emails'"),
        (b'{"privcy": true}', "Did you mean 'privacy'"),
        (b'{"models": [', "not valid JSON"),
    ):
        settings.write_bytes(written)
        with pytest.raises(CliError, match=message) as raised:
            write_masked(_env(tmp_path), str(tmp_path / "a"), settings)
        assert raised.value.advice == "codex-shim doctor"
