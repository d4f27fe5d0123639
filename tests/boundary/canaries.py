"""A whole shim in stock mitmdump, with every place where a turn leaves a trace, and upstreams that echo what they know.

Never does: use the product to look for a secret. `found` compares bytes.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from mitmproxy import contentviews, http
from mitmproxy import io as mitmproxy_io
from mitmproxy.addons.dumper import Dumper
from mitmproxy.options import Options
from mitmproxy.tools.dump import DumpMaster

from addons.adapters.system.paths import token_file
from addons.proxy.addon import CodexShim
from addons.proxy.contentviews import VIEWS
from tests.core.masking.echo_forms import FORMS
from tests.fakes.account import Account
from tests.fakes.cursor import FakeCursor
from tests.support.client import Response, client
from tests.support.upstream import Exchange, Script, Upstream, upstream
from tests.support.waiting import until

MARK = "xylophone"
"""In every answer: an artefact without it would prove nothing."""
ACCOUNT = Account()
CLIENT = {
    "authorization": "Bearer cl1ent-Bearer-7Qx2vKpz91",
    "chatgpt-account-id": "cl1ent-account-55ab31cd",
    "cookie": "theme=dark; session=c00kie-Value-88fe21",
    "x-codex-shim-token": "",
    "helicone-auth": "Bearer sk-helicone-3Vbn7Ty2",
    "x-nobody-listed": "or-sk-unlisted-Zx81Lm40Pq",
    "user-agent": "codex_exec/0.171.0 sk-agent-9Kq2Wz7Lm4Xv",
}
QUERY_KEY = "query-Key-4411aaBB"
QUERY_CODE = "c0de-Value-7jd93kq2"
ROW_KEYS = {
    "inline": "sk-Row_Inline-9f3aQz71LmXw",
    "file": "file-Key_1b7dTr4Wn82x",
    "env": "env-Key_77Hq2Ms5Vd0c",
    "header": "header-Key_3e9Pz6Bk1Lr8",
    "body": "body-Key_5Yw8Nf2Jt4Xg",
}
PROXY_PASSWORD = "hunter2-Proxy-90Gh"
LOCAL_TOKEN = "l0cal-Token_aZ93kf71QmWx55tt"
CLIENT["x-codex-shim-token"] = LOCAL_TOKEN

CANARIES: Mapping[str, str] = {
    "client bearer": "cl1ent-Bearer-7Qx2vKpz91",
    "client account": "cl1ent-account-55ab31cd",
    "client cookie": "c00kie-Value-88fe21",
    "client gateway key": "sk-helicone-3Vbn7Ty2",
    "client unlisted key": "or-sk-unlisted-Zx81Lm40Pq",
    "client query key": QUERY_KEY,
    "client query code": QUERY_CODE,
    "client user agent": "sk-agent-9Kq2Wz7Lm4Xv",
    "local token": LOCAL_TOKEN,
    "access token": ACCOUNT.access_token,
    "refresh token": ACCOUNT.refresh_token,
    "id token": ACCOUNT.id_token,
    "account": ACCOUNT.account_id,
    "proxy password": PROXY_PASSWORD,
}
"""Known to the process or the client in every turn. Those of `ROW_KEYS` are known in a turn of their row."""

Needles = dict[str, bytes]


NO_LETTERS = bytes(each for each in range(256) if not chr(each).isalnum() or each > 127)


@cache
def forms_of(canary: str) -> Mapping[str, str]:
    """Every form of a canary, by its name."""
    return {form: quoted(canary) for form, quoted in FORMS.items()}


@cache
def _needles(name: str, canary: str) -> Needles:
    needles: Needles = {}
    for form, echo in forms_of(canary).items():
        middle = echo[len(echo) // 4 : len(echo) * 3 // 4]
        needles[f"{name}: {form}"] = middle.encode()
        if (escaped := json.dumps(middle)[1:-1]) != middle:
            needles[f"{name}: {form}, in JSON"] = escaped.encode()
    return needles


def needles_of(canaries: Mapping[str, str]) -> Needles:
    """The middle of each form of each canary, as it is and as JSON writes it."""
    found: Needles = {}
    for name, canary in canaries.items():
        found |= _needles(name, canary)
    return found


def letters(data: bytes) -> bytes:
    return data.lower().translate(None, NO_LETTERS)


def found(artefact: bytes, canaries: Mapping[str, str], needles: Needles) -> list[str]:
    """The names of what an artefact holds, never the values."""
    plain = letters(artefact)
    spelt = [f"{n}: spelt" for n, canary in canaries.items() if letters(canary.encode()) in plain]
    return [*spelt, *(name for name, needle in needles.items() if needle in artefact)]


def echoes(canaries: Mapping[str, str]) -> list[str]:
    """Every form of every canary, with words around it."""
    return [f"{MARK} {echo} {MARK}" for canary in canaries.values() for echo in forms_of(canary).values()]  # fmt: skip


# Upstreams ------------------------------------------------------------------------------------------------


@dataclass
class Echo:
    """What an upstream of one protocol says: whole echoes, and the canaries spread over deltas."""

    protocol: str
    canaries: Mapping[str, str]

    @property
    def parts(self) -> list[str]:
        spread = [c[at : at + 5] for c in self.canaries.values() for at in range(0, len(c), 5)]
        return [*(f"{each}\n" for each in echoes(self.canaries)), *spread, " the end."]

    def _events(self, error: str) -> list[dict[str, object]]:
        parts, last = self.parts, next(iter(self.canaries.values()))
        failure = {"message": error, "code": last, "type": last}
        if self.protocol == "chat":
            deltas: list[dict[str, object]] = [
                {"choices": [{"index": 0, "delta": {"content": each}}]} for each in parts
            ]
            ends: list[dict[str, object]] = [
                {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            ]
            return [*deltas, *([{"error": failure}] if error else ends)]
        if self.protocol == "messages":
            start = {"type": "message_start", "message": {"usage": {"input_tokens": 3}}}
            block = {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            }
            deltas = [
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": e},
                }
                for e in parts
            ]
            ends = [
                {"type": "content_block_stop", "index": 0},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 2},
                },
                {"type": "message_stop"},
            ]
            return [
                start,
                block,
                *deltas,
                *([{"type": "error", "error": failure}] if error else ends),
            ]
        created: dict[str, object] = {
            "type": "response.created",
            "response": {"id": "resp_1", "model": MARK},
        }
        deltas = [
            {"type": "response.output_text.delta", "delta": each, "item_id": "m"} for each in parts
        ]
        limits: dict[str, object] = {
            "type": "codex.rate_limits",
            "rate_limits": {"primary": {"used_percent": 3, "name": last}},
        }
        done: dict[str, object] = {
            "type": "response.completed",
            "response": {"id": "resp_1", "output": [{"text": "".join(parts)}]},
        }
        failed: dict[str, object] = {
            "type": "response.failed",
            "response": {"id": "resp_1", "error": failure},
        }
        return [created, *deltas, limits, failed if error else done]

    @property
    def headers(self) -> list[bytes]:
        """Response headers that echo, one of them in its name."""
        first, *others = self.canaries.values()
        lines = [f"x-request-id: req {first}", f"set-cookie: a={first}; Path=/", f"x-{first}: 1"]
        return [
            line.encode() for line in (*lines, *(f"x-echo-{n}: {c}" for n, c in enumerate(others)))
        ]

    def streams(self, *, error: bool = False) -> Script:
        events = self._events(" ".join(echoes(self.canaries)) if error else "")

        async def script(exchange: Exchange) -> None:
            await exchange.sse_head(*self.headers)
            for event in events:
                await exchange.chunk(b"data: " + json.dumps(event).encode() + b"\n\n")
            await exchange.end()

        return script

    def says(self) -> Script:
        """A JSON answer that is none of a model, such as the results of a search."""
        body = json.dumps({"output": "\n".join(echoes(self.canaries)), "usage": None}).encode()

        async def script(exchange: Exchange) -> None:
            await exchange.whole(body, b"content-type: application/json", *self.headers)

        return script

    def refuses(self, status: bytes) -> Script:
        first = next(iter(self.canaries.values()))
        error = {
            "message": " ".join(echoes(self.canaries)),
            "code": first,
            "type": first,
            "param": MARK,
        }
        body = json.dumps({"error": error, "detail": error["message"]}).encode()

        async def script(exchange: Exchange) -> None:
            await exchange.whole(
                body, b"content-type: application/json", *self.headers, status=status
            )

        return script


# The shim -------------------------------------------------------------------------------------------------


@dataclass
class Setup:
    """One user, whose shim runs in mitmdump with every kind of artefact."""

    folder: Path
    backend: Upstream
    rows: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cursor = FakeCursor(self.folder / "fake")
        self.cursor.install()
        self.shown = io.StringIO()
        (self.folder / ".codex").mkdir()
        ACCOUNT.write(self.folder / ".codex")
        token = token_file(self.env)
        token.parent.mkdir(mode=0o700)
        token.write_text(LOCAL_TOKEN)
        (self.folder / "models.json").write_text(json.dumps({"models": list(self.rows.values())}))

    @property
    def env(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": self.cursor.path,
            "CODEX_SHIM_STATE_DIR": str(self.folder / "state"),
            "CODEX_SHIM_CHATGPT_BASE_URL": f"http://127.0.0.1:{self.backend.port}/codex",
            "CODEX_SHIM_CURSOR_STATUS_SECONDS": "0.2",
            "ROW_KEY": ROW_KEYS["env"],
            "https_proxy": f"http://ada:{PROXY_PASSWORD}@127.0.0.1:9",
            **self.cursor.env,
        }

    @property
    def files(self) -> dict[str, bytes]:
        """Every file that the shim and mitmproxy wrote, apart from those that hold the credentials."""
        state = self.folder / "state"
        paths = [p for p in state.rglob("*") if p.is_file() and p.name != "token"]
        return {
            str(p): p.read_bytes() for p in (*paths, self.folder / "flows", self.folder / "har")
        }

    def views(self) -> dict[str, bytes]:
        """What mitmproxy's and our views show of the flows in the file."""
        shown: dict[str, bytes] = {}
        with (self.folder / "flows").open("rb") as file:
            for number, flow in enumerate(mitmproxy_io.FlowReader(file).stream()):
                assert isinstance(flow, http.HTTPFlow)
                shown[f"state of {number}"] = repr(flow.get_state()).encode()
                for message in (flow.request, flow.response):
                    data = message.content if message else None
                    metadata = contentviews.Metadata(flow=flow, http_message=message)
                    for view in VIEWS if data is not None else ():
                        page = view.prettify(data or b"", metadata)
                        shown[f"{view.name} of {number} {type(message).__name__}"] = page.encode()
        return shown


