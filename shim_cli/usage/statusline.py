"""`codex-shim statusline`: model, upstream, quota and cost of a thread on one line, for the prompt of a shell.

`shim_cli.start` runs it without the command line's libraries, because it runs before every prompt.
Never does: fail, wait for the shim, write. Invariant: it prints exactly one line, which is empty if nothing is known.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from addons.adapters.ledger.thread_use import ThreadUse, read_thread_use
from addons.adapters.system.paths import NoHomeError, ledger_file, listing_file, settings_file
from addons.core.settings.slugs import assign_slugs
from addons.core.telemetry.prices import PLAN_ROUTES, Price, parse_price, parse_price_table

STDIN = "-"
"""The thread that stands for the JSON on stdin."""
THREAD_KEYS = ("thread_id", "thread-id", "conversation_id", "session_id")
PRICES = Path(__file__).parents[2] / "addons" / "data" / "prices.json"
MAX_INPUT = 1_000_000
MAX_PART = 60
_UNITS = ((1440, "d"), (60, "h"), (1, "min"))


def run_plain(arguments: list[str]) -> bool:
    """Write the line if these are the usual arguments of the command. Return whether they are."""
    match arguments:
        case ["statusline"]:
            write_statusline(os.environ, "")
        case ["statusline", "--thread", thread] if not thread.startswith("--"):
            write_statusline(os.environ, thread)
        case _:
            return False
    return True


def write_statusline(env: Mapping[str, str], thread: str) -> None:
    """Write the line of this thread, of the one that stdin names if it is `-`, else of the last turn."""
    line = ""
    with suppress(OSError, sqlite3.Error, ValueError, RecursionError, NoHomeError):
        # else nothing is known, or a file is damaged: `codex-shim usage` says which one
        line = status_line(env, named_thread(sys.stdin) if thread == STDIN else thread, time.time())
    encoding = sys.stdout.encoding or "utf-8"
    with suppress(OSError):  # nobody reads it
        sys.stdout.write(f"{line.encode(encoding, 'replace').decode(encoding)}\n")
        sys.stdout.flush()


def named_thread(stdin: IO[str]) -> str:
    """Return the thread that a JSON object names; empty if it names none. Raises OSError and ValueError."""
    found = json.loads(stdin.read(MAX_INPUT))
    if not isinstance(found, dict):
        return ""
    values = (found.get(key) for key in THREAD_KEYS)
    return next((value for value in values if isinstance(value, str) and value), "")


def status_line(env: Mapping[str, str], thread: str, now: float) -> str:
    """Return the line; empty if there is no turn. Raises OSError, sqlite3.Error, ValueError and NoHomeError."""
    path = ledger_file(env)
    use = read_thread_use(path, thread, now) if path.is_file() else None
    if use is None:
        return ""
    parts = [use.slug, _label(env, use), _window(use, now), _cost(env, use)]
    return " · ".join(_one_line(part) for part in parts if part)


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[:MAX_PART]


def _label(env: Mapping[str, str], use: ThreadUse) -> str:
    """Return who answered: the label in the last listing, else the provider."""
    try:
        models = json.loads(listing_file(env).read_bytes())["listing"]["models"]
        labels = [
            one["label"]
            for one in models
            if (one["slug"], one["provider"]) == (use.slug, use.route)
        ]
    except (OSError, ValueError, KeyError, TypeError):
        labels = []
    return str(next(filter(None, labels), use.route))


def _window(use: ThreadUse, now: float) -> str:
    window = use.window
    if window is None or (window.window.resets_at or now) < now:
        return ""
    minutes = window.window.minutes
    size, unit = next(one for one in _UNITS if minutes % one[0] == 0)
    share = ""
    if use.share:
        low, high = (f"{round(bound, 1):g}" for bound in use.share)
        share = f" (thread {low if low == high else f'{low}-{high}'} %)"
    return f"{minutes // size} {unit} {window.used:g} %{share}"


def _cost(env: Mapping[str, str], use: ThreadUse) -> str:
    """Return what the thread cost: `plan`, `$0.12`, or `> $0.12` if a part is unknown."""
    if not use.used:
        return ""
    paid = [one for one in use.used if one.route not in PLAN_ROUTES]
    if not paid:
        return "plan"
    try:
        prices = parse_price_table(json.loads(PRICES.read_bytes()), _row_prices(env))
    except (OSError, ValueError):
        return "cost unknown"
    found = [(one, prices.find(one.slug, one.model)) for one in paid]
    cost = sum(price.cost(one.tokens) for one, price in found if price)
    if not any(price for _, price in found):
        return "cost unknown"
    partly = any(price is None or one.uncounted for one, price in found)
    return f"{'> ' if partly else ''}${cost:.{2 if cost >= 1 else 4}f}"


def _row_prices(env: Mapping[str, str]) -> dict[str, Price]:
    """Return slug → the price in its row of models.json. Raises OSError and ValueError."""
    path = settings_file(env)
    root = json.loads(path.read_bytes()) if path.is_file() else {}
    rows = root.get("models") if isinstance(root, dict) else root
    rows = [one if isinstance(one, dict) else {} for one in rows] if isinstance(rows, list) else []
    prices = zip(assign_slugs(rows), (parse_price(one.get("price")) for one in rows), strict=True)
    return {slug: price for slug, price in prices if price}
