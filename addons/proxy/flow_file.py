"""Reads turns from a file of flows that mitmproxy wrote (`-w`, or *Save* in mitmweb).

Never does: start a proxy. Invariant: any other file raises a `FlowFileError` with a text for the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mitmproxy import exceptions, http, io

from addons.core.what_if.original import Original
from addons.proxy.recent_turns import (
    FinishedTurn,
    is_of_user,
    is_turn,
    text_headers,
    valid_text,
)
from addons.proxy.what_if import original_turn
from addons.views.har.exchanges import FlowTurn
from addons.views.turn import Turn


class FlowFileError(Exception):
    """The file cannot be read, or holds no such turn. The text is for the user."""


def turn_in(path: Path, flow_id: str = "") -> tuple[str, Turn]:
    """Return the id and the turn of the last turn in the file, or of the last whose id begins with `flow_id`."""
    turns = [turn for turn in turns_in(path) if turn.id.startswith(flow_id)]
    if not turns:
        raise no_such_turn(path, flow_id)
    return turns[-1].id, turns[-1].turn()


def original_in(path: Path, selector: str = "") -> Original:
    """Return a turn of the file to compare: by its number, by the start of its id, or the user's last one.

    Raises FlowFileError, and NotComparableError for a turn that cannot be compared.
    """
    turns = turns_in(path)
    if not selector:
        found = [turn for turn in turns if is_of_user(turn)] or turns
    elif selector.isdecimal() and 0 < int(selector) <= len(turns):
        found = [turns[int(selector) - 1]]
    else:
        found = [turn for turn in turns if turn.id.startswith(selector)]
    if not found:
        raise no_such_turn(path, selector)
    return original_turn(found[-1])


def turns_in(path: Path) -> list[FinishedTurn]:
    """Return the turns of the file. Raises FlowFileError."""
    try:
        return list(_turns(path))
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise FlowFileError(msg) from None
    except (exceptions.FlowReadException, ValueError, TypeError, KeyError):
        msg = f"{path} is not a file of flows"
        raise FlowFileError(msg) from None


def flow_turns(path: Path) -> list[FlowTurn]:
    """Return all turns in the file, with the times of their requests and answers."""
    return [_with_times(turn) for turn in turns_in(path)]


def no_such_turn(path: Path, selector: str) -> FlowFileError:
    """Return the error for a turn that the file does not hold."""
    what = f"no turn whose id begins with {selector!r}" if selector else "no turn"
    return FlowFileError(f"{path} holds {what}")


def _with_times(finished: FinishedTurn) -> FlowTurn:
    request, response, turn = finished.request, finished.response, finished.turn()
    begun = request.timestamp_end or request.timestamp_start
    data = turn.data
    ended = response.timestamp_end if response else None
    return FlowTurn(
        finished.id,
        data.thread if data else "",
        request.method,
        valid_text(request.pretty_url),
        text_headers(request),
        turn,
        begun,
        response.timestamp_start - begun if response else None,
        (data.seconds if data else None) or max(0.0, (ended or begun) - begun),
    )


def _turns(path: Path) -> Iterator[FinishedTurn]:
    with path.open("rb") as file:
        for flow in io.FlowReader(file).stream():
            if isinstance(flow, http.HTTPFlow) and is_turn(flow):
                yield FinishedTurn.of(flow)
