"""Find `.codex-shim` folders that earlier shims left in a checkout.

Never does: change or remove a folder. Invariant: the settings folder in the home is not one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FOLDER = ".codex-shim"
FILES = (
    "custom_model_catalog.json",
    "shim.pid",
    "shim.log",
    "response_store.sqlite",
    "upstream_capture.json",
    "postcompact-captures.jsonl",
    "last_request.json",
)


def legacy_folders(cwd: Path, catalog: Path | None, home: Path) -> list[Path]:
    """Return the folders above the working folder, and the one that Codex's config refers to.

    `catalog` is the model catalog that Codex reads.
    """
    candidates = [parent / FOLDER for parent in (cwd, *cwd.parents)]
    if catalog and catalog.parent.name == FOLDER:
        candidates.append(catalog.parent)
    return [folder for folder in dict.fromkeys(candidates) if _is_legacy(folder, home)]


def _is_legacy(folder: Path, home: Path) -> bool:
    return folder != home / FOLDER and any(_exist(folder / name for name in FILES))


def _exist(paths: Iterable[Path]) -> Iterable[bool]:
    return (path.is_file() for path in paths)
