"""The trees of agents: a thread of the user, the sub-agents that it started, and theirs, with what each of them used.

Never does: write, ask for a thread that had no sub-agent. Invariant: every turn of a user or a sub-agent in a tree is counted in
one agent; a thread whose parent is not known is a child of the user's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from addons.adapters.ledger.reader import IS_TURN, has_column, open_reader
from addons.adapters.ledger.usage_report import TOKENS, Total, add_price, plain
from addons.core.codex.threads import SUB_AGENT, USER
from addons.core.telemetry.prices import PriceTable

MAX_TREES = 10
MAX_AGENTS = 100
"""Agents that are shown of one tree."""
MAX_DEPTH = 8

_FIGURES = ", ".join(f"ifnull(sum({name}), 0)" for name in TOKENS)


@dataclass(slots=True)
class Agent:
    """One thread of a tree."""

    thread: str
    parent: str
    """The thread that started it; empty for that of the user."""
    total: Total
    slugs: list[str] = field(default_factory=list)
    """The models that it asked for, the last one at the end."""
    last: float = 0.0
    """When its last turn began, in Unix seconds."""
    ok: bool = True
    """Whether its last turn got a whole answer."""

    def add(self, part: Total, slug: str, last: float, *, ok: bool) -> None:
        """Add the turns of one model."""
        self.total.add(part)
        if last >= self.last:
            self.last, self.ok = last, ok
        self.slugs = [*(one for one in self.slugs if one != slug), slug]


def read_agent_trees(path: Path, since: float, prices: PriceTable) -> list[dict[str, object]]:
    """Return the agents of the newest trees for JSON, newest tree first, each agent behind its parent. Raises sqlite3.Error."""
    return [
        each
        for root, agents in _trees(path, since, prices).items()
        for each in _plain_tree(root, list(_in_order(root, agents)))
    ]


def _plain_tree(root: str, agents: list[tuple[Agent, int]]) -> Iterator[dict[str, object]]:
    """Yield the first agents of a tree, and what the others used together, with their number as `more`."""
    for agent, depth in agents[:MAX_AGENTS]:
        yield plain_agent(agent, depth)
    if others := [agent for agent, _ in agents[MAX_AGENTS:]]:
        rest = Agent(root, root, Total(root))
        for agent in others:
            for slug in agent.slugs:
                rest.add(Total(root), slug, agent.last, ok=agent.ok)
            rest.total.add(agent.total)
        yield {**plain_agent(rest, 1), "more": len(others)}


def plain_agent(agent: Agent, depth: int) -> dict[str, object]:
    """Return one agent for JSON. `depth` counts the agents above it."""
    return {
        **plain(agent.total),
        "thread": agent.thread,
        "depth": depth,
        "slugs": agent.slugs,
        "last": agent.last,
        "ok": agent.ok,
    }


def _trees(path: Path, since: float, prices: PriceTable) -> dict[str, dict[str, Agent]]:
    with open_reader(path) as db:
        if not has_column(db, "root"):
            return {}
        parent = "parent" if has_column(db, "parent") else "''"
        newest = (
            f"SELECT root FROM turns WHERE at >= ? AND agent = ? AND root != '' AND {IS_TURN} "  # noqa: S608  constants
            "GROUP BY root ORDER BY max(at) DESC LIMIT ?"
        )
        roots = [root for (root,) in db.execute(newest, (since, SUB_AGENT, MAX_TREES))]
        found: dict[str, dict[str, Agent]] = {root: {} for root in roots}
        marks = ", ".join("?" * len(roots))
        # SQLite takes `ok` from the row that has the maximum
        turns = (
            f"SELECT thread, max(root), max({parent}), slug, route, model, max(at), ok, count(*), sum(NOT ok), {_FIGURES}, "  # noqa: S608  constants
            f"sum(input IS NULL), sum(broke_at != ''), sum(seconds) FROM turns WHERE agent IN (?, ?) AND {IS_TURN} "
            f"AND (thread IN ({marks}) OR root IN ({marks})) GROUP BY thread, slug, route, model ORDER BY max(at)"
        )
        for thread, root, above, slug, route, model, last, ok, *figures in db.execute(
            turns, (USER, SUB_AGENT, *roots, *roots)
        ):
            part = Total(thread, *figures)
            add_price(part, slug, route, model, prices)
            tree = found[thread] if thread in found else found[root]
            agent = tree.setdefault(thread, Agent(thread, above, Total(thread)))
            agent.add(part, slug, last, ok=bool(ok))
    return found


def _in_order(root: str, agents: dict[str, Agent]) -> Iterator[tuple[Agent, int]]:
    """Yield each agent behind its parent, with the number of agents above it."""
    children: dict[str, list[Agent]] = {}
    for agent in agents.values():
        if agent.thread != root:
            is_known = agent.parent not in ("", agent.thread) and agent.parent in agents
            children.setdefault(agent.parent if is_known else root, []).append(agent)
    seen: set[str] = set()
    waiting = [(root, 0)]
    while waiting:
        thread, depth = waiting.pop()
        if thread in seen:
            continue
        seen.add(thread)
        if thread in agents:
            yield agents[thread], depth
        below = min(depth + (thread in agents), MAX_DEPTH)
        waiting += [(child.thread, below) for child in reversed(children.get(thread, []))]
    # what a client says of parents may be a circle
    yield from (
        (agent, int(root in agents)) for agent in agents.values() if agent.thread not in seen
    )
