"""The plan of a turn for Cursor: the conversation becomes one prompt, and the output of a child process is translated.

Never starts a process, reads a file or sends Cursor a key. Invariant: exactly one terminal event; once Cursor has
begun to act, a failure is never reported in a way that makes Codex retry the turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import orjson

from addons.core.codex.threads import WHAT_IF
from addons.core.cursor.error_patterns import after_action
from addons.core.cursor.fences import Marks
from addons.core.cursor.prompt import conversation_prefix, write_prompt
from addons.core.cursor.reader import CursorReader
from addons.core.cursor.settings import CursorSettings
from addons.core.cursor.tool_reader import MAX_CALLS, CallReader
from addons.core.cursor.workspace import declared_cwd
from addons.core.errors import (
    INVALID_PROMPT,
    JSON_HEADERS,
    SSE_HEADERS,
    Problem,
    error_reply,
    problem_of,
)
from addons.core.json_values import JsonObject
from addons.core.limits import Limits
from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.events import Event, Failed
from addons.core.protocols.request_body import parse_body
from addons.core.protocols.responses.compaction import compaction_item, request_summary
from addons.core.protocols.responses.compaction_answer import CompactionTranslator, SummaryCollector
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.request import read_request
from addons.core.protocols.responses.response_store import ResponseStore
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.protocols.responses.stream_translator import StreamTranslator
from addons.core.routes import LocalPlan, Route
from addons.core.turn import (
    Answer,
    CapturedInput,
    ClientRequest,
    Fault,
    Head,
    LocalSource,
    Plan,
    StreamLocal,
    Translator,
)

REASONING_SCOPE = "cursor"
KEY_CHARACTERS = 12
DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ChildTurn:
    """The input of one cursor-agent process."""

    model: str
    settings: CursorSettings
    workspace: str
    prompt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorProvider:
    """The dependencies of the turns of the Cursor routes. `plan` is the `PlanMaker` of both."""

    settings: CursorSettings
    workspace: Callable[[str | None], str | Problem]
    """Returns the folder for a turn from the one that the client declared, or the problem why there is none."""
    make_source: Callable[[ChildTurn], LocalSource]
    ids: Callable[[], str]
    """Makes random text of at least 16 characters, for ids and for fences and keys that cannot be guessed."""
    clock: Callable[[], float]
    """Unix seconds."""
    marks: Marks = field(default_factory=Marks)
    memory: ResponseStore = field(default_factory=ResponseStore)
    limits: Limits = DEFAULT_LIMITS

    def plan(self, request: ClientRequest, route: Route) -> Plan:
        """Begin the plan of one turn."""
        return CursorPlan(self, request, route)


class CursorPlan(LocalPlan):
    """The decisions of one turn."""

    def __init__(self, cursor: CursorProvider, request: ClientRequest, route: Route) -> None:
        self._cursor = cursor
        self._request = request
        self._route = route
        self._payload: JsonObject = {}
        self._streams = True

    def start(self) -> StreamLocal | Answer:
        """Answer from a child process, or with the reason why that is impossible."""
        if not self._route.live:
            return self._answer_problem(
                Problem(404, INVALID_PROMPT, self._route.unavailable_reason)
            )
        conversation = self._read()
        if isinstance(conversation, Problem):
            return self._answer_problem(conversation)
        workspace = self._cursor.workspace(declared_cwd(self._payload))
        if isinstance(workspace, Problem):
            return self._answer_problem(workspace)
        settings = self._settings(conversation)
        mark = self._cursor.marks.mark_for(conversation_prefix(conversation), self._cursor.ids)
        key, seed = self._cursor.ids()[:KEY_CHARACTERS], self._cursor.ids()
        prompt = write_prompt(conversation, settings, workspace, mark, key)
        turn = ChildTurn(self._route.model, settings, workspace, prompt.data)
        calls = _call_reader(conversation, key, seed) if settings.tools == "codex" else None
        reader = CursorReader(calls, [prompt.omitted] if prompt.omitted else ())
        headers = SSE_HEADERS if self._streams else JSON_HEADERS
        translator = self._translator(conversation, reader, seed)
        self._request.notes.dropped = [*conversation.dropped, *filter(None, [prompt.omitted])]
        child_input = CapturedInput(f"cursor-agent --model {turn.model}", turn.prompt)
        source = self._cursor.make_source(turn)
        return StreamLocal(Head(200, headers), source, translator, child_input)

    @property
    def _is_unary_compaction(self) -> bool:
        return self._request.path.partition("?")[0].endswith("/compact")

    def _read(self) -> Conversation | Problem:
        request, limits = self._request, self._cursor.limits
        encoding = request.header(b"content-encoding")
        parsed = parse_body(request.body, encoding, limits.body_bytes)
        if isinstance(parsed, Problem):
            return parsed
        self._payload = parsed.payload
        self._streams = parsed.stream and not self._is_unary_compaction
        payload = self._cursor.memory.resolve(parsed.payload)
        if isinstance(payload, Problem):
            return payload
        conversation = read_request(payload, REASONING_SCOPE)
        if self._is_unary_compaction and isinstance(conversation, Conversation):
            return request_summary(conversation)
        return conversation

    def _settings(self, conversation: Conversation) -> CursorSettings:
        """Return the settings of the turn. A summary needs no actions, and the answer of a comparison must have none."""
        settings = self._cursor.settings
        is_read_only = conversation.wants_compaction or self._request.notes.agent == WHAT_IF
        return replace(settings, mode="ask") if is_read_only else settings

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

    def _remember(self, response: JsonObject) -> None:
        if response.get("status") != "failed":
            self._cursor.memory.keep(self._payload, response)

    def _answer_problem(self, problem: Problem) -> Answer:
        to_codex = self._request.is_codex and not self._is_unary_compaction
        return Answer(error_reply(problem, to_codex=to_codex))


def _call_reader(conversation: Conversation, key: str, seed: str) -> CallReader:
    """Return a reader of calls to the client's tools. It finds no call where none is allowed."""
    tools = () if conversation.choice.mode == "none" else conversation.tools
    return CallReader(
        tools, key, seed, 1 if conversation.parallel_tool_calls is False else MAX_CALLS
    )


