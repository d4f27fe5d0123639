"""A user with three budgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

BUDGETS = [
    {"per": "day", "dollars": 5},
    {"per": "thread", "tokens": 2000, "name": "threads"},
    {"per": "day", "tokens": 10_000, "model": "fast"},
]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    settings = tmp_path / "models.json"
    row = {"slug": "row", "model": "m", "provider": "openai", "api_key": "sk-x"}
    price = {"input": 100, "output": 1000}
    aliases = {"fast": "row"}
    text = {"budgets": BUDGETS, "models": [{**row, "price": price}], "aliases": aliases}
    settings.write_text(json.dumps(text))
    return {
        "HOME": str(tmp_path),
        "CODEX_SHIM_SETTINGS": str(settings),
        "CODEX_SHIM_STATE_DIR": str(tmp_path / "state"),
    }
