"""What earlier shims left in a checkout: a `.codex-shim` folder with their catalog, pid, log and captures.

Never does: change or remove it. Invariant: our own settings folder in the home is none of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FOLDER = ".codex-shim"
TRACES = (
    "custom_model_catalog.json",
    "shim.pid",
    "shim.log",
    "response_store.sqlite",
    "upstream_capture.json",
    "postcompact-captures.jsonl",
    "last_request.json",
)


def older_folders(cwd: Path, catalog: Path | None, home: Path) -> list[Path]:
    """The folders that are there: in this checkout, and where Codex's config points at one.

    `catalog` is what Codex reads now.
    """
    candidates = [parent / FOLDER for parent in (cwd, *cwd.parents)]
    if catalog and catalog.parent.name == FOLDER:
        candidates.append(catalog.parent)
    return [folder for folder in dict.fromkeys(candidates) if _is_older(folder, home)]


def _is_older(folder: Path, home: Path) -> bool:
    return folder != home / FOLDER and any(_exist(folder / name for name in TRACES))


def _exist(paths: Iterable[Path]) -> Iterable[bool]:
    return (path.is_file() for path in paths)
