"""A ledger with turns that use a window of ChatGPT."""

from __future__ import annotations

from pathlib import Path

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.core.telemetry.record import AttemptRecord
from tests.adapters.records import turn


def write_quota_turns(state: Path, now: float, threads: int = 3) -> None:
    """Record a turn of each thread `t1`, `t2`, …; every reading is 8, then 12, then 0.1 points above the last one.

    The first turn began half an hour ago, the next ones ten minutes ago; the window is reset in two hours.
    """
    writer = TurnLogWriter(state / "access.jsonl", state / "usage.sqlite")
    used = 22.5
    for number in range(threads):
        began = now - (1800 if number == 0 else 900 if number == 1 else 600 - number)
        fields = {
            "used-percent": round(used, 1),
            "window-minutes": 300,
            "reset-at": int(now + 7260),
        }
        head = tuple(
            (f"x-codex-primary-{name}".encode(), str(value).encode())
            for name, value in fields.items()
        )
        attempt = AttemptRecord("u", "", "POST", began, answer_headers=head)
        writer.note(
            turn(
                id=f"f{number}", route="chatgpt", slug="gpt-5.5", thread=f"t{number + 1}",
                started=began, seconds=0.5, attempts=[attempt],
            )
        )  # fmt: skip
        used += (8, 12)[number] if number < 2 else 0.1
    writer.close()
