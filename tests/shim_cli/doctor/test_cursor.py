from __future__ import annotations

from addons.core.cursor.status import DISABLED, NOT_FOUND
from tests.shim_cli.doctor.findings import section_messages


def test_missing_cursor_is_info(env: dict[str, str]) -> None:
    assert section_messages(env, "Cursor passthrough") == [("INFO", NOT_FOUND.reason)]
    env |= {"CODEX_SHIM_DISABLE_CURSOR": "1"}
    assert section_messages(env, "Cursor passthrough") == [("INFO", DISABLED.reason)]
