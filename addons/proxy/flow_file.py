"""Reads turns from a file of flows that mitmproxy wrote (`-w`, or *Save* in mitmweb).

Never does: start a proxy. Invariant: any other file raises a `FlowFileError` with a text for the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mitmproxy import exceptions, http, io

from addons.proxy.recent_turns import FinishedTurn, is_turn
from addons.views.turn import Turn


class FlowFileError(Exception):
    """The file cannot be read, or holds no such turn. The text is for the user."""


def turn_in(path: Path, flow_id: str = "") -> tuple[str, Turn]:
    """Return the id and the turn of the last turn in the file, or of the last whose id begins with `flow_id`."""
    try:
        turns = [turn for turn in _turns(path) if turn.id.startswith(flow_id)]
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise FlowFileError(msg) from None
    except (exceptions.FlowReadException, ValueError, TypeError, KeyError):
        msg = f"{path} is not a file of flows"
        raise FlowFileError(msg) from None
    if not turns:
        what = f"no turn whose id begins with {flow_id!r}" if flow_id else "no turn"
        msg = f"{path} holds {what}"
        raise FlowFileError(msg)
    return turns[-1].id, turns[-1].turn()


def _turns(path: Path) -> Iterator[FinishedTurn]:
    with path.open("rb") as file:
        for flow in io.FlowReader(file).stream():
            if isinstance(flow, http.HTTPFlow) and is_turn(flow):
                yield FinishedTurn.of(flow)
