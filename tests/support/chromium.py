"""A headless Chromium, driven by its DevTools protocol over one WebSocket.

One browser serves the tests of a process. Never does: use a profile that exists, reach anything but loopback. Invariant:
a page shares no cookies and no storage with another one, and ends with its context.
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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
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
        self.context: dict[str, str] = {}
        """The parameter that names the tab's context."""
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


class Browser:
    """A running browser, whose pages share nothing but its process. It takes a second to start."""

    def __init__(self) -> None:
        binary = next(filter(None, map(shutil.which, BINARIES)), None)
        if binary is None:
            reason = "Chromium is missing: `apt-get install chromium`"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [binary, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self) -> None:
        """End the browser and remove its profile."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._profile.cleanup()

    @asynccontextmanager
    async def page(self, width: int, height: int) -> AsyncIterator[Page]:
        """An empty tab of this size, with cookies and storage of its own."""
        announcement = Path(self._profile.name, "DevToolsActivePort")
        await until(lambda: _lines(announcement), START_SECONDS)
        port, path = _lines(announcement)
        async with _connection(f"ws://127.0.0.1:{port}{path}") as control:
            # the context ends with this connection
            context = await control.call("Target.createBrowserContext", disposeOnDetach=True)
            size = {"width": width, "height": height, "newWindow": True}
            tab = await control.call("Target.createTarget", url="about:blank", **context, **size)
            async with _connection(
                f"ws://127.0.0.1:{port}/devtools/page/{tab['targetId']}"
            ) as page:
                page.context = context
                await page.call("Page.enable")
                await page.call("Runtime.enable")
                yield page


@cache
def _browser() -> Browser:
    return Browser()


def end_browser() -> None:
    """End the browser of this process."""
    if _browser.cache_info().currsize:
        _browser().end()
        _browser.cache_clear()


@asynccontextmanager
async def chromium(width: int = 1500, height: int = 2000) -> AsyncIterator[Page]:
    """One empty tab of the browser of this process. Skips where there is none, but fails in CI."""
    async with _browser().page(width, height) as page:
        yield page


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[Page]:
    socket = await websocket_connect(url, max_message_size=LARGEST_MESSAGE)
    try:
        yield Page(socket)
    finally:
        socket.close()
        # `close` only asks: a loop that ends before Chromium has answered leaves the socket open.
        while await socket.read_message() is not None:
            pass


def _lines(announcement: Path) -> list[str]:
    """The port that Chromium took, and the path of its own connection, once it has written them."""
    lines = announcement.read_text().splitlines() if announcement.is_file() else []
    return lines if len(lines) > 1 else []


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
