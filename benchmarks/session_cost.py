"""Print the cost of a 30-request session of the real Codex, and how incomplete answers are reported.

Run it as `uv run python -m benchmarks.session_cost`. It uses only 127.0.0.1: the upstreams are the tests' strict fakes.
`tests/e2e/byok/test_byok_money.py` asserts the same figures; 1.00 is perfect prompt caching.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from addons.adapters.traits_store import FileTraits
from addons.core.secrets import Origin
from addons.core.upstream.traits import Trait
from tests.cost import chat_ratio, messages_ratio, session_ratio
from tests.e2e.byok import session, truth
from tests.e2e.byok.stage import ROWS, Byok, Stage, stage
from tests.e2e.codex_cli import CodexHome
from tests.e2e.installation import VERSION, installed_codex

PEERS = {"chat": "1.03 to 1.04", "messages": "1.00 to 6.26"}
"""Six other proxies, measured the same way in November 2026."""


LEARNT = (
    Trait("strict_tools", value=False),
    Trait("tool_names", "word"),
    Trait("empty_content", "empty"),
    Trait("call_ids", "verbatim"),
    Trait("omit:parallel_tool_calls", value=True),
    Trait("omit:messages.*.name", value=True),
)
"""Traits that change every message and every tool, for the second run."""


def main() -> None:
    """Print both tables."""
    argparse.ArgumentParser("python -m benchmarks.session_cost", description=__doc__).parse_args()
    with _running() as (running, root):
        print(
            f"A session of {session.REQUESTS} requests of Codex {VERSION} (1.00 = perfect caching)\n"
        )
        for protocol in running.upstreams:
            print(cost_line(running, root, protocol))
        print("\nThe same with learnt traits\n")
        learn_traits(running)
        for protocol in running.upstreams:
            print(cost_line(running, root, protocol, "-learnt"))
        print("\nWhat a client receives for an incomplete answer\n")
        for protocol, upstream in running.upstreams.items():
            for client in truth.CLIENTS:
                slug = running.slugs[protocol]
                row = truth.verdicts(running.shim.port, slug, upstream, client)
                print(f"{protocol}, {client}")
                for name, verdict in row.items():
                    print(f"    {name:<34} {verdict}")


def learn_traits(running: Stage) -> None:
    """Write traits of both models into the state folder, where the running shim finds them at its next turn."""
    store = FileTraits(running.catalog.parent / "traits.json")
    for protocol, upstream in running.upstreams.items():
        scope = f"{protocol}:{Origin.of(upstream.base_url)}:{ROWS[protocol]['model']}"
        store.learn(scope, LEARNT, ["0" * 24])
    store.flush()


def cost_line(running: Stage, root: Path, protocol: str, suffix: str = "") -> str:
    """Return the figure of one protocol, and what it would be without cache marks."""
    upstream = running.upstreams[protocol]
    upstream.reset()
    byok = Byok(
        user=CodexHome(root / f"user-{protocol}{suffix}", installed_codex()),
        upstream=upstream,
        base_url=f"http://127.0.0.1:{running.shim.port}/v1",
        slug=running.slugs[protocol],
        catalog=running.catalog,
        protocol=protocol,
        version=VERSION,
        transport="http",
    )
    bodies = session.run_session(byok)
    assert upstream.objections == []
    again = len(session.unstable(bodies))
    bare = [session.without_marks(body) for body in bodies]
    unmarked = {"chat": chat_ratio, "messages": messages_ratio}[protocol](bare)
    return (
        f"  {protocol:<9} {session_ratio(bodies):.3f}   without cache marks {unmarked:.2f}, "
        f"others {PEERS[protocol]}, changed prefixes: {again} of {len(bodies) - 1}"
    )


@contextmanager
def _running() -> Iterator[tuple[Stage, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with stage(root / "stage", installed_codex()) as running:
            yield running, root


if __name__ == "__main__":
    main()
