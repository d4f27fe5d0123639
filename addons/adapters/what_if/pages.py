"""The pages of comparisons that mitmweb and the command line write: in the state folder, the newest few.

Never does: write where others can read. Invariant: at most `MAX_PAGES` pages stay.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from addons.adapters.system.files import write_atomic
from addons.adapters.system.paths import state_dir

MAX_PAGES = 20
_SUFFIX = ".html"
_UNSAFE = re.compile(r"[^\w-]")
_ID_CHARACTERS = 8


def page_path(env: Mapping[str, str], turn_id: str) -> Path:
    """Return where a new page is written."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{_UNSAFE.sub('', turn_id)[:_ID_CHARACTERS]}"
    return state_dir(env) / "what-if" / f"{name}{_SUFFIX}"


def write_page(path: Path, page: str) -> None:
    """Write a page of `page_path`, and remove the oldest ones. Raises FileAccessError."""
    write_atomic(path, page.encode())
    pages = sorted(path.parent.glob(f"*{_SUFFIX}"))
    for old in pages[:-MAX_PAGES]:
        with suppress(OSError):
            old.unlink()
