"""A shim with a row that takes no pictures, and a row that describes them: two strict upstreams.

Never does: let a picture pass to the first one. Invariant: each request for a description has one picture.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

from tests.boundary.surfaces import Home, Running
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import KEY, Json, ModelUpstream, say
from tests.support.client import Response
from tests.support.waiting import until

CODEX = b"originator: codex_exec"
PROVIDERS: Mapping[type[ModelUpstream], str] = {
    ChatUpstream: "generic-chat-completion-api",
    MessagesUpstream: "anthropic",
}


def png(shade: int = 0) -> str:
    """Return a picture of one pixel as a `data:` URL. Each shade is another picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(bytes((0, shade)))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def has_picture(body: Json) -> bool:
    # the tools of Codex have fields of these names, too
    text = json.dumps(body["messages"])
    return '"image_url"' in text or '"type": "image"' in text


def picture(url: str) -> Json:
    return {"type": "input_image", "image_url": url}


def text(words: str) -> Json:
    return {"type": "input_text", "text": words}


def user(*parts: Json) -> Json:
    return {"type": "message", "role": "user", "content": list(parts)}


def answer(words: str) -> Json:
    part: Json = {"type": "output_text", "text": words, "annotations": []}
    return {"type": "message", "role": "assistant", "content": [part]}


def tool_step(*parts: Json) -> list[Json]:
    """Return a call of `view_image` and its output."""
    call: Json = {
        "type": "function_call",
        "call_id": "call_1",
        "name": "view_image",
        "arguments": "{}",
    }
    return [call, {"type": "function_call_output", "call_id": "call_1", "output": list(parts)}]


@dataclass
class Models:
    """The two upstreams."""

    blind: ModelUpstream
    eyes: ModelUpstream
    rows: Mapping[str, Json] = field(default_factory=dict)

    def row(self, slug: str, **more: object) -> Json:
        """Return a row of the model that describes."""
        return {**_row(slug, self.eyes), **more}

    def write(
        self,
        home: Home,
        blind: Mapping[str, object] | None = None,
        more: Sequence[Json] = (),
        **root: object,
    ) -> None:
        """Write models.json. `blind` changes the row that takes no pictures; `more` are further rows."""
        own = {**_row("blind", self.blind), "vision": "eyes", **(blind or {})}
        rows = [own, self.row("eyes", price={"input": 8, "output": 14}), *more]
        home.settings.write_text(json.dumps({"models": rows, **root}))
        home.settings.chmod(0o600)

    @property
    def sent(self) -> list[Json]:
        """The messages of the last request to the model that takes no pictures."""
        messages = self.blind.bodies[-1]["messages"]
        assert isinstance(messages, list)
        return messages

    @property
    def sent_text(self) -> str:
        return json.dumps(self.sent, ensure_ascii=False)


def _row(slug: str, upstream: ModelUpstream) -> Json:
    provider = PROVIDERS[type(upstream)]
    base = upstream.base_url
    return {
        "slug": slug,
        "model": f"{slug}-1",
        "provider": provider,
        "base_url": base,
        "api_key": KEY,
    }


@contextmanager
def models(kind: type[ModelUpstream] = ChatUpstream) -> Iterator[Models]:
    """Run both upstreams, in one protocol."""
    with kind() as blind, kind() as eyes:
        blind.default_answer = say("understood")
        eyes.default_answer = say("A red button that says OK.")
        yield Models(blind, eyes)
    assert blind.objections == eyes.objections == []
    assert not any(map(has_picture, blind.bodies))
    assert all(
        json.dumps(body).count('"image') == 2 for body in eyes.bodies if kind is ChatUpstream
    )


async def turn(
    proxy: Running, *items: Json, lines: tuple[bytes, ...] = (CODEX,), thread: str = "t1"
) -> Response:
    """Run one turn of the row that takes no pictures."""
    body = {"model": "blind", "stream": True, "input": list(items)}
    head = (*lines, b"thread-id: " + thread.encode()) if thread else lines
    response = await proxy.post(orjson.dumps(body), *head)
    await until(lambda: proxy.shim.engine.live_turns == 0)
    return response
