"""The plan of a turn that Cursor answers: the conversation becomes one prompt, a local child speaks, we translate.

Never does: start a process, look at a disk, send Cursor a key. Invariant: exactly one terminal event; a turn in which
Cursor has begun to act is never told in a way that makes Codex try it again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

import orjson

from addons.core.cursor.fences import Marks
from addons.core.cursor.prompt import beginning_of, write_prompt
from addons.core.cursor.reader import CursorReader
from addons.core.cursor.settings import CursorSettings
from addons.core.cursor.tool_reader import NO_LIMIT, CallReader
from addons.core.cursor.words import acted
from addons.core.cursor.workspace import declared_cwd
from addons.core.errors import JSON_HEADERS, SSE_HEADERS, Problem, problem_of, told
from addons.core.limits import Limits
from addons.core.memory import Memory
from addons.core.routes import Route
from addons.core.translate.compacting import CompactionTranslator, Summary
from addons.core.translate.compaction import ask_for_summary, compaction_item
from addons.core.translate.conversation import Conversation
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.events import Event, Failed
from addons.core.translate.reading import read_request
from addons.core.translate.stream import StreamTranslator
from addons.core.turn import (
    Answer,
    Asked,
    ClientRequest,
    Fault,
    Head,
    Plan,
    Step,
    Synthesize,
    SyntheticOrigin,
    Translator,
)
from addons.core.wire.peek import peek_model

Json = Mapping[str, object]
LINEAGE = "cursor"
KEY_CHARACTERS = 12
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ChildTurn:
    """What one child is asked."""

    model: str
    settings: CursorSettings
    workspace: str
    prompt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What the turns of the Cursor routes need. `plan` is the `PlanMaker` of both."""

    settings: CursorSettings
    workspace: Callable[[str | None], str | Problem]
    """The folder for a turn whose client declared this one, or why there is none."""
    make_origin: Callable[[ChildTurn], SyntheticOrigin]
    ids: Callable[[], str]
    """Makes random text of at least 16 characters: for ids, and for fences and keys that nobody can forge."""
    clock: Callable[[], float]
    """Unix seconds."""
    marks: Marks = field(default_factory=Marks)
    memory: Memory = field(default_factory=Memory)
    limits: Limits = DEFAULT_LIMITS

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        return CursorPlan(self, request, route)


class CursorPlan:
    """The decisions of one turn."""

    def __init__(self, cursor: Cursor, request: ClientRequest, route: Route) -> None:
        self._cursor = cursor
        self._request = request
        self._route = route
        self._payload: Json = {}
        self._streams = True

    def start(self) -> Step:
        """Have a child answer, or say why that cannot be."""
        if not self._route.live:
            return self._tell(Problem(404, "invalid_prompt", self._route.hidden_because))
        conversation = self._read()
        if isinstance(conversation, Problem):
            return self._tell(conversation)
        workspace = self._cursor.workspace(declared_cwd(self._payload))
        if isinstance(workspace, Problem):
            return self._tell(workspace)
        settings = self._settings(conversation)
        mark = self._cursor.marks.of(beginning_of(conversation), self._cursor.ids)
        key, seed = self._cursor.ids()[:KEY_CHARACTERS], self._cursor.ids()
        prompt = write_prompt(conversation, settings, workspace, mark, key)
        turn = ChildTurn(self._route.model, settings, workspace, prompt.data)
        calls = _call_reader(conversation, key, seed) if settings.tools == "codex" else None
        reader = CursorReader(calls, [prompt.cut] if prompt.cut else ())
        headers = SSE_HEADERS if self._streams else JSON_HEADERS
        translator = self._translator(conversation, reader, seed)
        self._request.record.dropped = [*conversation.dropped, *filter(None, [prompt.cut])]
        asked = Asked(f"cursor-agent --model {turn.model}", turn.prompt)
        return Synthesize(Head(200, headers), self._cursor.make_origin(turn), translator, asked)

    def on_head(self, head: Head) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(head)

    def on_body(self, head: Head, body: bytes) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> NoReturn:
        """No upstream was asked."""
        raise AssertionError(fault)

    @property
    def _is_unary_compaction(self) -> bool:
        return self._request.path.partition("?")[0].endswith("/compact")

    def _read(self) -> Conversation | Problem:
        request, limits = self._request, self._cursor.limits
        encoding = request.header(b"content-encoding")
        peek = peek_model(request.body, encoding, limits.body_bytes)
        if isinstance(peek, Problem):
            return peek
        self._payload = peek.payload
        self._streams = peek.stream and not self._is_unary_compaction
        payload = self._cursor.memory.resolve(peek.payload)
        if isinstance(payload, Problem):
            return payload
        conversation = read_request(payload, LINEAGE)
        if self._is_unary_compaction and isinstance(conversation, Conversation):
            return ask_for_summary(conversation)
        return conversation

    def _settings(self, conversation: Conversation) -> CursorSettings:
        """To sum up is no work to act for."""
        settings = self._cursor.settings
        return replace(settings, mode="ask") if conversation.wants_compaction else settings

    def _translator(
        self, conversation: Conversation, reader: CursorReader, seed: str
    ) -> Translator:
        emitter = Emitter(
            f"resp_{seed}",
            int(self._cursor.clock()),
            self._route.slug,
            self._payload,
            Client.CODEX if self._request.is_codex else Client.OTHER,
        )
        if self._is_unary_compaction:
            return WholeSummary(reader, self._route.slug, f"cmp_{seed}")
        if conversation.wants_compaction and self._streams:
            return CompactionTranslator(reader, emitter, seed, self._remember)
        stream = CursorTranslator(reader, emitter, self._remember)
        return stream if self._streams else WholeAnswer(stream, emitter)

    def _remember(self, response: Json) -> None:
        if response.get("status") != "failed":
            self._cursor.memory.keep(self._payload, response)

    def _tell(self, problem: Problem) -> Answer:
        to_codex = self._request.is_codex and not self._is_unary_compaction
        return Answer(told(problem, to_codex=to_codex))


