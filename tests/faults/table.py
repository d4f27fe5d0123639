"""Write docs/faults.md from the rows of the fault tests: `uv run python -m tests.faults.table`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from addons.core.providers.row_attempts import (
    EARLY_SECONDS,
    FAULT_PAUSES,
    PAUSES,
)
from addons.core.routes import MIN_CONCURRENCY, SHARE
from addons.core.upstream.repairs import MAX_REPAIRS
from addons.proxy.engine.mitmproxy_patches.connections import (
    DEAF_SECONDS,
    LONGEST_ROUND_TRIP,
    PROBE_AFTER_SECONDS,
    PROBE_INTERVAL_SECONDS,
    PROBES,
    SHORTEST_ROUND_TRIP,
)
from tests.boundary.test_cursor_turns import ENDS
from tests.faults import websocket_client_faults  # noqa: F401  adds its rows
from tests.faults.backend_faults import MATRIX, MATRIX_HEADINGS, matrix_rows
from tests.faults.client_faults import CLIENT_FAULTS
from tests.faults.connect_faults import CONNECT_FAULTS
from tests.faults.fallback_faults import FALLBACK_HEADINGS, FALLBACKS, fallback_rows
from tests.faults.fault import IMMEDIATELY, RETRIES, Fault
from tests.faults.oracle import Seen, codex_requests, codex_waits
from tests.faults.outcomes import Expected, Pair
from tests.faults.refusals import REFUSALS
from tests.faults.reuse_faults import REUSE_FAULTS
from tests.faults.routes import ROUTES, Family
from tests.faults.socket_faults import (
    SOCKET_FAULTS,
    SOCKETS,
)
from tests.faults.stream_faults import INSIDE, INSTEAD_OF_ANSWER
from tests.faults.websocket import over_websocket

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "faults.md"
COMMAND = "uv run python -m tests.faults.table"
FAMILIES = (Family.ACCOUNT, Family.NATIVE, Family.TRANSLATED)
LISTED_TESTS = ("test_environment.py", "test_processes.py")

INTRODUCTION = f"""# Faults

What a client receives for every fault, on every kind of route. `{COMMAND}` writes this file from the rows that
`tests/faults` tests over real sockets. A test checks that it is up to date.

Routes: {{routes}}. Codex is recognized by its `originator` or `x-codex-…` header. Codex retries most HTTP errors up to
thirty times, so it mostly receives a 200 stream that ends in `response.failed`, with a code that has the intended
effect. SDKs receive the status that selects the right exception. The account's own route passes ChatGPT's answers
unchanged.

*Codex over WebSocket*: an HTTP status is an error frame with that status, and Codex goes on by HTTP when its retries are used up.
*Codex requests*: how many requests Codex 0.169 makes in total with default settings when every one gets this answer.
*Upstream requests*: how many requests the upstream gets for one request of the client. *retries*: {{pauses}} s apart.

After every fault the tests check that there is exactly one terminal event or HTTP error, that no incomplete answer is
reported as `completed`, that the upstream's work has ended, that no task, file descriptor, temporary file or child
process is left, and that the next turn on a new connection gets a whole answer.
"""
RETRY = f"""## When a request is sent again
Only before the client has received a byte. Connections and statuses together are tried three times at most. ChatGPT's
statuses are passed on.

- After a connection that could not be established, once: the upstream has not received the request.
- After {", ".join(map(str, sorted(PAUSES)))}, if the status came within {EARLY_SECONDS:g} s of sending the request. A refusal before any work takes a
  round trip (at most {LONGEST_ROUND_TRIP:g} s are taken for one) and a check of key, limits and fields. Later the upstream, or the
  server behind a gateway, may have worked on the request, and would be paid twice: the client gets the error. The time of
  a large request to a slow network counts as well, and a `retry-after` changes nothing: gateways send one with any 503.
- After a refusal that says what to change: the changed request, at most {MAX_REPAIRS} times. The upstream did not accept the first.
  A 500 or 501 that says so is one only within {EARLY_SECONDS:g} s.
- If the row has a retry left: of its turns that run, {SHARE:.0%} may retry at the same time, at least {MIN_CONCURRENCY}, as with the retry budget of
  Envoy. So a server in trouble gets few requests more than there are turns.
