"""Calls the hooks of one turn, one after the other, and checks what each returns.

A request passes the hooks in their order, and the events of its answer in the opposite order: the hook that saw the request
last sees the answer first. So what one hook put into a request, it alone has to take out of the answer. Never does: let a
turn go on after a hook that failed. Invariant: every way in which a hook can fail is a `Problem` that names its file, line
and function, and the command to type.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.hooks.events import Piece, written
from addons.core.hooks.frozen_json import JsonList
from addons.core.hooks.requests import EditError, ReadTurn, edit_note, frozen_turn, read_turn
from addons.core.hooks.values import End, Event, Refuse, Turn
from addons.core.json_values import as_str
from addons.core.turn import ClientRequest, printable

ON_TURN, ON_EVENT, ON_END = "on_turn", "on_event", "on_end"
FUNCTIONS = {ON_TURN: 1, ON_EVENT: 2, ON_END: 2}
"""The functions of a hook, and how many arguments each takes."""
REFUSED_STATUS, FAILED_STATUS = 403, 500
MAX_REASON = 1000
"""Characters of a reason that the client is told."""
RESTART = "Correct it, then start codex-shim again; without the hook: `codex-shim serve`."


@dataclass(frozen=True, slots=True, eq=False)
class Hook:
    """The functions of one file or object. What is None is not called."""

    name: str
    """For people: the name of the file."""
    on_turn: Callable[..., object] | None = None
    on_event: Callable[..., object] | None = None
    on_end: Callable[..., object] | None = None
    path: str = ""
    """The file of its code, for the line in an error."""

    def function(self, name: str) -> Callable[..., object] | None:
        """Return the function of this name."""
        found: Callable[..., object] | None = getattr(self, name)
        return found


class HookError(Exception):
    """Ends the turn. `problem` is for the client."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


_NO_REQUEST = ClientRequest("POST", "/v1/responses", (), b"")


class Caller(Protocol):
    """Calls a function of a hook, and returns what it returns."""

    def __call__(self, hook: Hook, name: str, *arguments: object) -> object:
        """Call the function `name`. May raise anything."""


class TurnHooks:
    """The hooks of one turn. Not for use by two threads at a time."""

    def __init__(self, hooks: Sequence[Hook], call: Caller) -> None:
        self._hooks = tuple(hooks)
        self._call = call
        self._turns: dict[Hook, Turn] = {}
        """What each hook returned, or was shown."""
        self.notes: list[str] = []
        """Which hook changed which fields, without their values."""
        self.is_refused = False
        """Whether a hook has refused the turn."""

    def begin(self, request: ClientRequest, max_bytes: int, flow_id: str) -> ClientRequest:
        """Return the request that goes on: the same one if nothing was edited. Raises HookError."""
        read = read_turn(request, max_bytes, flow_id)
        if isinstance(read, Problem):
            raise HookError(read)
        turn = read.turn
        for hook in self._hooks:
            turn = self._on_turn(hook, turn)
        return self._edited(read, turn)

    def _edited(self, read: ReadTurn, turn: Turn) -> ClientRequest:
        try:
            return read.edited(turn)
        except EditError as error:
            raise HookError(_failure(self._hooks[-1], ON_TURN, f"{error}")) from None

    def _on_turn(self, hook: Hook, turn: Turn) -> Turn:
        shown = self._turns[hook] = replace(turn, state={})
        if hook.on_turn is None:
            return turn
        result = self._called(hook, ON_TURN, shown)
        if result is shown:
            return turn
        try:
            result = self._accepted(hook, shown, result)
        except HookError:
            raise
        except EditError as error:
            raise HookError(_failure(hook, ON_TURN, str(error))) from None
        except Exception as error:  # noqa: BLE001  error boundary: values of a hook may have methods of its own
            raise HookError(_failure(hook, ON_TURN, _unusable(error))) from None
        self._turns[hook] = result
        return result

    def _accepted(self, hook: Hook, shown: Turn, result: object) -> Turn:
        """Return the turn that a hook has returned. Raises EditError or HookError for what cannot be sent."""
        if isinstance(result, Refuse):
            self.is_refused = True
            raise HookError(refusal(hook, result))
        if not isinstance(result, Turn):
            raise HookError(_failure(hook, ON_TURN, _returned(result, "the turn, or Refuse")))
        note = edit_note(shown, result)
        # so that the hook is named whose edit cannot be written
        ReadTurn(_NO_REQUEST, shown, {}).edited(result)
        if note:
            self.notes.append(f"{hook.name}: {note}")
        return frozen_turn(result)

    def on_piece(self, piece: Piece) -> list[Piece]:
        """Return what the client gets for one event. Raises HookError."""
        current = [piece]
        for hook in reversed(self._hooks):
            if hook.on_event:
                current = [new for one in current for new in self._on_piece(hook, one)]
        return current

    def _on_piece(self, hook: Hook, piece: Piece) -> Sequence[Piece]:
        if isinstance(piece, bytes):
            return (piece,)
        result = self._called(hook, ON_EVENT, self._turns[hook], piece)
        if result is piece:
            return (piece,)
        try:
            return self._events_of(hook, piece, result)
        except HookError:
            raise
        except Exception as error:  # noqa: BLE001  error boundary: values of a hook may have methods of its own
            raise HookError(_failure(hook, ON_EVENT, _unusable(error))) from None

    def _events_of(self, hook: Hook, piece: Event, result: object) -> Sequence[Piece]:
        if isinstance(result, Refuse):
            self.is_refused = True
            raise HookError(refusal(hook, result))
        given = [] if result is None else result if isinstance(result, list | tuple) else [result]
        if wrong := next((one for one in given if not isinstance(one, Event)), None):
            text = _returned(wrong, "an event, a list of events, None or Refuse")
            raise HookError(_failure(hook, ON_EVENT, text))
        events = [one for one in given if isinstance(one, Event)]
        if problem := _wrong_form(events) or _wrong_end(piece, events):
            raise HookError(_failure(hook, ON_EVENT, problem))
        return events

    def end(self, end: End, without: Hook | None) -> list[Problem]:
        """Tell each hook but one how the turn has ended. Return what failed: nothing depends on it any more."""
        problems = []
        for hook in self._hooks:
            if hook.on_end is None or hook not in self._turns or hook is without:
                continue
            try:
                self._called(hook, ON_END, self._turns[hook], end)
            except HookError as error:
                problems.append(error.problem)
        return problems

    def _called(self, hook: Hook, name: str, *arguments: object) -> object:
        try:
            return self._call(hook, name, *arguments)
        except HookError:
            raise
        except BaseException as error:
            # a KeyboardInterrupt of the user's goes to the main thread, and no hook of the user's runs there
            raise HookError(_failure(hook, name, *_what_and_where(hook, error))) from error