class _Master(DumpMaster):
    def __init__(self, ready: asyncio.Event) -> None:
        super().__init__(Options(), with_termlog=False, with_dumper=False)
        self._ready = ready

    async def running(self) -> None:
        await super().running()
        self._ready.set()


@dataclass
class Shim:
    """The running shim."""

    port: int
    shim: CodexShim

    async def turn(
        self, model: str, *, codex: bool, path: str = "/v1/responses", **fields: object
    ) -> Response:
        """One turn of a client that sends every credential that it has."""
        lines = [f"{name}: {value}".encode() for name, value in CLIENT.items()]
        body = json.dumps({"model": model, "stream": True, "input": MARK, **fields}).encode()
        async with client(self.port) as c:
            who = [b"originator: codex_exec"] if codex else []
            await c.post(f"{path}?key={QUERY_KEY}&code={QUERY_CODE}&beta=true", body, *lines, *who)
            response = await c.response()
        await until(lambda: self.shim.engine.live_turns == 0)
        return response

    async def get(self, path: str, token: str = LOCAL_TOKEN) -> bytes:
        async with client(self.port) as c:
            await c.get(path, *([f"x-codex-shim-token: {token}".encode()] if token else []))
            return (await c.response()).body


@asynccontextmanager
async def mitmdump(setup: Setup) -> AsyncIterator[Shim]:
    ready = asyncio.Event()
    master = _Master(ready)
    shim = CodexShim(setup.env)
    master.addons.add(Dumper(setup.shown), shim)
    # where `-s` puts it: before the addon that chooses mitmproxy's own layers
    chain = master.addons.chain
    chain.insert(chain.index(master.addons.get("scriptloader")), chain.pop())
    master.options.update(
        mode=["reverse:http://127.0.0.1:9"],
        listen_host="127.0.0.1",
        listen_port=0,
        confdir=str(setup.folder / "conf"),
        codex_shim_settings=str(setup.folder / "models.json"),
        store_streamed_bodies=True,
        save_stream_file=str(setup.folder / "flows"),
        hardump=str(setup.folder / "har"),
        flow_detail=4,
        dumper_default_contentview="raw",
    )
    task = asyncio.create_task(master.run())  # noqa: TID251, RUF100  awaited below
    await ready.wait()
    try:
        yield Shim(master.addons.get("proxyserver").listen_addrs()[0][1], shim)
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await task


@asynccontextmanager
async def echoing(*scripts: Script) -> AsyncIterator[Upstream]:
    async with upstream(*scripts) as fake:
        yield fake