- A 429 is reported at once. A `fallback` of the row is another upstream, which the user has chosen to pay.
- After an idle connection that had ended: see [a reused connection](#a-reused-connection).
"""
REUSE = f"""## A reused connection
A connection serves another turn for the same origin, credential, outbound proxy and TLS options, up to `pool_idle_seconds`
after the last one. Its upstream may have ended it meanwhile.

- The request is sent again, once and on a new connection, if the old one ended without a byte of an answer within one round
  trip of sending. The round trip is the shorter one of the connection's TCP and TLS handshakes, at least
  {SHORTEST_ROUND_TRIP * 1000:g} ms (scheduling) and at most {LONGEST_ROUND_TRIP * 1000:g} ms. The same applies to a 408 within that time
  whose connection ends: it was sent before the request arrived (RFC 9110, 15.5.9). Such an end drops the other idle connections of its origin as well.
- Later, or after any byte of an answer, an interim response among them, the upstream may have worked on the request, and
  would be paid twice. The client gets the error. The same holds for every connection that was new.
- An idle connection is probed by TCP keepalive after {PROBE_AFTER_SECONDS} s ({PROBES} probes, {PROBE_INTERVAL_SECONDS} s apart): one whose peer is gone ends before it is
  used. A request that finds no acknowledgement for {DEAF_SECONDS:g} s (`TCP_USER_TIMEOUT`, on Linux) fails. It is not sent again: a
  missing acknowledgement does not prove that the request did not arrive. An upstream that does not read a large
  request for as long fails the same way. A new connection has no such limit.
- An origin that sends bytes while no answer is awaited, except a 408 before it closes, is not pooled again in this process.
"""
HEADINGS = (
    "fault",
    "the upstream",
    "route",
    "Codex receives",
    "Codex requests",
    "Codex over WebSocket",
    "others receive",
    "message",
    "upstream requests",
    "reported after",
)


def outcome_cell(expected: Expected) -> str:
    """Return what a client receives."""
    if expected.passed:
        return f"{expected.status}, unchanged"
    if expected.terminal == "response.completed":
        return "the whole answer"
    if expected.terminal:
        return f"`{expected.terminal}` `{expected.code}`"
    return f"{expected.status} `{expected.code}`"


def request_cell(expected: Expected) -> str:
    """Return how many requests Codex makes, and how long it waits between them."""
    seen = Seen(
        expected.status,
        expected.terminal,
        expected.code,
        expected.message,
        "",
        expected.error_type,
        expected.retry_after,
    )
    count, wait = codex_requests(seen), codex_waits(seen)
    return f"{count}, {wait} s apart" if wait and count > 1 else str(count)


def row(
    name: str, what: str, routes: str, pair: Pair, framed: Expected, *, requests: int, within: str
) -> str:
    """Return one line of a table. `framed` is what Codex receives over a WebSocket."""
    cells = [
        f"`{name}`",
        what,
        routes,
        outcome_cell(pair.codex),
        request_cell(pair.codex),
        "the same" if framed == pair.codex else outcome_cell(framed),
        outcome_cell(pair.sdk),
        f"“…{pair.codex.message}…”" if pair.codex.message else "",
        str(requests),
        within,
    ]
    return "| " + " | ".join(cells) + " |"


def table(headings: Iterable[str], rows: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    names = list(headings)
    yield "| " + " | ".join(names) + " |"
    yield "|" + " --- |" * len(names)
    yield from rows
    yield ""


def rows_of(fault: Fault) -> Iterator[str]:
    """Yield the lines of one fault. Families with the same outcome share a line."""
    done: list[Family] = []
    for family in FAMILIES:
        if family in done:
            continue
        pair, count = fault.pair(family), fault.request_count(family)
        alike = [
            other
            for other in FAMILIES
            if fault.pair(other) == pair and fault.request_count(other) == count
        ]
        done += alike
        routes = "all" if len(alike) == len(FAMILIES) else ", ".join(alike)
        within = IMMEDIATELY if fault.within == RETRIES and count == 1 else fault.within
        framed = over_websocket(fault, family)
        yield row(fault.name, fault.what, routes, pair, framed, requests=count, within=within)


def sentences(file: str) -> Iterator[str]:
    """Yield the names of the tests of a file as sentences."""
    tree = ast.parse((Path(__file__).parent / file).read_text())
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"- {node.name.removeprefix('test_').replace('_', ' ')}"


def lines() -> Iterator[str]:
    """Yield the lines of the file."""
    pauses = sorted({p for row in (*PAUSES.values(), *FAULT_PAUSES.values()) for p in row})
    routes = ", ".join(f"{route.name} ({route.family})" for route in ROUTES)
    yield INTRODUCTION.format(routes=routes, pauses=" and ".join(f"{p:g}" for p in pauses))
    yield "## The upstream answers with an error"
    yield from table(HEADINGS, (line for fault in REFUSALS for line in rows_of(fault)))
    yield "## The connection to the upstream fails"
    yield from table(
        HEADINGS,
        (
            row(
                fault.name,
                fault.what,
                "all",
                fault.expected,
                fault.expected.codex,
                requests=0,
                within=fault.within,
            )
            for fault in CONNECT_FAULTS
        ),
    )
    yield "## The upstream does not answer"
    yield from table(HEADINGS, (line for fault in INSTEAD_OF_ANSWER for line in rows_of(fault)))
    yield "## The upstream's answer is broken"
    yield from table(HEADINGS, (line for fault in INSIDE for line in rows_of(fault)))
    yield RETRY
    yield REUSE
    yield from table(
        (
            "fault",
            "the upstream, on a reused connection",
            "outcome on all routes",
            "upstream requests",
        ),
        (
            f"| `{fault}` | {fault.what} | {'the whole answer' if fault.is_repeated else '`upstream_closed`'} | {fault.requests} |"
            for fault in REUSE_FAULTS
        ),
    )
    yield FALLBACKS
    yield from table(FALLBACK_HEADINGS, fallback_rows())
    yield "## The client"
    yield from table(
        ("fault", "the client", "outcome", "routes"),
        (
            f"| `{fault}` | {fault.what} | {fault.outcome} | {'all' if fault.local else 'with an upstream'} |"
            for fault in CLIENT_FAULTS
        ),
    )
    yield "## cursor-agent"
    yield from table(
        ("the child process", "Codex receives", "message"),
        (
            f"| `{name}` | {'`response.failed`' if message else 'the whole answer'} | {f'“…{message}…”' if message else ''} |"
            for name, message in ENDS.items()
        ),
    )
    yield "## Environment"
    for file in LISTED_TESTS:
        yield from sentences(file)
    yield SOCKETS
    yield from table(
        ("the backend", "the client receives", "requests to the backend"),
        (f"| {fault.what} | {fault.outcome} | {fault.requests} |" for fault in SOCKET_FAULTS),
    )
    yield MATRIX
    yield from table(MATRIX_HEADINGS, matrix_rows())
    yield ""


def text() -> str:
    """Return the content of docs/faults.md."""
    return "\n".join(lines()).rstrip("\n") + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
    sys.stdout.write(f"{FILE.relative_to(ROOT)} written\n")
