"""One JSON line for each turn, in `codex-turns.jsonl` of your home folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from addons.hooks import End, Turn

API_VERSION = 1


def on_end(turn: Turn, end: End) -> None:
    """Write what happened, without any text."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "folder": turn.folder,
        "agent": turn.agent,
        "asked": turn.model,
        "model": end.model,
        "outcome": end.outcome,
        "seconds": round(end.seconds, 2),
        "tokens": end.usage and end.usage.total_tokens,
    }
    with (Path.home() / "codex-turns.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
