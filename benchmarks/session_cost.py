"""Prints what a 30-request session of the real Codex costs through the shim, and whether cut answers are told as cut.

Run it as `uv run python -m benchmarks.session_cost`. Everything stays on 127.0.0.1: the upstreams are the tests' strict
fakes. The figures are those that `tests/e2e/byok/test_byok_money.py` holds; 1.00 is perfect prompt caching.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cost import chat_ratio, messages_ratio, session_ratio
from tests.e2e.byok import session, truth
from tests.e2e.byok.stage import Byok, Stage, stage
from tests.e2e.codex_cli import VERSION, CodexHome, installed_codex

PEERS = {"chat": "1.03 to 1.04", "messages": "1.00 to 6.26"}
"""Six other proxies, measured in the same way in November 2026."""


def main() -> None:
    """Print both tables."""
    with _running() as (running, root):
        print(
            f"A session of {session.REQUESTS} requests of Codex {VERSION} (1.00 = perfect caching)\n"
        )
        for dialect in running.upstreams:
            print(cost_line(running, root, dialect))
        print("\nWhat a client is told of an answer that is not whole\n")
        for dialect, upstream in running.upstreams.items():
            for client in truth.CLIENTS:
                slug = running.slugs[dialect]
                row = truth.truth_row(running.shim.port, slug, upstream, client)
                print(f"{dialect}, {client}")
                for name, verdict in row.items():
                    print(f"    {name:<34} {verdict}")


def cost_line(running: Stage, root: Path, dialect: str) -> str:
    """One dialect's figure, with what it would be without the marks of the cache."""
    upstream = running.upstreams[dialect]
    upstream.reset()
    byok = Byok(
        user=CodexHome(root / f"user-{dialect}", installed_codex()),
        upstream=upstream,
        base_url=f"http://127.0.0.1:{running.shim.port}/v1",
        slug=running.slugs[dialect],
        catalog=running.catalog,
        dialect=dialect,
        version=VERSION,
    )
    bodies = session.run_session(byok)
    assert upstream.objections == []
    again = len(session.unstable(bodies))
    bare = [session.without_marks(body) for body in bodies]
    unmarked = {"chat": chat_ratio, "messages": messages_ratio}[dialect](bare)
    return (
        f"  {dialect:<9} {session_ratio(bodies):.3f}   without cache marks {unmarked:.2f}, "
        f"others {PEERS[dialect]}, beginnings that changed: {again} of {len(bodies) - 1}"
    )


@contextmanager
def _running() -> Iterator[tuple[Stage, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with stage(root / "stage", installed_codex()) as running:
            yield running, root


if __name__ == "__main__":
    main()
