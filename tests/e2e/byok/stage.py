"""A user with Codex and two models of models.json behind one codex-shim: the base of every BYOK test.

One codex-shim and one upstream per protocol serve all tests of a worker; the user is new for each test. Never does:
accept a request that the strict upstream rejects. Invariant: settings and catalog are those of a real user, a
models.json and the files of `codex-shim generate`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.codex_cli import CodexHome, Run
from tests.e2e.shim import Shim, finished, shim_command
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, Json, ModelUpstream

CONTEXT = 200_000
ROWS: Mapping[str, Json] = {
    "chat": {"model": "fake-chat", "provider": "generic-chat-completion-api"},
    "messages": {"model": "claude-sonnet-4-5", "provider": "anthropic"},
}


@dataclass(frozen=True, slots=True)
class Stage:
    """The shim, its upstreams by protocol, and the generated catalog."""

    shim: Shim
    upstreams: Mapping[str, ModelUpstream]
    slugs: Mapping[str, str]
    catalog: Path
    state: Path
    """The state folder of the shim."""


@dataclass(frozen=True, slots=True)
class Byok:
    """One user of the model with one protocol."""

    user: CodexHome
    upstream: ModelUpstream
    base_url: str
    slug: str
    catalog: Path
    protocol: str
    version: str
    transport: str = "http"

    @property
    def transports(self) -> int:
        """How many transports Codex tries: when a WebSocket has no retry left, it goes on by HTTP."""
        return 2 if self.transport == "websocket" else 1

    def configure(self, settings: Mapping[str, object] | None = None, **provider: object) -> None:
        """Write config.toml as `codex-shim generate` does, with these settings added."""
        own = {"model_catalog_json": str(self.catalog), **(settings or {})}
        socket = {"supports_websockets": True} if self.transport == "websocket" else {}
        self.user.configure(self.base_url, self.slug, settings=own, **{**socket, **provider})

    def exec(self, prompt: str, *flags: str, timeout: float = 50) -> Run:
        """Run one turn. Write the default config.toml if the test has written none."""
        if not (self.user.codex_home / "config.toml").exists():
            self.configure()
        return self.user.exec(prompt, *flags, timeout=timeout)

    def body(self, index: int) -> Json:
        """Return a request as the upstream received it."""
        return self.upstream.bodies[index]

    def text(self, index: int) -> str:
        """Return a request as text."""
        return json.dumps(self.upstream.bodies[index], ensure_ascii=False)

    def output_of(self, index: int, call_id: str) -> str:
        """Return the output of a call in a request."""
        return next(output for one, output in results(self.body(index)) if one == call_id)


def results(body: Json) -> Iterator[tuple[str, str]]:
    """Yield call id and content of each tool result in a request, in either protocol."""
    messages = body["messages"]
    assert isinstance(messages, list)
    for message in messages:
        if message["role"] == "tool":
            yield message["tool_call_id"], json.dumps(message["content"], ensure_ascii=False)
        elif isinstance(message["content"], list):
            for block in message["content"]:
                if block["type"] == "tool_result":
                    yield block["tool_use_id"], json.dumps(block.get("content"), ensure_ascii=False)


@contextmanager
def stage(root: Path, codex: Path, **extra: object) -> Iterator[Stage]:
    """Start upstreams and shim, and generate the catalog."""
    owner = CodexHome(root, codex)
    with ExitStack() as stack:
        upstreams: dict[str, ModelUpstream] = {
            "chat": stack.enter_context(ChatUpstream()),
            "messages": stack.enter_context(MessagesUpstream()),
        }
        settings = root / "models.json"
        settings.write_text(json.dumps({"models": _rows(upstreams, extra)}))
        env = {**owner.env, "CODEX_SHIM_SETTINGS": str(settings)}
        shim = stack.enter_context(Shim(env, root / "serve.log"))
        catalog = _generate(owner, env, shim)
        slugs = [row["slug"] for row in json.loads(catalog.read_text())["models"]]
        yield Stage(shim, upstreams, dict(zip(ROWS, slugs, strict=True)), catalog, owner.state)


def _rows(upstreams: Mapping[str, ModelUpstream], extra: Mapping[str, object]) -> list[Json]:
    return [
        {
            **row,
            "base_url": upstreams[protocol].base_url,
            "api_key": KEY,
            "max_context_limit": CONTEXT,
            **extra,
        }
        for protocol, row in ROWS.items()
    ]


def _generate(owner: CodexHome, env: Mapping[str, str], shim: Shim) -> Path:
    done = finished(shim_command("generate", "--port", str(shim.port)), env, owner.root)
    assert done.returncode == 0, done.stderr
    return owner.state / "custom_model_catalog.json"
