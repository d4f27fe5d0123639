"""The key is made once, is the user's alone, and is never replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from addons.adapters.privacy.key import ensure_key
from addons.adapters.system.files import FileAccessError
from addons.adapters.system.paths import privacy_key_file


def _env(folder: Path) -> dict[str, str]:
    return {"CODEX_SHIM_STATE_DIR": str(folder / "state"), "HOME": str(folder)}


def test_it_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    env = _env(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(ensure_key, [env] * 8))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert privacy_key_file(env).stat().st_mode & 0o777 == 0o600


def test_a_file_that_holds_no_key_stays(tmp_path: Path) -> None:
    path = privacy_key_file(_env(tmp_path))
    path.parent.mkdir()
    for data in (b"", b"not a key\n", b"ab\n"):
        path.write_bytes(data)
        with pytest.raises(FileAccessError, match="does not hold a key"):
            ensure_key(_env(tmp_path))
        assert path.read_bytes() == data


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(FileAccessError, match="state"):
        ensure_key(_env(tmp_path))
