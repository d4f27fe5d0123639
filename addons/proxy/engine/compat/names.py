"""Every name of mitmproxy, h11 and asyncio that the engine uses and that an import alone does not check.

Never does: make an object, run a method. Invariant: a name that the engine reads on an object of mitmproxy, h11 or
asyncio and that begins with an underscore, or is inherited, is in one of the two tables.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from types import FunctionType

_PROXY = "mitmproxy.proxy"
_HTTP = f"{_PROXY}.layers.http"
_HTTP1, _EVENTS = f"{_HTTP}._http1", f"{_HTTP}._events"

CALLABLES: tuple[tuple[str, str, str], ...] = (
    (_HTTP, "HttpLayer.__init__", "context mode"),
    (_HTTP, "HttpLayer._handle_event", "event"),
    (_HTTP, "HttpLayer.event_to_child", "child event"),
    (_HTTP, "HttpLayer.make_stream", "stream_id"),
    (_HTTP, "HttpLayer.get_connection", "event reuse"),
    (_HTTP, "HttpLayer.register_connection", "command"),
    (_HTTP, "HttpStream.__init__", "context stream_id"),
    (_HTTP, "HttpStream._handle_event", "event"),
    (_HTTP, "HttpStream.state_wait_for_request_headers", "event"),
    (_HTTP, "HttpStream.state_consume_request_body", "event"),
    (_HTTP, "HttpStream.check_invalid", "request"),
    (_HTTP, "HttpStream.check_body_size", "request"),
    (_HTTP, "HttpStream.check_killed", "emit_error_hook"),
    (_HTTP, "HttpStream.start_request_stream", ""),
    (_HTTP, "HttpStream.make_server_connection", ""),
    (_HTTP, "GetHttpConnection", "address tls via transport_protocol"),
    (_HTTP, "GetHttpConnection.connection_spec_matches", "connection"),
    (_HTTP, "GetHttpConnectionCompleted", "command reply"),
    (_HTTP, "SendHttp", "event connection"),
    (_HTTP, "DropStream", "stream_id"),
    (_HTTP, "HttpClient._handle_event", "event"),
    (_HTTP, "RegisterHttpConnection", "connection err"),
    (_HTTP, "validate_request", "mode request validate_inbound_headers"),
    (_HTTP1, "Http1Server.__init__", "context"),
    (_HTTP1, "Http1Server.read_headers", "event"),
    (_HTTP1, "Http1Server.send", "event"),
    (_HTTP1, "Http1Client.read_headers", "event"),
    (_HTTP1, "Http1Connection._handle_event", "event"),
    (_HTTP1, "Http1Connection.read_body", "event"),
    (_HTTP1, "Http1Connection.wait", "event"),
    (_HTTP1, "Http1Connection.done", "event"),
    (_HTTP1, "Http1Connection.mark_done", "request response"),
    (_HTTP1, "Http1Connection.make_pipe", ""),
    (f"{_HTTP}._http2", "Http2Server.__init__", "context"),
    (f"{_HTTP}._http2", "Http2Server.handle_h2_event", "event"),
    (f"{_HTTP}._http_h2", "BufferedH2Connection.__init__", "config"),
    (f"{_HTTP}._http_h2", "BufferedH2Connection.data_to_send", "amount"),
    ("h2.connection", "H2Connection._begin_new_stream", "stream_id allowed_ids"),
    ("h2.stream", "H2Stream._initialize_content_length", "headers"),
    (f"{_HTTP}._base", "ReceiveHttp", "event"),
    (f"{_HTTP}._base", "HttpConnection.__init__", "context conn"),
    (
        "mitmproxy.http",
        "RequestData",
        "http_version headers content trailers timestamp_start timestamp_end host port method scheme authority path",
    ),
    (
        "mitmproxy.http",
        "ResponseData",
        "http_version headers content trailers timestamp_start timestamp_end status_code reason",
    ),
    (_EVENTS, "RequestHeaders", "stream_id request end_stream replay_flow"),
    (_EVENTS, "RequestData", "stream_id data"),
    (_EVENTS, "RequestEndOfMessage", "stream_id"),
    (_EVENTS, "RequestProtocolError", "stream_id message code"),
    (_EVENTS, "ResponseHeaders", "stream_id response end_stream"),
    (_EVENTS, "ResponseData", "stream_id data"),
    (_EVENTS, "ResponseEndOfMessage", "stream_id"),
    (_EVENTS, "ResponseProtocolError", "stream_id message code"),
    (f"{_HTTP}._hooks", "HttpRequestHeadersHook", "flow"),
    (f"{_HTTP}._hooks", "HttpRequestHook", "flow"),
    (f"{_HTTP}._hooks", "HttpResponseHeadersHook", "flow"),
    (f"{_HTTP}._hooks", "HttpResponseHook", "flow"),
    (f"{_HTTP}._hooks", "HttpErrorHook", "flow"),
    (f"{_PROXY}.layers.modes", "ReverseProxy", "context"),
    (f"{_PROXY}.layers.tls", "ClientTLSLayer", "context"),
    (f"{_PROXY}.layer", "Layer.handle_event", "event"),
    (f"{_PROXY}.layer", "NextLayer", "context ask_on_start"),
    (f"{_PROXY}.layer", "NextLayer.data_client", ""),
    (f"{_PROXY}.layer", "NextLayer._ask", ""),
    (f"{_PROXY}.context", "Context", "client options"),
    (f"{_PROXY}.context", "Context.fork", ""),
    (f"{_PROXY}.events", "DataReceived", "connection data"),
    (f"{_PROXY}.events", "ConnectionClosed", "connection"),
    (f"{_PROXY}.events", "HookCompleted", "command"),
    (f"{_PROXY}.events", "MessageInjected", "flow message"),
    (f"{_PROXY}.events", "Wakeup", "command"),
    (f"{_PROXY}.commands", "RequestWakeup", "delay"),
    (f"{_PROXY}.commands", "SendData", "connection data"),
    (f"{_PROXY}.commands", "CloseConnection", "connection"),
    (f"{_PROXY}.commands", "Log", "message level"),
    (f"{_PROXY}.server", "TimeoutWatchdog.register_activity", ""),
    (f"{_PROXY}.server", "ConnectionHandler.server_event", "event"),
    (f"{_PROXY}.server", "ConnectionHandler.handle_connection", "connection"),
    (f"{_PROXY}.server", "ConnectionHandler.drain_writers", ""),
    (f"{_PROXY}.server", "ConnectionHandler.handle_client", ""),
    (f"{_PROXY}.server", "ConnectionHandler.on_timeout", ""),
    (f"{_PROXY}.server", "LiveConnectionHandler", "reader writer options mode"),
    (f"{_PROXY}.mode_servers", "ProxyConnectionHandler", "master r w options mode"),
    (f"{_PROXY}.server", "ConnectionIO", "handler reader writer"),
    ("mitmproxy.optmanager", "_Option", "name typespec default help choices"),
    ("mitmproxy.optmanager", "_Option.current", ""),
    ("mitmproxy.addonmanager", "safecall", ""),
    ("mitmproxy.addonmanager", "traverse", "chain"),
    ("mitmproxy.addonmanager", "AddonManager.get", "name"),
    ("mitmproxy.addonmanager", "AddonManager.handle_lifecycle", "event"),
    ("mitmproxy.addons.clientplayback", "ReplayHandler.__init__", "flow options"),
    ("mitmproxy.addons.clientplayback", "ReplayHandler.replay", ""),
    ("mitmproxy.addons.proxyserver", "Proxyserver", ""),
    ("mitmproxy.addons.proxyserver", "Proxyserver.listen_addrs", ""),
    ("mitmproxy.addons.proxyserver", "Servers.update", "modes"),
    ("mitmproxy.addons.proxyserver", "Servers.__iter__", ""),
    ("mitmproxy.flow", "Flow.kill", ""),
    ("mitmproxy.flow", "Error", "msg"),
    (
        "mitmproxy.http",
        "Request",
        "host port method scheme authority path http_version headers content trailers timestamp_start timestamp_end",
    ),
    (
        "mitmproxy.http",
        "Response",
        "http_version status_code reason headers content trailers timestamp_start timestamp_end",
    ),
    ("mitmproxy.net.http.http1", "expected_http_body_size", "request response"),
    ("mitmproxy.net.http.http1", "read_request_head", "lines"),
    ("mitmproxy.net.http.http1", "read_response_head", "lines"),
    ("mitmproxy.net.http.http1", "assemble_request_head", "request"),
    ("mitmproxy.net.http.http1", "assemble_response_head", "response"),
    ("mitmproxy.net.http.http1", "assemble_response", "response"),
    ("mitmproxy.net.http.validate", "parse_content_length", "value"),
    ("mitmproxy.net.http.validate", "validate_headers", "message"),
    ("mitmproxy.net.tls", "starts_like_tls_record", "d"),
    ("mitmproxy.utils.asyncio_utils", "create_task", "coro name keep_ref"),
    ("h11._readers", "ChunkedReader.__call__", "buf"),
    ("h11._readers", "ChunkedReader.read_eof", ""),
    ("h11._readers", "ContentLengthReader.__call__", "buf"),
    ("h11._receivebuffer", "ReceiveBuffer.__iadd__", ""),
    ("h11._receivebuffer", "ReceiveBuffer.__bytes__", ""),
    ("h11._receivebuffer", "ReceiveBuffer.maybe_extract_at_most", "count"),
    ("h11._receivebuffer", "ReceiveBuffer.maybe_extract_lines", ""),
    ("asyncio", "StreamReader.read", "n"),
    ("asyncio", "StreamReader.at_eof", ""),
    ("asyncio", "StreamWriter.drain", ""),
    ("asyncio", "StreamWriter.is_closing", ""),
    ("asyncio", "eager_task_factory", "loop coro"),
)
"""Module, dotted name in it, and the parameters that the engine passes or overrides."""

ATTRIBUTES: tuple[tuple[str, str, str], ...] = (
    (_HTTP, "HttpLayer", "context mode connections streams command_sources waiting_for_establishment"),
    (_HTTP, "HttpStream", "context flow stream_id mode client_state server_state"),
    (f"{_PROXY}.layer", "Layer", "context _paused _paused_event_queue"),
    (f"{_PROXY}.layer", "Paused", "command generator"),
    (f"{_PROXY}.layer", "NextLayer", "context layer events _handle"),
    (f"{_PROXY}.layers.modes", "ReverseProxy", "child_layer"),
    (f"{_PROXY}.context", "Context", "client server layers options"),
    (f"{_PROXY}.layers.tls", "ClientTLSLayer", "child_layer"),
    (_HTTP1, "Http1Connection", "conn stream_id request response state buf body_reader"),
    (_HTTP1, "Http1Server", "ReceiveData ReceiveEndOfMessage ReceiveProtocolError"),
    (_HTTP1, "Http1Client", "ReceiveData ReceiveEndOfMessage ReceiveProtocolError"),
    (f"{_HTTP}._http2", "Http2Server", "h2_conn streams ReceiveEndOfMessage"),
    (f"{_HTTP}._http_h2", "BufferedH2Connection", "stream_buffers"),
    (f"{_HTTP}._http_h2", "SendH2Data", "data"),
    (_EVENTS, "ErrorCode", "CLIENT_DISCONNECTED GENERIC_SERVER_ERROR KILL"),
    (_EVENTS, "RequestProtocolError", "code"),
    (_EVENTS, "ResponseProtocolError", "code"),
    (f"{_PROXY}.commands", "Command", "blocking"),
    (f"{_PROXY}.commands", "StartHook", "name blocking args"),
    (f"{_PROXY}.commands", "OpenConnection", "connection"),
    (f"{_PROXY}.server", "ConnectionHandler", "_server_event_lock client layer max_conns transports timeout_watchdog wakeup_timer"),
    (f"{_PROXY}.server", "TimeoutWatchdog", "last_activity timeout blocker"),
    (f"{_PROXY}.mode_servers", "ServerInstance", "last_exception"),
    ("mitmproxy.optmanager", "_Option", "value _default"),
    ("mitmproxy.addonmanager", "AddonManager", "chain"),
    ("mitmproxy.addons.clientplayback", "ReplayHandler", "layer flow"),
    ("mitmproxy.addons.proxyserver", "Proxyserver", "connections servers"),
    ("mitmproxy.connection", "Client", "id state alpn alpn_offers peername proxy_mode"),
    ("mitmproxy.connection", "Server", "state error alpn alpn_offers connected address sni timestamp_start timestamp_tcp_setup timestamp_tls_setup timestamp_end via"),
    ("mitmproxy.connection", "ConnectionState", "OPEN CLOSED CAN_READ CAN_WRITE"),
    ("mitmproxy.flow", "Flow", "id error live intercepted is_replay metadata comment marked _resume_event"),
    ("mitmproxy.flow", "Error", "msg KILLED_MESSAGE"),
    ("mitmproxy.http", "HTTPFlow", "request response client_conn server_conn"),
    ("mitmproxy.http", "Message", "data headers raw_content stream timestamp_end http_version is_http2"),
    ("mitmproxy.http", "MessageData", "headers content"),
    ("mitmproxy.http", "Headers", "fields"),
    ("h11._readers", "ChunkedReader", "_bytes_in_chunk _bytes_to_discard _reading_trailer"),
    ("h11._receivebuffer", "ReceiveBuffer", "_data"),
    ("h11._readers", "ContentLengthReader", "_remaining"),
    ("h11", "Data", "data"),
    ("asyncio", "StreamReader", "_buffer _waiter _limit"),
    ("asyncio", "StreamWriter", "transport _transport"),
)  # fmt: skip
"""Module, class, and the attributes of its objects that the engine reads or sets."""


def differences() -> list[str]:
    """Return what the installed packages lack, as `module.name (what is wrong)`."""
    modules = dict.fromkeys(row[0] for row in (*CALLABLES, *ATTRIBUTES))
    broken = dict.fromkeys(filter(None, map(_import_error, modules)))
    return list(broken) or [*_changed_callables(), *_missing_attributes()]


def missing_import(error: ImportError) -> str:
    """Return what could not be imported, without a path."""
    name = ".".join(filter(None, (error.name, error.name_from)))
    return f"{name} (cannot be imported)" if name else str(error)


def _import_error(module: str) -> str:
    try:
        importlib.import_module(module)
    except ImportError as error:
        return missing_import(error)
    return ""


def _changed_callables() -> Iterator[str]:
    for module, name, parameters in CALLABLES:
        found = _find(module, name)
        if found is None:
            yield f"{module}.{name} (missing)"
        elif not callable(found):
            yield f"{module}.{name} (not callable)"
        elif lacking := [one for one in parameters.split() if one not in _parameters(found)]:
            yield f"{module}.{name} (no parameter {', '.join(lacking)})"


def _missing_attributes() -> Iterator[str]:
    for module, name, attributes in ATTRIBUTES:
        found = _find(module, name)
        if not isinstance(found, type):
            yield f"{module}.{name} (missing)"
            continue
        known = _mentioned(found)
        for attribute in attributes.split():
            if attribute not in known:
                yield f"{module}.{name}.{attribute} (missing)"


def _find(module: str, name: str) -> object | None:
    found: object = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _parameters(found: Callable[..., object]) -> tuple[str, ...]:
    function = found.__init__ if isinstance(found, type) else found  # type: ignore[misc]
    if isinstance(function, FunctionType) and not hasattr(function, "__wrapped__"):
        # What inspect.signature would return, fifty times as fast.
        code = function.__code__
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return tuple(inspect.signature(found).parameters)


def _mentioned(found: type) -> set[str]:
    """Return the names that a class has, and those that its methods use: attributes of its objects are among them."""
    known: set[str] = set()
    for base in found.__mro__[:-1]:
        known.update(vars(base))
        for member in vars(base).values():
            if isinstance(member, FunctionType):
                known.update(member.__code__.co_names)
    return known
