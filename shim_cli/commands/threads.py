"""`codex-shim threads`: list Codex's threads by model provider, move them to another one, and undo that.

Codex lists and resumes a thread only with the provider that it began with.

Never does: change a thread that Codex has open. Invariant: what `enable --move-threads` moved, `disable` moves back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from addons.adapters.codex.thread_index import Thread
from addons.adapters.codex.thread_moves import (
    COMPRESSED,
    GONE,
    NO_ROOM,
    NO_SESSIONS,
    OPEN,
    READ_ONLY,
    REWRITTEN,
    Outcome,
    ThreadMoveError,
    ThreadMoves,
)
from addons.core.codex.provider_config import PROVIDER_ID
from addons.core.codex.rollout import BUILT_IN, MOVABLE
from shim_cli.console.errors import CliError
from shim_cli.console.format import counted
from shim_cli.console.terminal import is_terminal

if TYPE_CHECKING:
    from rich.console import Console

PROVIDERS: Mapping[str, str] = {"shim": PROVIDER_ID, "openai": BUILT_IN}
"""What `--to` accepts → provider."""
NAMES: Mapping[str, str] = {PROVIDER_ID: "codex-shim", BUILT_IN: "Codex's own provider"}
LISTED, TITLE_LENGTH, MIN_ID_PART = 20, 60, 6
ADVICE: Mapping[str, str] = {
    OPEN: "Close it in Codex, then run the command again.",
    COMPRESSED: "Open and close it, then run the command again: codex-shim codex -- resume {id}",
    GONE: "Codex has deleted it. `codex-shim threads` lists the others.",
    NO_SESSIONS: "Check CODEX_HOME, then run the command again.",
    READ_ONLY: "Make it writable, then run the command again. `codex-shim threads list --json` names its file.",
    NO_ROOM: "Continue it as a new thread, which each provider may do: codex fork {id}",
    REWRITTEN: "Continue it as a new thread, which each provider may do: codex fork {id}",
}
"""Why a thread was not moved → what to do."""
AGAIN = "Correct that, then type: codex-shim disable"


def list_threads(env: Mapping[str, str], *, as_json: bool) -> int:
    """Print the threads of each provider, without those of sub-agents. Raises CliError."""
    moves = ThreadMoves(env)
    try:
        threads, interrupted = moves.threads(), moves.interrupted()
    except ThreadMoveError as error:
        raise CliError(str(error), error.advice) from error
    if as_json:
        rows = [_as_json(thread) for thread in threads]
        typer.echo(json.dumps({"threads": rows, "interrupted": interrupted}, indent=2))
        return 0
    _write_listing(env, [each for each in threads if not each.parent])
    if interrupted:
        typer.echo(
            "A move was interrupted. `codex-shim threads undo` undoes it; a new move finishes it first."
        )
    return 0


def move_threads(env: Mapping[str, str], to: str, parts: Sequence[str]) -> int:
    """Move the named threads and their sub-agents; without names all of the other provider. Raises CliError."""
    moves, target = ThreadMoves(env), PROVIDERS[to]
    try:
        moves.finish()
        threads = moves.threads()
        chosen = _named(threads, parts) if parts else _movable(threads)
        chosen = [thread for thread in chosen if thread.provider != target]
        outcome = moves.move(chosen, target)
    except ThreadMoveError as error:
        raise CliError(str(error), error.advice) from error
    if not outcome.moved and not outcome.skipped:
        (other,) = MOVABLE - {target}
        none = (
            f"they belong to {NAMES[target]} already"
            if parts
            else f"no thread belongs to {NAMES[other]}"
        )
        typer.echo(f"Nothing to move: {none}.")
        return 0
    return _report(outcome, f"to {NAMES[target]}", "moved", undo=True)


def undo_move(env: Mapping[str, str]) -> int:
    """Undo the latest move. Raises CliError."""
    try:
        outcome = ThreadMoves(env).undo()
    except ThreadMoveError as error:
        raise CliError(str(error), error.advice) from error
    if outcome is None:
        msg = "there is no move to undo"
        raise CliError(msg, "`codex-shim threads` lists the threads and their providers.")
    return _report(outcome, "back", "moved back", undo=False)


def move_all_for_enable(env: Mapping[str, str]) -> None:
    """Move all threads of Codex's own provider to the shim; `disable` moves them back. Raises CliError."""
    moves = ThreadMoves(env)
    try:
        moves.finish()
        chosen = [thread for thread in moves.threads() if thread.provider == BUILT_IN]
        outcome = moves.move(chosen, PROVIDER_ID, "enable")
    except ThreadMoveError as error:
        msg = f"the shim is enabled, but threads were not moved: {error}"
        raise CliError(msg, error.advice) from error
    for line in _moved_lines(outcome, f"to {NAMES[PROVIDER_ID]}", "moved"):
        typer.echo(line)


