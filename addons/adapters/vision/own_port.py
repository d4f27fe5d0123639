"""Asks a model by a request to this process's own port.

So the turn is routed, counted, shown and paid as any other, and its key is added by the engine alone. Never does: use a proxy,
send a credential other than the local token, raise for what the other side answers. Invariant: every request ends in an
`Answered`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from addons.adapters.system.httpx_setup import quiet_client_logs, skip_httpx_cli
from addons.core.codex.threads import ID_HEADERS, PICTURE, PURPOSE
from addons.core.headers import TOKEN_HEADER
from addons.core.protocols.responses.description import (
    Answered,
    DescriptionReader,
    description_request,
    loaded,
    read_error,
    without_picture,
)

if TYPE_CHECKING:
    import httpx

OK = 200
EVENT_BYTES = 16 * 1024 * 1024
KEY_PENDING = "key_pending"
"""The code of the answer while an auth_command runs."""
KEY_SECONDS, POLL_SECONDS = 10.0, 0.2
NOT_REACHED = "not_reached"
"""The code when this port did not answer at all."""
ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, never bound


@dataclass(frozen=True, slots=True)
class OwnPort:
    """The port of this process."""

    address: Callable[[], tuple[str, int]]
    """Host and port of the listener."""
    token: Callable[[], str]
    """Returns the local token; empty if there is none."""

    async def describe(self, slug: str, url: str, thread: bytes, root: bytes) -> Answered:
        """Have a picture described, for a thread of a client."""
        body = orjson.dumps(description_request(slug, url))
        headers = {
            b"content-type": b"application/json",
            b"accept": b"text/event-stream",
            b"user-agent": b"codex-shim",
            PURPOSE: PICTURE.encode(),
            **{name: one for name, one in zip(ID_HEADERS, (thread, root), strict=True) if one},
        }
        deadline = asyncio.get_running_loop().time() + KEY_SECONDS
        while True:
            answered = await self._ask(body, headers)
            is_late = asyncio.get_running_loop().time() > deadline
            if answered.code != KEY_PENDING or is_late:
                return without_picture(answered, url)
            await asyncio.sleep(POLL_SECONDS)

    async def _ask(self, body: bytes, headers: dict[bytes, bytes]) -> Answered:
        # imported with the first picture: it takes 3 MiB
        skip_httpx_cli()
        import httpx  # noqa: PLC0415

        quiet_client_logs()
        host, port = self.address()
        host = ANY_ADDRESS.get(host, host)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/v1/responses"
        headers = {**headers, b"host": b"127.0.0.1:%d" % port}
        if token := self.token():
            headers[TOKEN_HEADER.encode()] = token.encode()
        try:
            async with (
                # Without TLS there is nothing to verify, and to read the certificates would hold the loop for 40 ms.
                httpx.AsyncClient(
                    trust_env=False,
                    follow_redirects=False,
                    timeout=None,  # noqa: S113  the caller sets one
                    verify=False,  # noqa: S501
                ) as client,
                client.stream("POST", url, content=body, headers=headers) as response,
            ):
                return await _read(response)
        except (httpx.HTTPError, OSError) as error:
            return Answered("", NOT_REACHED, f"its answer was lost ({type(error).__name__})")


async def _read(response: httpx.Response) -> Answered:
    if response.status_code != OK:
        return read_error(loaded(await response.aread()))
    reader = DescriptionReader(EVENT_BYTES)
    async for chunk in response.aiter_raw():
        reader.feed(chunk)
    return reader.finish()
