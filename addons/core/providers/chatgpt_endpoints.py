"""The endpoints of the ChatGPT backend that Codex calls apart from turns: search, images, history and notes.

Codex runs these tools itself: the model calls `web.run`, Codex asks `alpha/search`, and the next turn holds the result.
The request goes to the account's backend with the login of the ChatGPT route, whatever route the turn has.

Source: the path literals in the binaries of Codex 0.169.0 and 0.171.0; docs/architecture.md has the table. Never does:
forward a path that is not in `FORWARDED`, read an answer, send a request twice, except after a 401 with a newer login.
Invariant: the body passes as the same object, and every error of this process is JSON with a status, which Codex shows
to the model as the result of the tool.
"""

from __future__ import annotations

from http import HTTPStatus

from addons.core.codex.threads import thread_id_for, thread_id_in_metadata
from addons.core.errors import problem_of, sse_event
from addons.core.headers import client_headers, media_type
from addons.core.protocols.request_body import find_model
from addons.core.protocols.responses.observer import JSON, JsonPassThrough, PassThrough
from addons.core.providers.chatgpt import BackendPlan, ChatGPTProvider
from addons.core.providers.chatgpt_problems import is_page
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    Head,
    Plan,
    Relay,
    Reply,
    Step,
    Translator,
    shim_path,
)

FORWARDED = (
    "/alpha/search",
    "/images/generations",
    "/images/edits",
    "/alpha/history/v2/list_windows",
    "/alpha/history/v2/list_items",
    "/alpha/history/v2/read_item",
    "/alpha/history/v2/search_contents",
    "/alpha/notes/v2/list_files_by_prefix",
    "/alpha/notes/v2/read_file",
    "/alpha/notes/v2/search_contents",
    "/alpha/notes/v2/append_to_file",
    "/alpha/notes/v2/write_file",
    "/alpha/notes/v2/thread_hint",
)
"""Paths without the `/v1` of the client's base URL, and after the path of the backend's. The method is POST."""


def plan_endpoint(provider: ChatGPTProvider, request: ClientRequest) -> Plan:
    """Begin the plan of a request to one of the `FORWARDED` paths. Its record has the path in place of a slug."""
    thread = thread_id_for(request) or thread_id_in_metadata(request)
    request.notes.note_slug(shim_path(request.path).removeprefix("/"), thread)
    coding, limit = request.header(b"content-encoding"), provider.limits.body_bytes
    model = find_model(request.body, coding, limit)
    request.notes.note_route("chatgpt", model if isinstance(model, str) else "")
    return EndpointPlan(provider, request)


class EndpointPlan(BackendPlan):
    """The decisions of one request that is no turn."""

    def _path(self, path: str) -> str | None:
        rest = shim_path(path)
        return rest if rest in FORWARDED else None

    def _body(self) -> bytes:
        return self._request.body

    def _on_answer(self, head: Head) -> Step:
        limits = self._provider.limits
        if is_page(head):
            return Collect(limits.error_body_bytes)
        passed = Head(head.status, client_headers(head.headers))
        return Relay(passed, _translator(head, limits.event_bytes))

    def _on_answer_body(self, head: Head, body: bytes) -> Step:
        return Answer(Reply(Head(head.status, client_headers(head.headers)), body))


class EventPassThrough(PassThrough):
    """Passes an event stream that has no terminal event of its own. After a fault it adds an `error` event."""

    def fail(self, fault: Fault) -> bytes:
        """Return the event that tells a cut stream from a whole one."""
        problem = problem_of(fault)
        return sse_event(
            "error", {"type": "error", "code": problem.code, "message": problem.message}
        )


def _translator(head: Head, limit: int) -> Translator:
    kind = media_type(head.headers)
    if kind == JSON:
        return JsonPassThrough(head, limit)
    is_stream = head.status == HTTPStatus.OK and kind == b"text/event-stream"
    return EventPassThrough() if is_stream else PassThrough()
