"""The checks of one whole answer to a client."""

from __future__ import annotations

import re

import orjson

from benchmarks.simulation.clock import ViolationError
from benchmarks.simulation.ledger import Ledger

TERMINALS = ("response.completed", "response.failed", "response.incomplete")
FOREIGN = re.compile(r"m(\d+)\.")
FIRST_ERROR = 400


def check_answer(ledger: Ledger, turn: int, status: int, body: bytes, *, streams: bool) -> None:
    """Check one whole answer. Raises ViolationError."""
    if turn in ledger.crossed:
        return
    if not streams:
        if status < FIRST_ERROR:
            message = f"turn {turn}: status {status} without a stream"
            raise ViolationError(message)
        return
    events = [_data_of(block) for block in body.split(b"\n\n") if b"data:" in block]
    kinds = [str(event.get("type")) for event in events]
    terminals = [kind for kind in kinds if kind in TERMINALS]
    if len(terminals) != 1 or kinds[-1] != terminals[0]:
        message = f"turn {turn} has the terminal events {terminals}, the last event is {kinds[-1:]}"
        raise ViolationError(message)
    deltas = [event for event in events if event.get("type") == "response.output_text.delta"]
    text = "".join(str(event.get("delta")) for event in deltas)
    if foreign := {number for number in FOREIGN.findall(text) if int(number) != turn}:
        message = f"turn {turn} has text of the turns {foreign}"
        raise ViolationError(message)
    if "demo" not in text:
        ledger.check_answer(turn, text, completed=terminals[0] == "response.completed")
        if terminals[0] == "response.completed":
            ledger.watch.answered(turn)


def _data_of(block: bytes) -> dict[str, object]:
    for line in block.splitlines():
        if line.startswith(b"data:"):
            try:
                value = orjson.loads(line[5:])
            except orjson.JSONDecodeError:
                return {}
            return value if isinstance(value, dict) else {}
    return {}
