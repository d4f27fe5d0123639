"""Count the files of the product that one turn executes, for each protocol of an upstream.

A turn goes through the Master of `codex-shim serve` to an upstream on loopback. `sys.monitoring` reports every function
that starts, in any thread. The first turn of a route also loads modules and settings and is not counted. The exit status
is 1 exactly when a turn executes more files than `MAX_FILES` allows.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import CodeType
from typing import Self

import orjson

from addons.proxy.master import ListenOptions, ShimMaster

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "addons", ROOT / "shim_cli")
SETTLE_SECONDS = 0.3
"""The ledger writes a turn shortly after its end."""
BACKGROUND_TASKS = ("account models", "cursor login")
"""Tasks of the shim that run by the clock, during a turn or not. They end before a turn is counted."""
PROVIDERS = {
    "chat": "generic-chat-completion-api",
    "messages": "anthropic",
    "responses": "openai-responses",
}
"""Slug, which is also the protocol → the provider of its row in models.json."""
MAX_FILES = {"chat": 59, "messages": 59, "responses": 48}
"""Protocol → the files that a turn may execute. A number that has become smaller is written down here."""


def _stream(events: Iterable[Mapping[str, object]]) -> bytes:
    return b"".join(b"data: %s\n\n" % orjson.dumps(event) for event in events)


STREAMS = {
    "/chat/completions": _stream(
        [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "hel"}}]},
            {"choices": [{"index": 0, "delta": {"content": "lo"}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}},
        ]
    )
    + b"data: [DONE]\n\n",
    "/messages": _stream(
        [
            {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 9}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ]
    ),
    "/responses": _stream(
        [
            {"type": "response.created", "response": {"id": "r"}},
            {"type": "response.output_text.delta", "delta": "hi", "item_id": "m", "output_index": 0},
            {"type": "response.completed", "response": {"id": "r", "status": "completed"}},
        ]
    ),
}  # fmt: skip
"""End of the path → the body of the upstream's answer."""
REQUEST: Mapping[str, object] = {
    "instructions": "Be brief.",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c1", "name": "shell", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
    ],
    "tools": [
        {
            "type": "function",
            "name": "shell",
            "strict": False,
            "parameters": {"type": "object", "properties": {}},
        }
    ],
    "stream": True,
    "store": False,
}


class FileRecorder:
    """Context manager that records the files of the product whose functions start."""

    TOOL = 4
    """An id of `sys.monitoring` that no debugger or profiler uses."""

    def __init__(self) -> None:
        self.functions: dict[str, set[str]] = {}
        """File → the qualified names of its functions that started."""

    def __enter__(self) -> Self:
        """Start recording."""
        monitoring = sys.monitoring
        events = monitoring.events.PY_START | monitoring.events.PY_RESUME
        monitoring.use_tool_id(self.TOOL, "turn_files")
        monitoring.register_callback(self.TOOL, monitoring.events.PY_START, self._started)
        monitoring.register_callback(self.TOOL, monitoring.events.PY_RESUME, self._started)
        monitoring.set_events(self.TOOL, events)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop recording."""
        sys.monitoring.set_events(self.TOOL, sys.monitoring.events.NO_EVENTS)
        sys.monitoring.free_tool_id(self.TOOL)

    def _started(self, code: CodeType, _offset: int) -> None:
        path = Path(code.co_filename)
        if any(path.is_relative_to(package) for package in PACKAGES):
            name = str(path.relative_to(ROOT))
            self.functions.setdefault(name, set()).add(code.co_qualname)


async def measure(home: Path) -> dict[str, dict[str, set[str]]]:
    """Return protocol → file that its turn executes → functions. `home` is an empty folder for the shim's files."""
    async with _upstream() as upstream_port, _shim(home, upstream_port) as port:
        found = {}
        for slug in PROVIDERS:
            await _turn(port, slug)
            _end_background_tasks()
            await asyncio.sleep(SETTLE_SECONDS)
            with FileRecorder() as recorder:
                await _turn(port, slug)
                await asyncio.sleep(SETTLE_SECONDS)
            found[slug] = recorder.functions
        return found


def _end_background_tasks() -> None:
    for task in asyncio.all_tasks():
        # in a test mitmproxy adds the test to the name
        if task.get_name().startswith(BACKGROUND_TASKS):
            task.cancel()


@asynccontextmanager
async def _upstream() -> AsyncIterator[int]:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await _head(reader):
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        path = head.split(b" ", 2)[1].decode()
        body = next(body for suffix, body in STREAMS.items() if path.endswith(suffix))
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%s"
            % (len(body), body)
        )
    writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def _shim(home: Path, upstream_port: int) -> AsyncIterator[int]:
    base_url = f"http://127.0.0.1:{upstream_port}/v1"
    rows = [
        {"model": f"m-{slug}", "slug": slug, "provider": provider, "base_url": base_url, "api_key": "k" * 12}
        for slug, provider in PROVIDERS.items()
    ]  # fmt: skip
    settings = home / "models.json"
    settings.write_bytes(orjson.dumps({"models": rows}))
    env = {
        "HOME": str(home),
        "CODEX_HOME": str(home / "codex"),
        "CODEX_SHIM_STATE_DIR": str(home / "state"),
        "PATH": "/bin",
    }
    ready = asyncio.Event()
    master = ShimMaster(ListenOptions("127.0.0.1", 0, settings), lambda _: ready.set(), env)
    running = asyncio.ensure_future(master.run())
    await ready.wait()
    try:
        yield int(master.address.rpartition(":")[2])
    finally:
        master.shutdown()  # type: ignore[no-untyped-call]
        await running


async def _turn(port: int, slug: str) -> None:
    """Send one turn. Raises RuntimeError unless it completes."""
    body = orjson.dumps({"model": slug, **REQUEST})
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
        b"originator: codex_exec\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
        % (port, len(body), body)
    )
    answer = await reader.read()
    writer.close()
    if b"response.completed" not in answer:
        msg = f"the turn of {slug} did not complete: {answer.decode(errors='replace')}"
        raise RuntimeError(msg)


def main() -> int:
    """Print the number of files for each protocol, with --files their names, with --functions what runs of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", action="store_true", help="print the names of the files")
    parser.add_argument("--functions", action="store_true", help="print the functions of each file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        found = asyncio.run(measure(Path(home)))
    for protocol, files in found.items():
        print(f"{protocol}: {len(files)} files (at most {MAX_FILES[protocol]})")
        for name, functions in sorted(files.items()):
            if arguments.functions:
                print(f"  {name}: {', '.join(sorted(functions))}")
            elif arguments.files:
                print(f"  {name}")
    return int(any(len(files) > MAX_FILES[protocol] for protocol, files in found.items()))


if __name__ == "__main__":
    sys.exit(main())
