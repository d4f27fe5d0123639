"""A home folder for tests, and the route sources that read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from addons.adapters.route_sources import RouteSources
from tests.fakes.account import Account

CACHE = {"models": [{"slug": "gpt-5.5", "n": 1}, {"slug": "gpt-6-sol", "n": 2}]}


class Home:
    """A home folder whose login and settings can change."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.now = 1_000.0
        self.codex = folder / ".codex"
        self.codex.mkdir()
        self.settings = folder / ".codex-shim" / "models.json"
        self.settings.parent.mkdir()
        self.account = Account()
        self.env: Mapping[str, str] = {
            "HOME": str(folder),
            "CODEX_SHIM_STATE_DIR": str(folder / "state"),
            **env,
        }

    def open(self) -> RouteSources:
        (self.codex / "models_cache.json").write_text(json.dumps(CACHE))
        return RouteSources(self.env, clock=lambda: self.now)

    def log_in(self, account: Account | None = None) -> None:
        (account or self.account).write(self.codex)

    def log_out(self) -> None:
        (self.codex / "auth.json").unlink()


def live(sources: RouteSources) -> list[str]:
    return [route.slug for route in sources.table().live]
