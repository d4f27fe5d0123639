"""The comment of a flow in the list of mitmweb while the engine does not write it: before a turn is routed, or without one.

The list has no columns for method and path, so a flow that is no turn has its request line there. Never does: show a
model name that no route has, because it may be a key.
"""

from __future__ import annotations

from collections.abc import Iterable

from mitmproxy import flow, http
from mitmproxy.flow import Error

from addons.core.masking.credentials import redacted_path
from addons.core.protocols.request_body import find_model
from addons.core.routes import RouteTable
from addons.core.telemetry.record import FAILED, FAILED_MARKER, METADATA_KEY
from addons.core.turn import printable
from addons.proxy.recent_turns import is_turn

_HELD = " · held"
_FIRST_ERROR_STATUS = 400


def announce(flow: http.HTTPFlow) -> None:
    """Write the request line of a request whose head was received. A replay loses the record of the turn that it copies."""
    flow.metadata.pop(METADATA_KEY, None)
    flow.marked = ""
    flow.comment = printable(f"{flow.request.method} {redacted_path(flow.request.path)}")


def name_turn(flow: http.HTTPFlow, table: RouteTable, max_body_bytes: int) -> None:
    """Write the slug of a turn whose request is whole."""
    if not is_turn(flow):
        return
    encoding = flow.request.headers.get("content-encoding", "").encode() or None
    slug = find_model(flow.request.raw_content or b"", encoding, max_body_bytes)
    if isinstance(slug, str) and table.resolve(slug):
        flow.comment = printable(slug)


def note_held(flows: Iterable[flow.Flow]) -> None:
    """Say which of these flows are held before they are sent."""
    for one in flows:
        is_held = isinstance(one, http.HTTPFlow) and one.intercepted and one.response is None
        if is_held and not one.comment.endswith(_HELD):
            one.comment += _HELD


def end_unrouted(flow: http.HTTPFlow) -> None:
    """Say how a flow ended that has no record: the router never saw it, or it is no turn."""
    if METADATA_KEY in flow.metadata:
        return
    status = flow.response.status_code if flow.response else 0
    is_killed = flow.error is not None and flow.error.msg == Error.KILLED_MESSAGE
    # the stream of a page ends when its tab is closed
    is_failed = is_killed or status >= _FIRST_ERROR_STATUS or (is_turn(flow) and not status)
    end = "killed" if is_killed else status or "no answer"
    flow.comment = f"{FAILED if is_failed else ''}{flow.comment.removesuffix(_HELD)} · {end}"
    flow.marked = FAILED_MARKER if is_failed else ""