def restored_threads(env: Mapping[str, str]) -> Iterator[str]:
    """Move back what `enable --move-threads` moved, and return the report."""
    try:
        outcome = ThreadMoves(env).undo_enable()
    except ThreadMoveError as error:
        yield f"Threads were not moved back: {error}. {error.advice}"
        return
    yield from _moved_lines(outcome, f"back to {NAMES[BUILT_IN]}", "moved back")
    yield from _advice_for_disable(outcome)


def _advice_for_disable(outcome: Outcome) -> Iterator[str]:
    compressed = [thread_id for thread_id, reason in outcome.skipped if reason == COMPRESSED]
    for thread_id in compressed:
        yield f"Open and close it: codex-shim codex -- resume {thread_id}"
    if any(reason == OPEN for _, reason in outcome.skipped):
        yield "Close them in Codex, then type: codex-shim disable"
    elif any(reason != GONE for _, reason in outcome.skipped):
        yield "Then type: codex-shim disable" if compressed else AGAIN


def other_threads(env: Mapping[str, str], provider: str) -> Iterator[str]:
    """Return what to type for the threads of a provider that is not in use now."""
    try:
        threads = [one for one in ThreadMoves(env).threads() if not one.parent]
    except ThreadMoveError as error:
        yield f"Threads were not counted: {error}. {error.advice}"
        return
    count = sum(thread.provider == provider for thread in threads)
    if count:
        to = "openai" if provider == PROVIDER_ID else "shim"
        belong, them = ("thread belongs", "it") if count == 1 else ("threads belong", "them")
        yield (
            f"{count} {belong} to {NAMES[provider]}, and Codex will not resume {them} now. "
            f"Move {them}: codex-shim threads move --to {to} --all"
        )


def _named(threads: Sequence[Thread], parts: Sequence[str]) -> list[Thread]:
    """Return the threads with these ids, and those of their sub-agents. Raises CliError."""
    chosen = {thread.id: thread for thread in (_one(threads, part) for part in parts)}
    before = 0
    while len(chosen) > before:
        before = len(chosen)
        chosen |= {one.id: one for one in _movable(threads) if one.parent in chosen}
    return list(chosen.values())


def _one(threads: Sequence[Thread], part: str) -> Thread:
    found = [
        thread
        for thread in threads
        if thread.id == part
        or (len(part) >= MIN_ID_PART and (thread.id.startswith(part) or thread.id.endswith(part)))
    ]
    if len(found) != 1:
        count = "no thread has" if not found else f"{len(found)} threads have"
        msg = f"{count} the id {part}"
        raise CliError(msg, "`codex-shim threads` lists the ids.")
    if found[0].provider not in MOVABLE:
        msg = f"the thread {found[0].id} belongs to the provider {found[0].provider!r}"
        raise CliError(msg, f"Only threads of {' and '.join(NAMES.values())} can be moved.")
    return found[0]


