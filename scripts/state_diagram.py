"""Draw the states of a turn into docs/architecture.md from the engine's tables.

The diagrams stand between two markers. `--check` changes nothing and fails if they are out of date.
Never does: touch the text around the markers. Invariant: the output depends only on `addons/proxy/engine/states.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path

from addons.proxy.engine.states import (
    CLIENT_TRANSITIONS,
    LEGAL_STEPS,
    UPSTREAM_TRANSITIONS,
    ClientState,
    UpstreamEvent,
    UpstreamState,
)

DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture.md"
BEGIN = "<!-- states -->"
END = "<!-- /states -->"


def diagrams() -> str:
    """Return both diagrams and the table of steps, in Markdown."""
    upstream = {
        (before, event): after
        for (before, event), after in UPSTREAM_TRANSITIONS.items()
        if event is not UpstreamEvent.RELEASE
    }
    return "\n".join(
        [
            "The client's side of a turn:",
            "",
            *_diagram(ClientState.RECEIVING, CLIENT_TRANSITIONS, [ClientState.ENDED]),
            "",
            "The upstream's side. `RELEASE` leads from every state back to `IDLE`:",
            "",
            *_diagram(UpstreamState.IDLE, upstream, []),
            "",
            "The steps that a plan may give. Every other combination is an internal error:",
            "",
            *_steps(),
        ]
    )


def _diagram[State: Enum, Event: Enum](
    first: State, transitions: Mapping[tuple[State, Event], State], last: Iterable[State]
) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {first.name}"
    for (before, event), after in transitions.items():
        yield f"    {before.name} --> {after.name}: {event.name}"
    for state in last:
        yield f"    {state.name} --> [*]"
    yield "```"


def _steps() -> Iterator[str]:
    yield "| client | upstream | event | legal steps |"
    yield "|---|---|---|---|"
    for (client, upstream, event), steps in LEGAL_STEPS.items():
        names = ", ".join(sorted(step.__name__ for step in steps))
        yield f"| {client.name} | {upstream.name} | {event.name} | {names} |"


def updated(text: str) -> str:
    """Return the document with the present diagrams. Raises ValueError if a marker is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        msg = f"{DOCUMENT.name} lacks the marker {BEGIN!r} or {END!r}"
        raise ValueError(msg)
    return f"{before}{BEGIN}\n\n{diagrams()}\n\n{END}{after}"


def main() -> int:
    """Write or check the document. Return 1 if `--check` finds it out of date."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail if the document is out of date")
    check = parser.parse_args().check
    text = DOCUMENT.read_text()
    if updated(text) == text:
        return 0
    if check:
        sys.stderr.write("docs/architecture.md: run `uv run python -m scripts.state_diagram`\n")
        return 1
    DOCUMENT.write_text(updated(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
