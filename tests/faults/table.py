"""Writes docs/faults.md out of the rows that the suite tests: `uv run python -m tests.faults.table`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from addons.core.providers.tries import FAULT_PAUSES, PAUSES
from tests.faults.acts import ACTS
from tests.faults.fault import OWN_TRIES, Fault
from tests.faults.oracle import Seen, codex_requests, codex_waits
from tests.faults.outcomes import Pair, Told
from tests.faults.reaching import REACHING
from tests.faults.refusals import REFUSALS
from tests.faults.routes import ROUTES, Family
from tests.faults.streams import INSIDE, ON_THE_WAY
from tests.proxy.test_cursor_turns import ENDS

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "faults.md"
COMMAND = "uv run python -m tests.faults.table"
FAMILIES = (Family.ACCOUNT, Family.NATIVE, Family.TRANSLATED)
AROUND = ("test_upkeep.py", "test_processes.py")

INTRODUCTION = f"""# Faults

What a client is told when something goes wrong, for every kind of route. This file is written by `{COMMAND}` from the
rows that `tests/faults` brings about over real sockets; a test holds it to them.

Routes: {{routes}}. Codex is known by its `originator` or `x-codex-…` header. A Codex client
takes an HTTP error for a reason to try again up to thirty times, so it mostly gets a 200 stream that ends in
`response.failed` with a code on which it does what is meant; SDKs get the status that their typed exceptions need.
The account's own route passes what ChatGPT says.

*Codex asks*: how many requests Codex 0.169 makes in all with its default settings when it is answered so each time.
*Upstream is asked*: how often, for one request of the client's. *own tries*: after {{pauses}} s between the tries.
After every fault of these tables the suite checks that there was exactly one terminal event or one HTTP error, that no
short answer was told as `completed`, that the upstream's work has ended, that no task, file descriptor, temporary file
or child process is left, and that the next turn on a new connection is answered whole.
"""


def told(one: Told) -> str:
    """What a client is given, for a cell."""
    if one.passed:
        return f"{one.status}, as it came"
    if one.terminal == "response.completed":
        return "the whole answer"
    if one.terminal:
        return f"`{one.terminal}` `{one.code}`"
    return f"{one.status} `{one.code}`"


def seen(one: Told) -> Seen:
    """The same, for the rules by which Codex tries again."""
    return Seen(one.status, one.terminal, one.code, one.says, "", one.error_type, one.retry_after)


def asks(one: Told) -> str:
    """How often Codex asks, and how long it waits between."""
    count, wait = codex_requests(seen(one)), codex_waits(seen(one))
    return f"{count}, {wait} s apart" if wait and count > 1 else str(count)


def row(name: str, what: str, routes: str, pair: Pair, *, asked: str, within: str) -> str:
    """One line of a table."""
    says = f"“…{pair.codex.says}…”" if pair.codex.says else ""
    cells = [
        f"`{name}`",
        what,
        routes,
        told(pair.codex),
        asks(pair.codex),
        told(pair.sdk),
        says,
        asked,
        within,
    ]
    return "| " + " | ".join(cells) + " |"


HEADINGS = (
    "fault",
    "the upstream",
    "route",
    "Codex is given",
    "Codex asks",
    "others are given",
    "message",
    "upstream is asked",
    "known",
)


def table(headings: Iterable[str], rows: Iterable[str]) -> Iterator[str]:
    """A table of Markdown."""
    names = list(headings)
    yield "| " + " | ".join(names) + " |"
    yield "|" + " --- |" * len(names)
    yield from rows
    yield ""


def of_fault(fault: Fault) -> Iterator[str]:
    """The lines of one fault: families that answer alike share one."""
    done: list[Family] = []
    for family in FAMILIES:
        if family in done:
            continue
        alike = [
            other
            for other in FAMILIES
            if fault.pair(other) == fault.pair(family) and fault.asked(other) == fault.asked(family)
        ]
        done += alike
        routes = "all" if len(alike) == len(FAMILIES) else ", ".join(alike)
        count = fault.asked(family)
        within = "at once" if fault.within == OWN_TRIES and count == 1 else fault.within
        yield row(
            fault.name, fault.what, routes, fault.pair(family), asked=str(count), within=within
        )


def sentences(file: str) -> Iterator[str]:
    """What the tests of a file say, in their own names."""
    tree = ast.parse((Path(__file__).parent / file).read_text())
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"- {node.name.removeprefix('test_').replace('_', ' ')}"


def lines() -> Iterator[str]:
    """The whole file."""
    pauses = sorted({one for row in (*PAUSES.values(), *FAULT_PAUSES.values()) for one in row})
    routes = ", ".join(f"{route.name} ({route.family})" for route in ROUTES)
    yield INTRODUCTION.format(routes=routes, pauses=" and ".join(f"{one:g}" for one in pauses))
    yield "## The upstream refuses"
    yield from table(HEADINGS, (line for fault in REFUSALS for line in of_fault(fault)))
    yield "## The upstream cannot be reached, or nobody vouches for it"
    yield from table(
        HEADINGS,
        (
            row(one.name, one.what, "all", one.told, asked="0", within=one.within)
            for one in REACHING
        ),
    )
    yield "## The upstream does not answer"
    yield from table(HEADINGS, (line for fault in ON_THE_WAY for line in of_fault(fault)))
    yield "## The upstream's answer is broken"
    yield from table(HEADINGS, (line for fault in INSIDE for line in of_fault(fault)))
    yield "## The client"
    yield from table(
        ("fault", "the client", "what becomes of it", "routes"),
        (
            f"| `{act}` | {act.what} | {act.outcome} | {'all' if act.local else 'with an upstream'} |"
            for act in ACTS
        ),
    )
    yield "## cursor-agent"
    yield from table(
        ("the child", "what becomes of it", "message"),
        (
            f"| `{name}` | {'`response.failed`' if says else 'the whole answer'} | {f'“…{says}…”' if says else ''} |"
            for name, says in ENDS.items()
        ),
    )
    yield "## Around a turn"
    for file in AROUND:
        yield from sentences(file)
    yield ""


def text() -> str:
    """What docs/faults.md has to hold."""
    return "\n".join(lines()).rstrip("\n") + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
    sys.stdout.write(f"{FILE.relative_to(ROOT)} written\n")