def _call_reader(conversation: Conversation, key: str, seed: str) -> CallReader:
    """Reads the calls of Codex's tools; where none may be called, it is there to find none."""
    tools = () if conversation.choice.mode == "none" else conversation.tools
    return CallReader(
        tools, key, seed, 1 if conversation.parallel_tool_calls is False else NO_LIMIT
    )


class CursorTranslator(StreamTranslator):
    """A stream whose faults say so when Cursor has begun to act."""

    __slots__ = ("_cursor_reader",)

    def __init__(
        self, reader: CursorReader, emitter: Emitter, ended: Callable[[Json], None]
    ) -> None:
        super().__init__(reader, emitter, ended)
        self._cursor_reader = reader

    def fail(self, fault: Fault) -> bytes:
        """End the stream."""
        if self.terminal or not self._cursor_reader.acted:
            return super().fail(fault)
        return self._emit((Failed(acted(problem_of(fault))),))


class WholeAnswer:
    """The answer to `stream: false`: one JSON, when the turn has ended. The status was sent before, so it tells."""

    def __init__(self, stream: CursorTranslator, emitter: Emitter) -> None:
        self._stream = stream
        self._emitter = emitter
        self._given = False

    @property
    def terminal(self) -> bool:
        """Whether the answer was given."""
        return self._given

    def feed(self, data: bytes) -> bytes:
        """Read on; nothing is given before the end."""
        self._stream.feed(data)
        return self._whole()

    def finish(self) -> bytes:
        """The origin has ended."""
        self._stream.finish()
        return self._whole()

    def fail(self, fault: Fault) -> bytes:
        """A response object that has failed."""
        self._stream.fail(fault)
        return self._whole()

    def _whole(self) -> bytes:
        if self._given or not self._stream.terminal:
            return b""
        self._given = True
        return orjson.dumps(self._emitter.response)


class WholeSummary:
    """The answer of `/responses/compact`: one compaction item as JSON, or an error."""

    def __init__(self, reader: CursorReader, slug: str, item_id: str) -> None:
        self._reader = reader
        self._summary = Summary(slug)
        self._item_id = item_id
        self._given = False

    @property
    def terminal(self) -> bool:
        """Whether the answer was given."""
        return self._given

    def feed(self, data: bytes) -> bytes:
        """Read on; nothing is given before the end."""
        return self._take(self._reader.feed(data))

    def finish(self) -> bytes:
        """The origin has ended."""
        return self._take(self._reader.finish())

    def fail(self, fault: Fault) -> bytes:
        """An error."""
        return self._take([Failed(problem_of(fault))])

    def _take(self, events: list[Event]) -> bytes:
        self._summary.take(events)
        outcome = self._summary.outcome
        if self._given or outcome is None:
            return b""
        self._given = True
        if isinstance(outcome, Problem):
            return outcome.body()
        return orjson.dumps({"output": [compaction_item(outcome, self._item_id)]})
