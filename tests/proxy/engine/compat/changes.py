"""Changes that a later mitmproxy, h11 or Python may make to what the engine uses, as edits of their source.

Each edit is consistent: the package that is changed goes on working by itself. Invariant: each pattern is found in the
installed source; `source.changed` raises otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

PROXY = "mitmproxy.proxy"
HTTP = f"{PROXY}.layers.http"
HTTP1 = f"{HTTP}._http1"
EVENTS = f"{HTTP}._events"
READERS, BUFFER = "h11._readers", "h11._receivebuffer"
STREAMS = "asyncio.streams"


@dataclass(frozen=True)
class Edit:
    """Replaces every match of a pattern in the source of one module."""

    module: str
    pattern: str
    replacement: str


@dataclass(frozen=True)
class Change:
    name: str
    edits: tuple[Edit, ...]


def renamed(old: str, new: str, *modules: str) -> Change:
    """A name that has another one from now on, in these modules."""
    edits = tuple(Edit(module, rf"\b(?:{old})\b", new) for module in modules)
    return Change(f"{modules[0]}: {old} is renamed", edits)


def edited(module: str, what: str, pattern: str, replacement: str) -> Change:
    return Change(f"{module}: {what}", (Edit(module, pattern, replacement),))


ATTRIBUTES = (
    renamed(r"(?<=\.)streams(?!\w)", "http_streams", HTTP),
    renamed("command_sources", "command_origins", HTTP),
    renamed("waiting_for_establishment", "pending", HTTP),
    renamed(r"(?<=[.])connections", "conns", HTTP, "mitmproxy.addons.clientplayback"),
    renamed("client_state", "state_of_client", HTTP),
    renamed("_paused_event_queue", "_queued", f"{PROXY}.layer"),
    renamed("_paused", "_suspended", f"{PROXY}.layer"),
    renamed("generator", "coroutine", f"{PROXY}.layer"),
    renamed("transports", "channels", f"{PROXY}.server"),
    renamed("wakeup_timer", "wakeup_tasks", f"{PROXY}.server"),
    renamed("last_activity", "last_seen", f"{PROXY}.server"),
    renamed(r"(?<=self\.)servers", "listeners", "mitmproxy.addons.proxyserver"),
    renamed(r"(?<=self\.)connections", "handlers", "mitmproxy.addons.proxyserver"),
    renamed("_servers", "_listeners", f"{PROXY}.mode_servers"),
    renamed("body_reader", "reader", HTTP1),
    renamed(r"(?<=self\.)buf", "buffer", HTTP1),
    renamed("ReceiveData", "ReceivedData", HTTP1, f"{HTTP}._http2"),
    renamed("_resume_event", "_resumed", "mitmproxy.flow"),
    renamed(r"(?<=self\.)chain", "all_addons", "mitmproxy.addonmanager"),
    renamed("intercepted", "held", "mitmproxy.flow"),
)

H11 = (
    renamed("_bytes_in_chunk", "_left_in_chunk", READERS),
    renamed("_bytes_to_discard", "_discard", READERS),
    renamed("_reading_trailer", "_in_trailer", READERS),
    renamed("_remaining", "_left", READERS),
    renamed("maybe_extract_at_most", "extract_at_most", READERS, BUFFER, HTTP1),
    renamed("maybe_extract_lines", "extract_lines", READERS, BUFFER, HTTP1),
    renamed("ChunkedReader", "ChunkReader", READERS, HTTP1),
    renamed("ReceiveBuffer", "Buffer", BUFFER, READERS, HTTP1, "h11._connection", f"{HTTP}._upstream_proxy"),
    edited(READERS, "a reader returns bytes, not Data", r"return Data\(data=data, [^)]*\)", "return bytes(data)"),
    edited(READERS, "the owed line end is a memoryview", r'b"\\r\\n"\n', 'memoryview(b"\\\\r\\\\n")\n'),
    edited(BUFFER, "an extracted piece is a memoryview", r"return self\._extract\(count\)", "return memoryview(self._extract(count))"),
)  # fmt: skip

ASYNCIO = (
    renamed("_buffer", "_data_buffer", STREAMS),
    renamed("_waiter", "_reading", STREAMS),
    renamed("_limit", "_high_water", STREAMS),
)

SIGNATURES = (
    renamed("HookCompleted", "HookDone", f"{PROXY}.events", f"{PROXY}.server"),
    Change(f"{PROXY}.server: server_event wants a priority", (
        Edit(f"{PROXY}.server", r"def server_event\(self, event", "def server_event(self, priority, event"),
        Edit(f"{PROXY}.server", r"self\.server_event\(", "self.server_event(0, "),
    )),
    renamed("keep_ref", "strong", "mitmproxy.utils.asyncio_utils", f"{PROXY}.server", "mitmproxy.addons.proxyserver", "mitmproxy.master", "mitmproxy.addons.script"),
    edited(HTTP, "make_stream takes the request", r"def make_stream\(self, stream_id: int\)", "def make_stream(self, stream: int, request=None)"),
    edited(HTTP, "get_connection loses reuse", r"event: GetHttpConnection, \*, reuse: bool = True", "event: GetHttpConnection, *, again: bool = True"),
    edited(HTTP, "SendHttp is given the connection first", r"    event: HttpEvent\n    connection: Connection\n", "    connection: Connection\n    event: HttpEvent\n"),
    edited(HTTP, "GetHttpConnection loses via", r"^    via: [^\n]*\n", ""),
    edited(EVENTS, "RequestHeaders loses replay_flow", r"replay_flow", "replayed"),
    edited(EVENTS, "ErrorCode.KILL is renamed", r"\bKILL\b", "KILLED"),
    renamed("delay", "seconds", f"{PROXY}.commands", f"{PROXY}.server"),
    edited(f"{PROXY}.layer", "NextLayer loses ask_on_start", r"(?<!_)ask_on_start", "eager"),
    renamed("DropStream", "ForgetStream", HTTP),
    renamed("mark_done", "message_done", HTTP1),
    renamed("read_headers", "read_head", HTTP1),
    renamed("register_connection", "connection_made", HTTP),
    renamed("check_killed", "is_killed", HTTP),
    renamed("data_client", "client_data", f"{PROXY}.layer", "mitmproxy.addons.next_layer"),
    renamed("HttpErrorHook", "HttpFailedHook", f"{HTTP}._hooks", HTTP),
    renamed("handle_h2_event", "on_h2_event", f"{HTTP}._http2"),
    renamed("validate_headers", "check_headers", "mitmproxy.net.http.validate", HTTP),
    renamed("ReplayHandler", "PlaybackHandler", "mitmproxy.addons.clientplayback"),
    renamed("safecall", "guarded", "mitmproxy.addonmanager", "mitmproxy.addons.script"),
    renamed("ServerInstance", "Listener", f"{PROXY}.mode_servers", "mitmproxy.addons.proxyserver"),
)  # fmt: skip

BEHAVIOUR = (
    edited(f"{PROXY}.layer", "handle_event returns a list", r"(?s)    def handle_event\(self, event: events\.Event\) -> CommandGenerator\[None\]:\n", "    def handle_event(self, event):\n        return list(self._each(event))\n\n    def _each(self, event):\n"),
    edited(f"{PROXY}.layer", "a paused layer drops what comes", r"self\._paused_event_queue\.append\(event\)", "pass"),
    edited(f"{PROXY}.layer", "a reply is not sent into the generator", r"yield from self\.__process\(command_generator, event\.reply\)", "yield from self.__process(command_generator)"),
    Change(f"{HTTP}: a command's source is kept by its id", (
        Edit(HTTP, r"self\.command_sources\[command\]", "self.command_sources[id(command)]"),
        Edit(HTTP, r"self\.command_sources\.pop\(([\w.]+)\)", r"self.command_sources.pop(id(\1))"),
    )),
    edited(HTTP, "HttpClient passes events on by itself", r"self\._handle_event = self\.child_layer\.handle_event", "self._handle_event = lambda one: self.child_layer.handle_event(one)"),
    edited(HTTP, "event_to_child returns a list", r"(?s)    def event_to_child\(\n        self,\n        child: layer\.Layer \| HttpStream,\n        event: events\.Event,\n    \) -> layer\.CommandGenerator\[None\]:\n", "    def event_to_child(self, child, event):\n        return list(self._to_child(child, event))\n\n    def _to_child(self, child, event):\n"),
    Change(f"{HTTP}: ReceiveHttp names its event in another way", (
        Edit(f"{HTTP}._base", r"self\.event\b", "self.received"),
        Edit(HTTP, r"command\.event\b", "command.received"),
        Edit(HTTP, r"^    event: HttpEvent$", "    received: HttpEvent"),
    )),
    edited(HTTP1, "a connection serves one request", r"self\.state = self\.read_headers\n            if self\.buf", "self.state = self.done\n            if self.buf"),
    edited(HTTP, "a connection comes without a reply", r"reply = \(command\.connection, None\)", "reply = (command.connection,)"),
    Change(f"{HTTP}: a stream is kept by the text of its id", (
        Edit(HTTP, r"self\.streams\[([\w.]+)\]", r"self.streams[str(\1)]"),
        Edit(HTTP, r"self\.streams\.pop\(command\.stream_id", "self.streams.pop(str(command.stream_id)"),
    )),
    Change(f"{PROXY}.server: wake-ups are a list", (
        Edit(f"{PROXY}.server", r"self\.wakeup_timer = set\(\)", "self.wakeup_timer = []"),
        Edit(f"{PROXY}.server", r"self\.wakeup_timer\.discard", "self.wakeup_timer.remove"),
        Edit(f"{PROXY}.server", r"self\.wakeup_timer\.add", "self.wakeup_timer.append"),
    )),
    Change(f"{PROXY}.server: transports are listed by the connection's id", (
        Edit(f"{PROXY}.server", r"transports\[([\w.]+)\]", r"transports[\1.id]"),
        Edit(f"{PROXY}.server", r"([\w.]+) not in self\.transports", r"\1.id not in self.transports"),
        Edit(f"{PROXY}.server", r"transports\.pop\(([\w.]+)\)", r"transports.pop(\1.id)"),
    )),
    edited(f"{PROXY}.events", "data is a memoryview", r"class DataReceived\((?s:.*?)    data: bytes\n", r"\g<0>\n    def __post_init__(self):\n        self.data = memoryview(self.data)\n"),
)  # fmt: skip

START = (  # what `serve` alone starts with
    edited("mitmproxy.master", "Master loses with_termlog", r"with_termlog", "with_log"),
    renamed("DisableH2C", "RefuseH2C", "mitmproxy.addons.disable_h2c"),
    renamed("update_defer", "defer", "mitmproxy.optmanager"),
    edited("mitmproxy.addons.proxyserver", "addresses are objects", r"return \[\n?.*?for server in self\.servers[^\]]*\]", "return [object()]"),
    renamed("add_option", "option", "mitmproxy.addonmanager"),
    renamed("last_exception", "error", "mitmproxy.proxy.mode_servers"),
    renamed("Proxyserver", "Listeners", "mitmproxy.addons.proxyserver"),
    renamed("__post_init__", "_check", "mitmproxy.http"),
)  # fmt: skip

ALL = (*START, *ATTRIBUTES, *H11, *ASYNCIO, *SIGNATURES, *BEHAVIOUR)