class CursorTranslator(StreamTranslator):
    """A stream whose faults report that Cursor has begun to act."""

    __slots__ = ("_cursor_reader",)

    def __init__(
        self, reader: CursorReader, emitter: Emitter, ended: Callable[[JsonObject], None]
    ) -> None:
        super().__init__(reader, emitter, ended)
        self._cursor_reader = reader

    def fail(self, fault: Fault) -> bytes:
        """End the stream."""
        if self.terminal or not self._cursor_reader.acted:
            return super().fail(fault)
        return self._emit((Failed(after_action(problem_of(fault))),))


class WholeAnswer:
    """The answer to `stream: false`: one JSON object at the end of the turn.

    The HTTP status is sent before, so an error is reported in the object.
    """

    def __init__(self, stream: CursorTranslator, emitter: Emitter) -> None:
        self._stream = stream
        self._emitter = emitter
        self._written = False

    @property
    def terminal(self) -> bool:
        """Whether the answer was written."""
        return self._written

    def feed(self, data: bytes) -> bytes:
        """Read more output. Returns nothing before the end."""
        self._stream.feed(data)
        return self._whole()

    def finish(self) -> bytes:
        """End the output and return the answer."""
        self._stream.finish()
        return self._whole()

    def fail(self, fault: Fault) -> bytes:
        """Return a failed response object."""
        self._stream.fail(fault)
        return self._whole()

    def _whole(self) -> bytes:
        if self._written or not self._stream.terminal:
            return b""
        self._written = True
        return orjson.dumps(self._emitter.response)


class WholeSummary:
    """The answer of `/responses/compact`: one compaction item as JSON, or an error."""

    def __init__(self, reader: CursorReader, slug: str, item_id: str) -> None:
        self._reader = reader
        self._summary = SummaryCollector(slug)
        self._item_id = item_id
        self._written = False

    @property
    def terminal(self) -> bool:
        """Whether the answer was written."""
        return self._written

    def feed(self, data: bytes) -> bytes:
        """Read more output. Returns nothing before the end."""
        return self._take(self._reader.feed(data))

    def finish(self) -> bytes:
        """End the output and return the answer."""
        return self._take(self._reader.finish())

    def fail(self, fault: Fault) -> bytes:
        """Return an error."""
        return self._take([Failed(problem_of(fault))])

    def _take(self, events: list[Event]) -> bytes:
        self._summary.add(events)
        outcome = self._summary.result
        if self._written or outcome is None:
            return b""
        self._written = True
        if isinstance(outcome, Problem):
            return outcome.body()
        return orjson.dumps({"output": [compaction_item(outcome, self._item_id)]})
