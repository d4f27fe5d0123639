"""The folder for mitmproxy's certificate authority."""

from __future__ import annotations

from pathlib import Path

from addons.adapters.system.mitmproxy_confdir import usable_confdir


def test_default_folder_is_used_while_writable(tmp_path: Path) -> None:
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")}
    assert usable_confdir(tmp_path / "usual", env) == tmp_path / "usual"
    assert not (tmp_path / "state").exists()


def test_fallback_to_the_state_folder_then_a_temporary_one(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")}
    assert usable_confdir(blocked / "usual", env) == tmp_path / "state" / "mitmproxy"
    temporary = usable_confdir(blocked / "usual", {"CODEX_SHIM_STATE_DIR": str(blocked / "s")})
    assert temporary.is_dir()
    temporary.rmdir()
