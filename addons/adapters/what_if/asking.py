"""Asks several models by requests to the shim's own port, a few at a time.

So each turn is routed, counted, shown and paid as any other, and its key is added by the engine alone. Never does: use a
proxy, send a credential other than the local token, run a call. Invariant: every request ends in an `Answer`, also one that
is stopped; its connection is closed with it, at which the shim ends the work for it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from addons.adapters.system.httpx_setup import quiet_client_logs, skip_httpx_cli
from addons.core.headers import TOKEN_HEADER, Headers
from addons.core.routes import Route, route_label
from addons.core.what_if.answer import COMPLETED, CUT, FAILED, STOPPED, Answer
from addons.core.what_if.answered import ANSWERED_HEADER, FALLBACK_HEADER, read_answered
from addons.core.what_if.original import Original
from addons.core.what_if.reading import OK, StreamReading, read_whole
from addons.core.what_if.request import WhatIfRequest, what_if_request

if TYPE_CHECKING:
    import httpx

MAX_AT_ONCE = 4
MAX_MODELS = 8
SILENCE_SECONDS = 90.0
"""The shim sends a heartbeat every 15 s (`heartbeat_seconds`)."""
MAX_ERROR_BYTES = 1024 * 1024
KEY_PENDING = "key_pending"
"""The code of the answer while an auth_command runs."""
KEY_SECONDS, POLL_SECONDS = 10.0, 0.2
UNREACHABLE = "shim_unreachable"
NOT_AWAITED = "not_awaited"
ANSWERED, FALLBACK = ANSWERED_HEADER.decode(), FALLBACK_HEADER


@dataclass(frozen=True, slots=True)
class Shim:
    """The running shim."""

    url: str
    token: str = field(repr=False)
    """The local token; empty if there is none."""


async def ask_models(
    shim: Shim,
    original: Original,
    routes: Sequence[Route],
    answers: list[Answer],
    on_end: Callable[[Answer], object] = lambda _: None,
) -> None:
    """Ask these models. `answers` gets one for each of them, in their order, at once: they are filled while they arrive."""
    thread = str(uuid.uuid4())
    answers += [Answer(route.slug, label=route_label(route)) for route in routes]
    slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def ask(route: Route, answer: Answer) -> None:
        try:
            request = what_if_request(original, route.slug, route.entry, thread)
            answer.changed += request.changed
            async with slots:
                await _ask_until_key(shim, request, answer)
        except (TypeError, ValueError):
            answer.fail(FAILED, "bad_request", "the recorded request cannot be written as JSON")
        except asyncio.CancelledError:
            answer.fail(STOPPED, NOT_AWAITED, "it was stopped before its end")
            raise
        finally:
            on_end(answer)

    async with asyncio.TaskGroup() as group:
        for route, answer in zip(routes, answers, strict=True):
            group.create_task(ask(route, answer))


async def _ask_until_key(shim: Shim, request: WhatIfRequest, answer: Answer) -> None:
    deadline = time.monotonic() + KEY_SECONDS
    while True:
        await _ask(shim, request, answer)
        if answer.code != KEY_PENDING or time.monotonic() > deadline:
            return
        answer.fail(CUT, "", "")
        await asyncio.sleep(POLL_SECONDS)


async def _ask(shim: Shim, request: WhatIfRequest, answer: Answer) -> None:
    skip_httpx_cli()
    import httpx  # noqa: PLC0415  it takes 100 ms and 3 MiB, and only a comparison needs it

    quiet_client_logs()
    begun, url = time.monotonic(), f"{shim.url}/v1/responses"
    try:
        # without TLS there is nothing to verify, and to read the certificates would take 40 ms
        own = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=SILENCE_SECONDS,
            verify=False,  # noqa: S501
        )
        headers = _headers(shim, request.headers)
        async with (
            own as client,
            client.stream("POST", url, content=request.body, headers=headers) as response,
        ):
            read_answered(answer, *(response.headers.get(name, "") for name in (ANSWERED, FALLBACK)))  # fmt: skip
            await _read(response, answer, begun)
    except (httpx.HTTPError, OSError) as error:
        if answer.outcome != COMPLETED:
            reason = str(error) or type(error).__name__
            answer.fail(FAILED, UNREACHABLE, f"the connection to codex-shim failed: {reason}")
    finally:
        answer.seconds = time.monotonic() - begun


def _headers(shim: Shim, headers: Headers) -> list[tuple[bytes, bytes]]:
    own = [(TOKEN_HEADER.encode(), shim.token.encode())] if shim.token else []
    if not any(name.lower() == b"user-agent" for name, _ in headers):
        own.append((b"user-agent", b"codex-shim"))
    return [*headers, *own]


async def _read(response: httpx.Response, answer: Answer, begun: float) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code != OK or kind != "text/event-stream":
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ERROR_BYTES and response.status_code != OK:
                break
        read_whole(answer, response.status_code, body)
        return
    reading = StreamReading(answer)
    try:
        async for chunk in response.aiter_bytes():
            reading.feed(chunk, time.monotonic() - begun)
    finally:
        # what arrived is kept, also of an answer that is stopped
        reading.finish()
