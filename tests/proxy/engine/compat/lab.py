"""Starts the shim once for each change, in forked children, and reports what happens.

Run as `python -m tests.proxy.engine.compat.lab TOOL WORKERS EVERY`, where the tool is serve, mitmdump or mitmweb, and
each EVERYth change is tried. It prints one line of JSON for each. Everything but mitmproxy and the data plane is imported
before the forks, so a start of `serve` costs a quarter of a second.

Invariant: a child has a home folder of its own; the lab ends every process that it starts.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

# ruff: noqa: F401 - imported before the forks
import cryptography.x509
import h2.connection
import httpx
import mitmproxy_rs
import OpenSSL.SSL
import orjson
import pydantic
import tomlkit
import typer
import uvloop
import zstandard

from tests.proxy.engine.compat.changes import ALL, START, Change, Edit
from tests.proxy.engine.compat.source import change

START_SECONDS, TURN_SECONDS = 20.0, 3.0
ADDRESS = re.compile(r"(?:codex-shim listens on|listening at) (?:http://)?127\.0\.0\.1:(\d+)")
OUTPUTS = ("stdout", "stderr")
NOTICED = "codex-shim needs mitmproxy"
ADVICE = re.compile(
    r"`(?:uv pip install --python \S+|\S+ -m pip install) 'mitmproxy>=12\.2,<12\.4'`"
)
SELF_TEST = Edit(
    "addons.proxy.engine.compat.self_test", r"^LIMIT_SECONDS = .*$", "LIMIT_SECONDS = 1.5"
)
CHUNKS = [
    {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
BODY = json.dumps({"model": "mine", "stream": True, "input": "Say hello " * 2000})


class _ChatUpstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Stream a chat completion."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS]
        for event in (*events, "data: [DONE]\n\n"):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event.encode()))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


UNCHANGED = Change("nothing is changed", ())


def main(tool: str, workers: int, every: int) -> None:
    """Spread the changes over workers."""
    possible = ALL if tool == "serve" else ALL[len(START) :]
    changes = (UNCHANGED, *possible[::every])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _ChatUpstream)
    upstream = _forked(server.serve_forever)
    port = server.server_port
    server.server_close()
    try:
        pids = [
            _forked(lambda n=n: _work(tool, changes[n::workers], port))  # type: ignore[misc]
            for n in range(workers)
        ]
        for pid in pids:
            os.waitpid(pid, 0)
    finally:
        os.kill(upstream, signal.SIGTERM)
        os.waitpid(upstream, 0)


def _forked(run: Callable[[], object]) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        run()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException as error:  # noqa: BLE001  what the interpreter would do
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _work(tool: str, changes: Sequence[Change], upstream: int) -> None:
    for each in changes:
        with tempfile.TemporaryDirectory() as folder:
            verdict, detail = _verdict(tool, each, Path(folder), upstream)
        line = json.dumps({"name": each.name, "verdict": verdict, "detail": detail})
        os.write(1, line.encode() + b"\n")


def _verdict(tool: str, each: Change, home: Path, upstream: int) -> tuple[str, str]:
    row = {"model": "mine", "provider": "openai-compatible", "base_url": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-none"}  # fmt: skip
    (home / "models.json").write_text(json.dumps([row]))
    for name in OUTPUTS:
        (home / name).touch()
    pid = _forked(lambda: _start(tool, each, home))
    code, trouble = None, ""
    try:
        port, code = _listening(tool, pid, home)
        if port:
            trouble = _trouble(port)
            os.kill(pid, signal.SIGTERM)
            code = _exit_code(pid, 5.0)
    finally:
        if code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    said = "".join((home / name).read_text() for name in OUTPUTS)
    if not port:
        plain = NOTICED in said and bool(ADVICE.search(said)) and "Traceback" not in said
        return ("noticed" if code == 1 and plain else "harm"), said[-400:]
    trouble = trouble or ("" if code == 0 else f"ended with {code}")
    return ("harm" if trouble else "harmless"), trouble


def _start(tool: str, each: Change, home: Path) -> None:
    for number, name in enumerate(OUTPUTS, start=1):
        os.dup2(os.open(home / name, os.O_WRONLY), number)
    os.environ.clear()
    os.environ.update(HOME=str(home), PATH="", CODEX_SHIM_STATE_DIR=str(home / "state"))
    change([*each.edits, SELF_TEST])
    sys.argv[:] = ["codex-shim", tool, "--port", "0", "--settings", str(home / "models.json")]
    if tool == "serve":
        from shim_cli.app import main as shim  # noqa: PLC0415

        shim()
    else:
        _run_tool(tool, home)


def _run_tool(tool: str, home: Path) -> None:
    """Run the tool as `codex-shim` does, which would replace this process and the changed modules with it."""
    from mitmproxy.tools import main as tools  # noqa: PLC0415

    from shim_cli.commands.mitmproxy_tools import addon_file, tool_command  # noqa: PLC0415

    os.environ["CODEX_SHIM_SETTINGS"] = str(home / "models.json")
    web = ["--web-port", "0"] if tool == "mitmweb" else []
    command = tool_command("mitmweb" if web else "mitmdump", addon_file(), 0, web, os.environ)
    getattr(tools, tool)(command[4:])


def _listening(tool: str, pid: int, home: Path) -> tuple[int, int | None]:
    """Return the port of a child that serves, or the exit code of one that has ended."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if (code := _exit_code(pid, 0.0)) is not None:
            return 0, code
        found = ADDRESS.search((home / "stdout").read_text())
        # mitmdump listens before it loads the shim.
        if found and (tool == "serve" or _answers(int(found[1]))):
            return int(found[1]), None
        time.sleep(0.02)
    return 0, None


def _answers(port: int) -> bool:
    """Return whether anything answers a client."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        client.request("GET", "/health")
        client.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()
    return True


def _exit_code(pid: int, seconds: float) -> int | None:
    until = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(0.01)


def _trouble(port: int) -> str:
    """Return what is wrong with three turns: two on one connection, one on another."""
    try:
        for turns in (2, 1):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=TURN_SECONDS)
            for _ in range(turns):
                client.request("POST", "/v1/responses", BODY, {"content-type": "application/json"})
                answer = client.getresponse().read()
                if b'"response.completed"' not in answer or b"Hello" not in answer:
                    return answer[-300:].decode(errors="replace")
            client.close()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
