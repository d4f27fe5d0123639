"""Refuses to start on a mitmproxy whose insides are not the ones this engine was built on.

The engine subclasses layers that mitmproxy does not call public. Half-working would mean lost turns or a token in the
wrong place, so every name and signature it leans on is looked at before the first connection.
"""

from __future__ import annotations

import importlib
import inspect

from mitmproxy import version

KNOWN = ">=12.2,<13"
_HTTP = "mitmproxy.proxy.layers.http"

# module, dotted name in it, the parameters we rely on
EXPECTED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (_HTTP, "HttpLayer.__init__", ("context", "mode")),
    (_HTTP, "HttpLayer._handle_event", ("event",)),
    (_HTTP, "HttpLayer.event_to_child", ("child", "event")),
    (_HTTP, "HttpLayer.make_stream", ("stream_id",)),
    (_HTTP, "HttpLayer.get_connection", ("event", "reuse")),
    (_HTTP, "HttpLayer.register_connection", ("command",)),
    (_HTTP, "HttpStream.__init__", ("context", "stream_id")),
    (_HTTP, "HttpStream._handle_event", ("event",)),
    (_HTTP, "HttpStream.state_wait_for_request_headers", ("event",)),
    (_HTTP, "HttpStream.check_invalid", ("request",)),
    (_HTTP, "HttpStream.check_body_size", ("request",)),
    (_HTTP, "HttpStream.check_killed", ("emit_error_hook",)),
    (_HTTP, "HttpStream.start_request_stream", ()),
    (_HTTP, "HttpStream.make_server_connection", ()),
    (_HTTP, "GetHttpConnection", ("address", "tls", "via", "transport_protocol")),
    (_HTTP, "GetHttpConnectionCompleted", ("command", "reply")),
    (_HTTP, "SendHttp", ("event", "connection")),
    (_HTTP, "DropStream", ("stream_id",)),
    (_HTTP, "HttpClient._handle_event", ("event",)),
    (_HTTP, "RegisterHttpConnection", ("connection", "err")),
    (_HTTP + "._http1", "Http1Server.read_headers", ("event",)),
    (_HTTP + "._http1", "Http1Client.read_headers", ("event",)),
    (_HTTP + "._http1", "Http1Connection.read_body", ("event",)),
    (_HTTP + "._http1", "Http1Connection.mark_done", ("request", "response")),
    (_HTTP + "._base", "ReceiveHttp", ("event",)),
    (_HTTP + "._events", "RequestProtocolError", ("stream_id", "message", "code")),
    (_HTTP, "GetHttpConnection.connection_spec_matches", ("connection",)),
    ("mitmproxy.addonmanager", "safecall", ()),
    ("mitmproxy.addonmanager", "traverse", ("chain",)),
    ("mitmproxy.proxy.events", "HookCompleted", ("command",)),
    ("mitmproxy.proxy.events", "MessageInjected", ("flow", "message")),
    ("mitmproxy.proxy.commands", "RequestWakeup", ("delay",)),
    ("mitmproxy.proxy.layer", "NextLayer", ("context", "ask_on_start")),
    ("mitmproxy.proxy.layers.modes", "ReverseProxy", ("context",)),
    ("mitmproxy.proxy.server", "ConnectionHandler.server_event", ("event",)),
    ("mitmproxy.proxy.server", "ConnectionHandler.handle_connection", ("connection",)),
    ("mitmproxy.proxy.server", "ConnectionIO", ("handler", "reader", "writer")),
    ("mitmproxy.addons.clientplayback", "ReplayHandler.__init__", ("flow", "options")),
    ("mitmproxy.addons.proxyserver", "Proxyserver", ()),
    ("mitmproxy.flow", "Flow.kill", ()),
    ("mitmproxy.utils.asyncio_utils", "create_task", ("coro", "name", "keep_ref")),
)


class IncompatibleMitmproxyError(Exception):
    """The installed mitmproxy is not one that the engine can stand on. The text is for the user."""


def missing_names() -> list[str]:
    """What the installed mitmproxy lacks, as `module.name (what is wrong)`."""
    return [
        f"{module}.{name} ({wrong})"
        for module, name, parameters in EXPECTED
        if (wrong := _wrong_with(module, name, parameters))
    ]


def _wrong_with(module: str, name: str, parameters: tuple[str, ...]) -> str:
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return "missing"
    if not callable(found):
        return "not callable"
    known = inspect.signature(found).parameters
    lacking = [parameter for parameter in parameters if parameter not in known]
    return f"no parameter {', '.join(lacking)}" if lacking else ""


def is_known(installed: str) -> bool:
    """Whether a version lies in the tested range."""
    major, minor = (int(part) for part in installed.split(".")[:2])
    return major == 12 and minor >= 2  # noqa: PLR2004  the range in KNOWN


def require_known_mitmproxy(installed: str = version.VERSION) -> None:
    """Raise IncompatibleMitmproxyError, naming the installed version, unless the engine can run."""
    wrong = missing_names()
    if is_known(installed) and not wrong:
        return
    found = f"codex-shim needs mitmproxy {KNOWN} and found {installed}"
    lacks = f", which lacks {'; '.join(wrong)}" if wrong else ""
    msg = f"{found}{lacks}. Install a tested one: pip install 'mitmproxy{KNOWN}'."
    raise IncompatibleMitmproxyError(msg)
