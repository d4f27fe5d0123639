"""Measure what the privacy gate costs a turn: its search, the same history again, and the events of an answer.

    python -m benchmarks.privacy

CPU time of this thread, the least of several runs. The texts are the sources of this project, with a private value in every
4 KB. Exits with 1 above the bounds, which are several times what an idle machine needs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from addons.core.privacy.gate import Gate
from addons.core.privacy.memory import GateMemory
from addons.core.privacy.placeholders import PLACEHOLDER
from addons.core.privacy.stream import EventRestorer
from addons.core.settings.privacy import ON
from addons.core.turn import ClientRequest

ROOT = Path(__file__).parent.parent
KIB = 1024
ITEM_BYTES, ITEMS, NEW_ITEMS = 4 * KIB, 128, 4
RUNS = 5
LIMIT = 64 * KIB * KIB
EVENTS = 2_000
BOUNDS = {"search": 600.0, "again": 60.0, "delta": 15.0, "split": 80.0}
"""Microseconds: for each KB of text that is new, for each KB that was there before, for each event without a placeholder, and
for each event of a placeholder that arrives in single characters."""


def items() -> list[dict[str, object]]:
    """Return the history of a session: outputs of tools, each with one private value."""
    text = "".join(path.read_text() for path in sorted((ROOT / "addons").rglob("*.py")))
    return [
        {
            "type": "function_call_output",
            "call_id": f"c{at}",
            "output": f"{text[at * ITEM_BYTES : (at + 1) * ITEM_BYTES]}\nperson{at}@example.com\n",
        }
        for at in range(ITEMS)
    ]


def request(history: list[dict[str, object]]) -> ClientRequest:
    """Return the request of a turn with this history."""
    body = orjson.dumps({"model": "m", "instructions": "Help.", "input": history})
    return ClientRequest("POST", "/v1/responses", ((b"session-id", b"s"),), body)


def least(prepare: Callable[[], Callable[[], object]]) -> float:
    """Return the microseconds of a call, the least of several."""
    taken = []
    for _ in range(RUNS):
        call = prepare()
        started = time.thread_time()
        call()
        taken.append(time.thread_time() - started)
    return min(taken) * 1e6


def requests() -> dict[str, float]:
    """Return microseconds for each KB of a whole request, and of one whose history was searched before."""
    history = items()
    first, second = request(history), request([*history, *history[:NEW_ITEMS]])
    size = len(first.body) / KIB

    def gate() -> Gate:
        return Gate(b"k" * 32, ON, GateMemory())

    def fresh() -> Callable[[], object]:
        made = gate()
        return lambda: made.mask(first, LIMIT)

    def again() -> Callable[[], object]:
        made = gate()
        made.mask(first, LIMIT)
        return lambda: made.mask(second, LIMIT)

    search = least(fresh) / size
    return {"search": search, "again": least(again) / size}


def answers() -> dict[str, float]:
    """Return microseconds for each event of an answer."""
    turn = Gate(b"k" * 32, ON, GateMemory()).mask(request(items()[:2]), LIMIT)
    found = PLACEHOLDER.search(turn.request.body.decode())
    assert found
    letters = (found[0] + " ") * (EVENTS // len(found[0]))
    streams = {"delta": ["word "] * EVENTS, "split": list(letters)}

    def reading(parts: list[str]) -> Callable[[], Callable[[], object]]:
        events = [_delta(part) for part in parts]

        def prepare() -> Callable[[], object]:
            restorer = EventRestorer(turn.restorer, LIMIT)
            return lambda: [restorer.feed(event) for event in events]

        return prepare

    return {name: least(reading(parts)) / len(parts) for name, parts in streams.items()}


def _delta(text: str) -> bytes:
    kind = "response.output_text.delta"
    event = {"type": kind, "item_id": "m", "output_index": 0, "content_index": 0, "delta": text}
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(event))


def main() -> int:
    """Print what each part costs. Return 1 if one is above its bound."""
    argparse.ArgumentParser("python -m benchmarks.privacy", description=__doc__).parse_args()
    found = {**requests(), **answers()}
    for name, unit in (("search", "KB"), ("again", "KB"), ("delta", "event"), ("split", "event")):
        print(f"{name:<8} {found[name]:8.1f} µs/{unit}  (at most {BOUNDS[name]:g})")
    return int(any(found[name] > BOUNDS[name] for name in BOUNDS))


if __name__ == "__main__":
    sys.exit(main())