def _movable(threads: Iterable[Thread]) -> list[Thread]:
    return [thread for thread in threads if thread.provider in MOVABLE]


def _report(outcome: Outcome, where: str, done: str, *, undo: bool) -> int:
    if not outcome.moved and outcome.skipped:
        thread_id, reason = outcome.skipped[0]
        more = f", and {len(outcome.skipped) - 1} more" if len(outcome.skipped) > 1 else ""
        msg = f"the thread {thread_id} was not {done}: {reason}{more}"
        advice = ADVICE.get(
            reason, "Check the permissions of the file, then run the command again."
        )
        raise CliError(msg, advice.format(id=thread_id))
    for line in _moved_lines(outcome, where, done):
        typer.echo(line)
    if undo:
        typer.echo("Undo: codex-shim threads undo")
    return 1 if outcome.skipped else 0


def _moved_lines(outcome: Outcome, where: str, done: str) -> Iterator[str]:
    agents = sum(bool(thread.parent) for thread in outcome.moved)
    counts = [
        f"{count} {'thread' if count == 1 else 'threads'}{of_whom}"
        for count, of_whom in ((len(outcome.moved) - agents, ""), (agents, " of sub-agents"))
        if count
    ]
    if counts:
        yield f"Moved {' and '.join(counts)} {where}."
    for thread_id, reason in outcome.skipped:
        yield f"  {thread_id} was not {done}: {reason}"


def _write_listing(env: Mapping[str, str], threads: Sequence[Thread]) -> None:
    if threads and is_terminal():
        from shim_cli.console.tables import terminal_console  # noqa: PLC0415

        write_thread_tables(terminal_console(env), threads)
    else:
        typer.echo("\n".join(_listing(threads)))


def write_thread_tables(console: Console, threads: Sequence[Thread]) -> None:
    """Write a table per provider."""
    from shim_cli.console.tables import Column, Row, write_table  # noqa: PLC0415

    columns = [Column("thread", is_key=True, style="cyan"), Column("updated", is_key=True), Column("title")]  # fmt: skip
    for heading, listed, rest in _by_provider(threads):
        console.print(heading, style="bold", markup=False, soft_wrap=True)
        rows = [Row((one.id, _date(one.updated), _first_line(one.title))) for one in listed]
        write_table(console, columns, rows)
        for line in rest:
            console.print(line, markup=False, soft_wrap=True)


def _listing(threads: Sequence[Thread]) -> Iterator[str]:
    if not threads:
        yield "Codex has no threads."
    for heading, listed, rest in _by_provider(threads):
        yield heading
        for thread in listed:
            yield f"  {thread.id}  {_date(thread.updated)}  {_title(thread.title)}".rstrip()
        yield from (f"  {line}" for line in rest)


def _by_provider(
    threads: Sequence[Thread],
) -> Iterator[tuple[str, Sequence[Thread], Sequence[str]]]:
    """Yield for each provider a heading, the threads to list, and what to type for the others."""
    for provider in sorted({thread.provider for thread in threads}):
        of_it = [thread for thread in threads if thread.provider == provider]
        name = f" ({NAMES[provider]})" if provider in NAMES else ""
        heading = f"{provider or 'unknown provider'}{name}: {counted(len(of_it), 'thread')}"
        more = len(of_it) - LISTED
        rest = [f"and {more:,} more: codex-shim threads list --json"] if more > 0 else []
        yield heading, of_it[:LISTED], rest


def _as_json(thread: Thread) -> dict[str, object]:
    return {
        "id": thread.id,
        "provider": thread.provider,
        "title": thread.title,
        "updated": thread.updated,
        "sub_agent": bool(thread.parent),
        "rollout": str(thread.path),
    }


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _first_line(title: str) -> str:
    """Return the first line of a title without control characters."""
    return "".join(each for each in title.strip().split("\n")[0] if each.isprintable())


def _title(title: str) -> str:
    line = _first_line(title)
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1]}…"
