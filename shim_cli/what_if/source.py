"""Finds the turn that is compared: in a cassette, in a file of flows, or in the running shim.

Never does: connect to another machine, use a proxy of the environment. Invariant: a turn is found, or a CliError says where
it is not and how to record one.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from addons.adapters.cassette.replay import read_cassette
from addons.core.cassette.format import MARK, CassetteError
from addons.core.codex.threads import SUB_AGENT, USER
from addons.core.json_values import as_object, as_str
from addons.core.settings.near_miss import nearest
from addons.core.what_if.original import NotComparableError, Original, of_cassette
from shim_cli.console.errors import CliError
from shim_cli.console.printable import printable_line
from shim_cli.state.shim_api import ShimApiError, get_json

LAST = "LAST"
RECORD_ADVICE = (
    "Record turns: codex-shim record FILE. Then compare one: codex-shim what-if FILE --as MODEL"
)
_HEAD_BYTES = 200


def turn_of(selector: str, url: str, token: str) -> Original:
    """Return the turn that FILE, FILE:TURN, LAST or the start of an id names. `url` is that of the running shim.

    Raises CliError.
    """
    try:
        if selector.upper() == LAST:
            return _of_running_shim(url, token, "")
        path, turn = _file_and_turn(selector)
        if path:
            return _of_file(path, turn)
        return _of_running_shim(url, token, selector)
    except NotComparableError as error:
        raise CliError(str(error), RECORD_ADVICE) from None


def _file_and_turn(selector: str) -> tuple[Path | None, str]:
    """Return the file that a selector names and the turn in it. None for an id."""
    # not `Path.exists`, which raises for a name that is too long
    if os.path.exists(selector):  # noqa: PTH110
        return Path(selector), ""
    name, colon, turn = selector.rpartition(":")
    if colon and os.path.exists(name):  # noqa: PTH110
        return Path(name), turn
    if any(mark in selector for mark in "/\\.:"):
        msg = f"there is no file {printable_line(selector)}{_meant(Path(selector))}"
        raise CliError(msg, RECORD_ADVICE)
    return None, ""


def _meant(path: Path) -> str:
    """Return a suggestion: the file in the same folder whose name is nearly this one."""
    try:
        near = nearest(path.name, (one.name for one in path.parent.iterdir()))
    except OSError:
        return ""
    return f". Did you mean {printable_line(near)!r}?" if near else ""


def _of_file(path: Path, turn: str) -> Original:
    try:
        with path.open("rb") as file:
            is_cassette = MARK.encode() in file.read(_HEAD_BYTES)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise CliError(msg, RECORD_ADVICE) from None
    return _of_cassette(path, turn) if is_cassette else _of_flows(path, turn)


def _of_cassette(path: Path, turn: str) -> Original:
    try:
        turns = read_cassette(path).turns
    except CassetteError as error:
        raise CliError(str(error), RECORD_ADVICE) from None
    numbered = list(enumerate(turns, 1))
    if not turn:
        users = [one for one in numbered if one[1].request.agent in {USER, SUB_AGENT}]
        found = (users or numbered)[-1:]
    else:
        found = [one for one in numbered if str(one[0]) == turn]
    if not found:
        which = f"no turn {turn!r}: it has the turns 1 to {len(turns)}" if turns else "no turn"
        msg = f"{path} has {which}"
        raise CliError(msg, RECORD_ADVICE)
    number, recorded = found[0]
    return of_cassette(str(number), recorded)


def _of_flows(path: Path, turn: str) -> Original:
    # importing mitmproxy takes a third of a second, and only flow files need it
    from addons.proxy.flow_file import FlowFileError, original_in  # noqa: PLC0415

    try:
        return original_in(path, turn)
    except FlowFileError as error:
        raise CliError(str(error), RECORD_ADVICE) from None


def _of_running_shim(url: str, token: str, turn_id: str) -> Original:
    try:
        found = as_object(get_json(f"{url}/api/turns/original?id={quote(turn_id)}", token))
    except ShimApiError as error:
        raise CliError(_message(url, error), RECORD_ADVICE) from None
    if refused := as_str(found.get("refused")):
        raise NotComparableError(refused)
    return Original.parse(found)


def _message(url: str, error: ShimApiError) -> str:
    if not error.status:
        return f"the shim at {url} did not answer: {error}"
    if error.code == "not_found":
        return "the running codex-shim is of an earlier version, which gives no turn away"
    return printable_line(str(error)) or f"the running shim answered {error.status}"
