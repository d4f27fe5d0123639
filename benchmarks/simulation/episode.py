"""One episode: a few clients at once and some of the simulated routes, until no action is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mitmproxy.options import Options

from benchmarks.simulation.clients import WAIT_SECONDS, SimulatedClient
from benchmarks.simulation.clock import Clock, ViolationError
from benchmarks.simulation.host import ClientHost, SimulatedEngine, new_options
from benchmarks.simulation.http2_clients import Http2Client
from benchmarks.simulation.ledger import Ledger
from benchmarks.simulation.rows import FAILOVER_SLUGS, PLAIN_SLUGS, Rows

FAILOVER_SHARE = 0.4
"""Of all episodes: those with fallbacks and budgets. The first draw of an episode."""
BEGINS = (0.0, 0.0, 0.5, 5.0)
FAILOVER_BEGINS = (0.0, 0.0, 0.5, 5.0, 21.0, 40.0, 71.0, 71.0, 130.0, 201.0)
"""Seconds at which clients begin: some at once, some after resets of the plan."""


def run_episode(seed: int) -> tuple[Clock, int]:
    """Run one episode. Return its clock and the number of its turns; raise ViolationError with the trace."""
    clock = Clock(seed)
    ledger = Ledger(clock)
    rows = Rows(clock, ledger.watch)
    engine = SimulatedEngine(clock, rows, rows.ended)
    rows.running = lambda: engine.running
    options = new_options()
    clients: list[SimulatedClient | Http2Client] = []
    turns = 0
    is_failover = clock.chance(FAILOVER_SHARE)
    slugs = FAILOVER_SLUGS if is_failover else PLAIN_SLUGS
    for number in range(clock.random.randrange(1, 12 if is_failover else 8)):
        numbers = list(range(turns + 1, turns + 1 + clock.random.randrange(1, 5)))
        turns += len(numbers)
        kind = Http2Client if clock.chance(0.3) else SimulatedClient
        client = kind(clock, ledger, numbers, slugs)
        clients.append(client)
        begin = clock.random.choice(FAILOVER_BEGINS if is_failover else BEGINS)
        clock.after(begin, "", _begin(client, engine, ledger, options, 40_000 + number))
    try:
        _run(clock, engine, clients)
    except ViolationError as error:
        error.add_note("\n".join(clock.trace))
        raise
    return clock, turns


def _run(
    clock: Clock, engine: SimulatedEngine, clients: Sequence[SimulatedClient | Http2Client]
) -> None:
    clock.run(WAIT_SECONDS)
    for client in clients:
        client.check_end()
    if engine.live_turns:
        message = f"{engine.live_turns} live turns are left"
        raise ViolationError(message)


def _begin(
    client: SimulatedClient | Http2Client,
    engine: SimulatedEngine,
    ledger: Ledger,
    options: Options,
    number: int,
) -> Callable[[], None]:
    def begin() -> None:
        host = ClientHost(
            engine,
            ledger,
            options,
            number,
            receive=client.receive,
            on_end=client.ended,
            alpn=client.alpn,
        )
        client.host = host
        client.start()

    return begin
