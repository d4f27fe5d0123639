"""Options before the command apply to every command."""

from __future__ import annotations

import json
from pathlib import Path

from tests.shim_cli.run import shim
from tests.support.ports import free_port


def test_global_port_and_state_dir_apply_to_the_command(tmp_path: Path) -> None:
    port = free_port()
    report = json.loads(shim(tmp_path, "--port", str(port), "status", "--json").stdout)
    assert report["url"] == f"http://127.0.0.1:{port}"
    over = json.loads(shim(tmp_path, "--port", "1", "status", "--port", str(port), "--json").stdout)
    assert over["url"] == report["url"]
    shim(tmp_path, "--state-dir", "mine", "generate", env={"CODEX_SHIM_STATE_DIR": ""})
    assert (tmp_path / "mine" / "custom_model_catalog.json").is_file()


def test_global_settings_apply_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{broken")
    listed = shim(tmp_path, "--settings", "mine.json", "list")
    assert str(tmp_path / "mine.json") in listed.stderr
    missing = shim(tmp_path, "--settings", "nowhere.json", "list")
    assert missing.returncode == 1
    assert "nowhere.json does not exist" in missing.stderr
