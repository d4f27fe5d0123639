"""A GET by HTTP/1.1 for requests in the background: a process that runs for weeks would keep 7 MiB of httpx for them.

Never does: follow a redirect, choose a proxy, keep a connection or a cookie, decode a content-coding, quote the other side in an error.
Invariant: a body that was not received to its end raises, and so does a server whose certificate is not that of the URL's host.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import certifi
import h11

from addons.core.secrets import Origin

CONNECT_SECONDS = 5.0
"""To connect and to agree on TLS. The caller limits the whole."""
_READ_BYTES = 64 * 1024
_MAX_HEAD = 64 * 1024
_OK, _REDIRECT = 200, 300
_UNSAFE = re.compile(r"[^!-~]")
"""What no request line may hold."""


class RequestError(Exception):
    """There is no answer. The name of the class says what failed."""


class ConnectError(RequestError):
    """The server, or the proxy, cannot be reached or is not who it should be."""


class ReadError(RequestError):
    """The connection was lost before the end of the answer."""


class ProxyError(RequestError):
    """The proxy refused to connect to the server."""


class ProtocolError(RequestError):
    """The other side does not speak HTTP."""


class TooLargeError(RequestError):
    """The body is longer than allowed."""


Fields = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server. The body is empty unless the status is 200."""

    status: int
    etag: str
    body: bytes


async def get(
    url: str,
    headers: Iterable[tuple[bytes, bytes]],
    max_bytes: int,
    proxy: Origin | None = None,
    ca_file: str = "",
) -> Answer:
    """Send a request. Raises RequestError, OSError for a CA file that is not usable, ValueError for a URL that is none.

    Without `ca_file`, servers are verified with the certificates that httpx and mitmproxy use.
    """
    origin = Origin.of(url)
    schemes = {origin.scheme, proxy.scheme if proxy else origin.scheme}
    # in a thread: to read the certificates takes as long as a hundred turns, and streams would wait
    tls = await asyncio.to_thread(tls_context, ca_file) if ca_file or "https" in schemes else None
    reader, writer = await _connection(origin, proxy, tls)
    try:
        target = _target(url)
        if proxy and origin.scheme == "http":
            target = f"{origin}{target}"
        fields = [(b"host", origin.authority.encode()), *headers, (b"connection", b"close")]
        return await _Exchange(reader, writer).get(target, fields, max_bytes)
    finally:
        # to close TLS waits half a minute for a server that does not answer
        writer.transport.abort()


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Read the certificates of a file, or those that come with mitmproxy. Blocks for 40 ms. Raises OSError."""
    # with a file, the certificates of the system are not looked at
    tls = ssl.create_default_context(cafile=ca_file or certifi.where())
    tls.set_alpn_protocols(["http/1.1"])
    return tls


def _target(url: str) -> str:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _UNSAFE.sub(lambda found: quote(found[0]), target)


async def _connection(
    origin: Origin, proxy: Origin | None, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    first = proxy or origin
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                first.host, first.port, ssl=tls if first.scheme == "https" else None
            )
            if proxy and tls and origin.scheme == "https":
                try:
                    await _Exchange(reader, writer).open_tunnel(origin)
                    await writer.start_tls(tls, server_hostname=origin.host)
                except BaseException:
                    writer.transport.abort()
                    raise
            return reader, writer
    except OSError as error:
        raise ConnectError from error


class _Exchange:
    """One request and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT, _MAX_HEAD)

    async def get(self, target: str, fields: Fields, max_bytes: int) -> Answer:
        """Send a GET and return its answer."""
        try:
            head = await self._head("GET", target, fields)
            body = await self._body(max_bytes) if head.status_code == _OK else b""
        except h11.ProtocolError as error:
            raise ProtocolError from error
        except OSError as error:
            raise ReadError from error
        etag = dict(head.headers).get(b"etag", b"")
        return Answer(head.status_code, etag.decode("latin-1"), body)

    async def open_tunnel(self, origin: Origin) -> None:
        """Let a proxy connect to a server."""
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        authority = f"{host}:{origin.port}"
        try:
            head = await self._head("CONNECT", authority, [(b"host", authority.encode())])
        except h11.ProtocolError as error:
            raise ProtocolError from error
        if not _OK <= head.status_code < _REDIRECT:
            raise ProxyError

    async def _head(self, method: str, target: str, fields: Fields) -> h11.Response:
        request = h11.Request(method=method, target=target, headers=fields)
        self._writer.write(self._http.send(request) or b"")
        self._http.send(h11.EndOfMessage())
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event

    async def _body(self, max_bytes: int) -> bytes:
        body = bytearray()
        while isinstance(event := await self._next(), h11.Data):
            body += event.data
            if len(body) > max_bytes:
                raise TooLargeError
        return bytes(body)

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event