def checked(pieces: Sequence[Piece]) -> bytes:
    """Return the bytes of what hooks made of events. Raises HookError if an event holds what JSON cannot."""
    try:
        return written(pieces)
    except (TypeError, orjson.JSONEncodeError, RecursionError) as error:
        message = f"A hook returned an event that holds what JSON cannot: {error}. {RESTART}"
        raise HookError(Problem(FAILED_STATUS, INVALID_PROMPT, message)) from None


def refusal(hook: Hook, refused: Refuse) -> Problem:
    """Return the answer to a turn that a hook refuses."""
    reason = "".join(c if c.isprintable() else " " for c in str(refused.reason)[:MAX_REASON])
    message = f"The hook {hook.name} refused this turn: {reason}"
    return Problem(REFUSED_STATUS, INVALID_PROMPT, message)


def overdue(hook: Hook, name: str, seconds: float) -> Problem:
    """Return the answer to a turn whose hook does not return in time."""
    return _failure(hook, name, f"it did not return within {seconds:g} s")


def too_slow(limit: int) -> Problem:
    """Return the answer to a turn whose events come faster than the hooks take them."""
    message = (
        f"The hooks are slower than the answer of this turn: {limit:,} bytes of events wait for their on_event. "
        "Make on_event faster, then start codex-shim again; without the hook: `codex-shim serve`."
    )
    return Problem(FAILED_STATUS, INVALID_PROMPT, message)


def unreadable(detail: str) -> Problem:
    """Return the answer to a turn whose answer hooks cannot see."""
    message = (
        f"The answer cannot be shown to the hooks: {detail}. Nothing of it was passed on. "
        "To get it, leave the hooks out: `codex-shim serve`."
    )
    return Problem(502, INVALID_PROMPT, message)


def _failure(hook: Hook, name: str, what: str, line: int = 0) -> Problem:
    function = hook.function(name)
    code = getattr(function, "__code__", None)
    line = line or getattr(code, "co_firstlineno", 0)
    where = f"{hook.path or hook.name}, line {line}" if line else hook.path or hook.name
    message = (
        f"The hook {hook.name} failed in {name} ({where}): {what}. The turn was refused. {RESTART}"
    )
    return Problem(FAILED_STATUS, INVALID_PROMPT, message)


def _what_and_where(hook: Hook, error: BaseException) -> tuple[str, int]:
    lines = [
        frame.lineno or 0
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == hook.path
    ]
    try:
        text = printable(str(error))
    except Exception:  # noqa: BLE001  error boundary: the text of an exception is a method of the hook's
        text = ""
    return type(error).__name__ + (f": {text}" if text else ""), lines[-1] if lines else 0


def _returned(result: object, wanted: str) -> str:
    return f"it returned {type(result).__name__}, not {wanted}"


def _unusable(error: Exception) -> str:
    return f"what it returned cannot be read: {type(error).__name__}"


def _wrong_form(events: Sequence[Event]) -> str:
    """Return why an event cannot be sent, or nothing: clients may go by the name of an event or by its `type`."""
    for one in events:
        kind: object = one.type
        data: object = one.data
        if not isinstance(kind, str) or not kind.isprintable():
            return "the type of an event has to be a text in one line"
        if not isinstance(data, Mapping):
            return f"the data of {one.type} has to be a mapping"
        inner = as_str(one.data.get("type"))
        if not one.block and inner not in {"", one.type}:
            return f"the event {one.type} has the type {inner!r} in its data; use Event.of(type, …) for another event"
    return ""


_NO_OBJECTS = (str, int, float, list, tuple, JsonList)
"""What JSON has beside objects. Of what it does not have at all the type is named."""


def _wrong_end(event: Event, events: Sequence[Event]) -> str:
    """Return why these events may not take the place of one, or nothing: an answer has one terminal event, the last."""
    ends = [one for one in events if one.is_terminal]
    if not event.is_terminal:
        return (
            f"it made {ends[0].type} of {event.type}; return Refuse to end a turn" if ends else ""
        )
    is_kept = len(ends) == 1 and events[-1] is ends[0] and ends[0].type == event.type
    if not is_kept:
        return f"{event.type} ends the answer: it has to stay, and be the last"
    is_whole, response = "response" in event.data, ends[0].data.get("response")
    if is_whole and (response is None or isinstance(response, _NO_OBJECTS)):
        return f"{event.type} has to keep an object as its `response`"
    return ""
