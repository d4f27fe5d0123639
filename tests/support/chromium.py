"""A headless Chromium, driven by its DevTools protocol over one WebSocket.

Never does: use a profile that exists, reach anything but loopback. Invariant: it ends with its context.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.support.waiting import until

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=127.0.0.1",
    "--remote-debugging-port=0",
)
BINARIES = ("chromium", "chromium-browser", "google-chrome")
LARGEST_MESSAGE = 64 * 1024 * 1024
START_SECONDS = 40.0


class NavigatedError(Exception):
    """The page was left for another one while it was asked."""


class Page:
    """One tab."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._ids = count(1)
        self.events: list[dict[str, Any]] = []
        """Console messages and exceptions of the page."""

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command of the protocol."""
        number = next(self._ids)
        await self._socket.write_message(
            json.dumps({"id": number, "method": method, "params": params})
        )
        while True:
            message = await self._socket.read_message()
            assert message is not None, "Chromium closed the connection"
            answer: dict[str, Any] = json.loads(message)
            if answer.get("id") == number:
                if "navigated" in answer.get("error", {}).get("message", ""):
                    raise NavigatedError
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    async def go(self, url: str) -> None:
        """Open a URL."""
        await self.call("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return result["result"].get("value")

    async def evaluate_async(self, script: str) -> Any:
        """The value of the promise that a JavaScript expression returns."""
        result = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        return result["result"].get("value")

    async def text(self) -> str:
        """What can be read on the page."""
        return str(await self.evaluate("document.body ? document.body.innerText : ''"))

    async def wait_for(self, script: str, seconds: float = 20.0) -> None:
        """Return as soon as an expression is true. Raises TimeoutError, with what the page shows."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._holds(script):  # noqa: ASYNC110  what is watched has no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            msg = f"{script}\n{await self.text()}"
            raise TimeoutError(msg) from None

    async def _holds(self, script: str) -> bool:
        try:
            return bool(await self.evaluate(script))
        except NavigatedError:
            return False

    async def resize(self, width: int, height: int) -> None:
        """Give the viewport a size, also one below the least width of a window."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def use_scheme(self, scheme: str) -> None:
        """Prefer the `light` or `dark` colour scheme."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", features=[feature])

    async def press(self, key: str, text: str = "") -> None:
        """Press and release one key."""
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        for event in (down, {"type": "keyUp"}):
            await self.call("Input.dispatchKeyEvent", key=key, code=key, **event)

    async def click(self, selector: str) -> None:
        """Click in the middle of the first element that a selector finds."""
        found = json.dumps(selector)
        await self.wait_for(f"document.querySelector({found}) !== null")
        await self.evaluate(f"document.querySelector({found}).scrollIntoView({{block: 'center'}})")
        box = await self.evaluate(
            f"(({{left, top, width, height}}) => [left + width / 2, top + height / 2])"
            f"(document.querySelector({found}).getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )

    async def screenshot(self, path: Path) -> None:
        """Keep what is seen."""
        shot = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(_keep, path, base64.b64decode(shot["data"]))


def artifact(name: str, otherwise: Path) -> Path:
    """Where a file goes that CI keeps: $CODEX_SHIM_ARTIFACTS, else a folder of the test."""
    folder = os.environ.get("CODEX_SHIM_ARTIFACTS")
    return (Path(folder) if folder else otherwise) / name


@asynccontextmanager
async def chromium(width: int = 1500, height: int = 2000) -> AsyncIterator[Page]:
    """Run a browser with one empty tab. Skips where there is none, but fails in CI."""
    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    if binary is None:
        reason = "Chromium is missing: `apt-get install chromium`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}")
        process = subprocess.Popen(  # noqa: ASYNC220  it returns at once
            [binary, *options, "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with _connection(Path(profile, "DevToolsActivePort")) as socket:
                yield await _opened(socket)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@asynccontextmanager
async def _connection(announcement: Path) -> AsyncIterator[WebSocketClientConnection]:
    await until(lambda: _port(announcement), START_SECONDS)
    tab = await asyncio.to_thread(_first_tab, _port(announcement))
    socket = await websocket_connect(tab, max_message_size=LARGEST_MESSAGE)
    try:
        yield socket
    finally:
        socket.close()
        # `close` only asks: a loop that ends before Chromium has answered leaves the socket open.
        while await socket.read_message() is not None:
            pass


def _port(announcement: Path) -> str:
    """The port that Chromium took, once it has written it."""
    return announcement.read_text().partition("\n")[0] if announcement.is_file() else ""


def _first_tab(port: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
        tabs: list[dict[str, str]] = json.loads(answer.read())
    return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


async def _opened(socket: WebSocketClientConnection) -> Page:
    page = Page(socket)
    await page.call("Page.enable")
    await page.call("Runtime.enable")
    return page
