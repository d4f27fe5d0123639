"""`codex-shim har`: write the turns of a thread as an HTTP Archive, from a cassette or a file of flows.

Never does: ask a running shim, which keeps no text; overwrite a file. Invariant: no secret of this machine and nothing in
the form of a key is in an archive; the file can be read by its user alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import typer

from addons.adapters.cassette.replay import read_cassette
from addons.adapters.codex.thread_index import ThreadIndex, ThreadIndexError
from addons.core.cassette.format import MARK, Cassette, CassetteError
from addons.core.masking.mask import mask_of
from addons.core.secrets import Secret
from addons.core.settings.near_miss import nearest
from addons.views.har.archive import Exchange, archive
from addons.views.har.exchanges import hidden, of_flow, of_recorded
from shim_cli.console.errors import CliError
from shim_cli.console.format import counted
from shim_cli.console.printable import printable_line
from shim_cli.report.command import write_new
from shim_cli.report.secrets import known_secrets

LAST = "last"
MIN_ID_PART = 6
LISTED = 5
NOTHING_KEPT = "a running shim keeps no text of turns, so an archive is made from a file"
RECORD = "Record turns: codex-shim record turns.jsonl. Use Codex, then type: codex-shim har last --from turns.jsonl"
OTHER = "codex-shim har last --from FILE"
CAPTURE = "Write a new file with them: codex-shim mitmdump -- -w turns.flow"


@dataclass(frozen=True, slots=True)
class FileTurn:
    """One turn of a file: its thread, and its exchanges, that of the client first."""

    thread: str
    exchanges: tuple[Exchange, ...]


def write_har(env: Mapping[str, str], thread: str, source: Path | None, output: Path | None) -> int:
    """Write the archive and say where. Return 0. Raises CliError."""
    if source is None:
        raise CliError(NOTHING_KEPT, RECORD)
    turns = _turns(source)
    if not turns:
        msg = f"{source} holds no turn"
        raise CliError(msg, RECORD)
    titles = _titles(env)
    found = _named(thread, turns, titles, source)
    chosen = [turn for turn in turns if turn.thread == found]
    if not any(turn.exchanges[0].answer for turn in chosen):
        msg = f"{source} has no bodies of the answers of {thread}: codex_shim_capture was 0"
        raise CliError(msg, CAPTURE)
    mask = mask_of(Secret(each) for each in known_secrets(env, None))
    exchanges = [hidden(each, mask.stream) for turn in chosen for each in turn.exchanges]
    title = " ".join(filter(None, (found, titles.get(found, ""))))
    path = output or Path(f"thread-{re.sub(r'[^\w-]', '_', found)[:64] or 'none'}.har")
    made = orjson.dumps(archive(exchanges, title), option=orjson.OPT_INDENT_2)
    write_new(path, mask.data(made))
    shown = printable_line(title) or "(none)"
    typer.echo(f"{path}: {counted(len(chosen), 'turn')} of the thread {shown}")
    typer.echo("It has the text of the conversation. Import it in the Network panel of a browser.")
    return 0


def _turns(path: Path) -> list[FileTurn]:
    try:
        with path.open("rb") as file:
            is_cassette = MARK.encode() in file.read(64)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise CliError(msg, RECORD) from None
    return list(_of_cassette(path) if is_cassette else _of_flows(path))


def _of_cassette(path: Path) -> Iterator[FileTurn]:
    try:
        cassette = read_cassette(path)
    except CassetteError as error:
        raise CliError(str(error), RECORD) from None
    started = _recorded_at(cassette)
    for number, turn in enumerate(cassette.turns, 1):
        made = of_recorded(turn, started, number)
        started += made.seconds
        yield FileTurn(turn.request.thread, (made,))


def _recorded_at(cassette: Cassette) -> float:
    """Return when the recording began: the time of turns in a file that has none of them."""
    try:
        return datetime.fromisoformat(cassette.recorded).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _of_flows(path: Path) -> Iterator[FileTurn]:
    # Importing mitmproxy takes a third of a second, and only flow files need it.
    from addons.proxy.flow_file import FlowFileError, flow_turns  # noqa: PLC0415

    try:
        turns = flow_turns(path)
    except FlowFileError as error:
        raise CliError(str(error), RECORD) from None
    for turn in turns:
        yield FileTurn(turn.thread, tuple(of_flow(turn)))


def _titles(env: Mapping[str, str]) -> Mapping[str, str]:
    """Return thread → its title in Codex, as far as Codex's files say."""
    try:
        threads = ThreadIndex(env).threads()
    except (ThreadIndexError, OSError):
        return {}
    return {each.id: " ".join(each.title.split())[:80] for each in threads if each.title.strip()}


def _named(name: str, turns: Sequence[FileTurn], titles: Mapping[str, str], source: Path) -> str:
    """Return the thread that a name means: an id, a part of one, a title or `last`. Raises CliError."""
    threads = list(dict.fromkeys(turn.thread for turn in turns))
    if name == LAST:
        return turns[-1].thread
    found = [each for each in threads if each and _is_named(name, each, titles.get(each, ""))]
    exact = [each for each in found if name in {each, titles.get(each)}]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        msg = f"{name!r} names {len(found)} threads of {source}: {_listing(found, titles)}"
        raise CliError(msg, f"Name one by its id, or take the last: {OTHER}")
    known = {titles.get(each) or each: each for each in threads if each}
    near = nearest(name, known)
    meant = f". Did you mean {near!r}?" if near else f"; it has {_listing(threads, titles)}"
    msg = f"{source} has no turn of the thread {name!r}{meant}"
    raise CliError(msg, f"Take its last thread: {OTHER}")


def _is_named(name: str, thread: str, title: str) -> bool:
    if name == thread or name.casefold() == title.casefold():
        return True
    is_part = thread.startswith(name) or thread.endswith(name)
    return len(name) >= MIN_ID_PART and (is_part or name.casefold() in title.casefold())


def _listing(threads: Sequence[str], titles: Mapping[str, str]) -> str:
    named = (filter(None, (each or "(none)", titles.get(each, ""))) for each in threads)
    shown = [printable_line(" ".join(each)) for each in named]
    more = f", and {len(shown) - LISTED} more" if len(shown) > LISTED else ""
    return ", ".join(shown[-LISTED:]) + more
