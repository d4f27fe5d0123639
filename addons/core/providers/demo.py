"""The built-in model `shim-demo`: it shows without any setup that turns, streams and tools work.

It follows a script: one tool call that lists the folder, then a text about its output; only text where the client has
no shell tool. Never calls an upstream, reads a clock or makes an id. Invariant: it calls a tool at most once per
prompt, so it never loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from addons.core.errors import INVALID_PROMPT, JSON_HEADERS, SSE_HEADERS, Problem, error_reply
from addons.core.json_values import JsonDict
from addons.core.limits import Limits
from addons.core.protocols.canonical.events import (
    Event,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.request_body import ParsedBody, parse_body
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.providers.demo_script import (
    BEFORE_CALL,
    CALL_PREFIX,
    WELCOME,
    ShellCall,
    demo_call_output,
    describe_output,
    find_shell_call,
    split_words,
)
from addons.core.routes import LocalPlan, Route
from addons.core.turn import Answer, ClientRequest, Head, LocalSource, Reply, StreamLocal
from addons.core.usage import Usage

DEMO_SLUG = "shim-demo"
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class DemoPlan(LocalPlan):
    """One turn of the demo. `seed` makes its ids, `created_at` is in Unix seconds."""

    request: ClientRequest
    route: Route
    make_source: Callable[[Sequence[bytes]], LocalSource]
    """Makes the local source that writes these chunks one after another."""
    seed: str
    created_at: int
    limits: Limits

    def start(self) -> StreamLocal | Answer:
        """Stream the script, or answer with the whole response when the client does not stream."""
        parsed = self._read()
        if isinstance(parsed, Problem):
            return Answer(error_reply(parsed, to_codex=self.request.is_codex))
        emitter = Emitter(
            f"resp_{self.seed}", self.created_at, self.route.slug, parsed.payload, self._client
        )
        script = list(self._script(parsed))
        if not parsed.stream:
            emitter.emit(script)
            return Answer(Reply(Head(200, JSON_HEADERS), orjson.dumps(emitter.response)))
        written = (emitter.open(), *(emitter.emit((event,)) for event in script))
        source = self.make_source([chunk for chunk in written if chunk])
        return StreamLocal(Head(200, SSE_HEADERS), source, StreamObserver(self.limits.event_bytes))

    @property
    def _client(self) -> Client:
        return Client.CODEX if self.request.is_codex else Client.OTHER

    def _read(self) -> ParsedBody | Problem:
        encoding = self.request.header(b"content-encoding")
        parsed = parse_body(self.request.body, encoding, self.limits.body_bytes)
        return parsed if isinstance(parsed, Problem) else _shape_problem(parsed.payload) or parsed

    def _script(self, parsed: ParsedBody) -> Iterator[Event]:
        output, shell = demo_call_output(parsed.payload), find_shell_call(parsed.payload)
        text = WELCOME
        if output is not None:
            text = describe_output(output)
        elif shell:
            text = BEFORE_CALL
        yield from (TextDelta(word) for word in split_words(text))
        called = shell if shell and output is None else None
        if called:
            yield from self._call(called)
            text += called.arguments
        yield UsageSeen(_usage(len(parsed.decoded), len(text)))
        yield Stopped(StopReason.TOOL_CALLS if called else StopReason.END)

    def _call(self, shell: ShellCall) -> Iterator[Event]:
        yield ToolCallStart(0, f"{CALL_PREFIX}{self.seed}", shell.name, kind=shell.kind)
        yield from (ToolCallDelta(0, word) for word in split_words(shell.arguments))
        yield ToolCallEnd(0)


def _usage(bytes_in: int, characters_out: int) -> Usage:
    tokens_in = max(1, bytes_in // CHARACTERS_PER_TOKEN)
    tokens_out = max(1, characters_out // CHARACTERS_PER_TOKEN)
    return Usage(tokens_in, 0, tokens_out, 0, tokens_in + tokens_out)


def _shape_problem(payload: Mapping[str, object]) -> Problem | None:
    client_input, tools, stream = payload.get("input"), payload.get("tools"), payload.get("stream")
    if not isinstance(client_input, str) and not _is_list_of_objects(client_input):
        return _refusal("`input` must be text or a list of items")
    if tools is not None and not _is_list_of_objects(tools):
        return _refusal("`tools` must be a list of tools")
    if stream is not None and not isinstance(stream, bool):
        return _refusal("`stream` must be true or false")
    return None


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _refusal(what: str) -> Problem:
    message = f"{DEMO_SLUG} cannot read this request: {what}. Correct it and send it again."
    return Problem(400, INVALID_PROMPT, message, "invalid_request_error")


def demo_entry() -> JsonDict:
    """Return the catalog entry of the demo, with every field that Codex 0.133 and 0.169 require."""
    return {
        "slug": DEMO_SLUG,
        "display_name": "codex-shim demo",
        "description": "Built into codex-shim. Needs no login: shows that streams and tools work.",
        "default_reasoning_level": "low",
        "supported_reasoning_levels": [{"effort": "low", "description": "It does not reason."}],
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": 1000,
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": "You are shim-demo, the built-in model of codex-shim.",
        "supports_reasoning_summaries": False,
        "default_reasoning_summary": "none",
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": None,
        "web_search_tool_type": "text",
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "supports_parallel_tool_calls": False,
        "context_window": 200_000,
        "max_context_window": 200_000,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": ["text"],
        "tool_mode": "direct",
        "supports_search_tool": False,
    }
