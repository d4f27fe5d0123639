"""The client of background requests: what it sends, which answers it takes, and how it fails."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from addons.adapters.system.http_client import Answer, ProtocolError, get
from addons.core.secrets import Origin
from addons.proxy.engine.mitmproxy_patches.event_loop import EagerLoop
from tests.support.certificates import make_authority

Handle = Callable[[Reader, Writer], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"
SECRET = [(b"authorization", b"Bearer not-for-the-proxy")]


@asynccontextmanager
async def server(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task
        tasks.append(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await handle(reader, writer)
        finally:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(answer: bytes, seen: list[bytes]) -> Handle:
    async def handle(reader: Reader, writer: Writer) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()

    return handle


async def asked(answer: bytes, path: str = "/models", max_bytes: int = 100) -> Answer | str:
    """Return the answer, or the name of the error."""
    async with server(answering(answer, [])) as port:
        return await outcome(f"http://127.0.0.1:{port}{path}", max_bytes)


async def outcome(url: str, max_bytes: int = 100, *options: object) -> Answer | str:
    try:
        return await get(url, SECRET, max_bytes, *options)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001  its name is what the test looks at
        return type(error).__name__


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK + b'etag: "a"\r\ncontent-length: 2\r\n\r\nok', Answer(200, '"a"', b"ok")),
        (OK + b"transfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", Answer(200, "", b"ok")),
        (OK + b"\r\nuntil the end", Answer(200, "", b"until the end")),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"content-length: 0\r\n\r\n", Answer(200, "", b"")),
        (b"HTTP/1.1 304 Not Modified\r\netag: b\r\n\r\n", Answer(304, "b", b"")),
        (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 9\r\n\r\n", Answer(302, "", b"")),
        (b"HTTP/1.1 500 Error\r\ncontent-length: 900\r\n\r\n", Answer(500, "", b"")),
        (OK + b"content-length: 101\r\n\r\n" + b"x" * 101, "TooLargeError"),
        (OK + b"transfer-encoding: chunked\r\n\r\n" + b"65\r\n" + b"x" * 101, "TooLargeError"),
        (OK + b"content-length: 3\r\n\r\nok", "ProtocolError"),
        (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n", "ProtocolError"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "ProtocolError"),
        (b"", "ProtocolError"),
        (OK + b"x: " + b"x" * 100_000, "ProtocolError"),
    ],
)  # fmt: skip
async def test_answer_is_whole_or_an_error(answer: bytes, expected: Answer | str) -> None:
    assert await asked(answer) == expected


async def test_request_has_the_given_headers_and_a_valid_target() -> None:
    seen: list[bytes] = []
    answer = OK + b"content-length: 0\r\n\r\n"
    async with server(answering(answer, seen)) as port:
        for path in ("", "/a b?c=\u00fc d%20", "?q=1"):
            await get(f"http://127.0.0.1:{port}{path}", SECRET, 10)
        await outcome(f"http://127.0.0.1:{port}/\r\nx-injected: 1")
        with pytest.raises(ProtocolError):
            await get(f"http://127.0.0.1:{port}/", [(b"authorization", b"a\r\nx: 1")], 10)
    lines = [each.split(b"\r\n") for each in seen]
    assert [each[0] for each in lines] == [
        b"GET / HTTP/1.1",
        b"GET /a%20b?c=%C3%BC%20d%20 HTTP/1.1",
        b"GET /?q=1 HTTP/1.1",
        b"GET /x-injected:%201 HTTP/1.1",
    ]
    host = b"127.0.0.1:%d" % port
    assert {tuple(each[1:]) for each in lines} == {
        (b"host: " + host, b"authorization: Bearer not-for-the-proxy", b"connection: close", b"", b"")
    }  # fmt: skip


async def test_lost_connections() -> None:
    async def reset(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"content-length: 3\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async with server(reset) as port:
        assert await outcome(f"http://127.0.0.1:{port}/") in {"ReadError", "ProtocolError"}
    assert await outcome(f"http://127.0.0.1:{port}/") == "ConnectError"
    assert await outcome("http://127.0.0.1:9/", 9, None, "/nowhere/ca.pem") == "FileNotFoundError"
    assert await outcome("ftp://127.0.0.1/") == "ValueError"


def test_certificate_must_be_trusted_and_that_of_the_host(tmp_path: Path) -> None:
    """With both event loops: the one of `serve`, and that of the commands."""
    answer = OK + b"content-length: 2\r\n\r\nok"

    async def main() -> list[Answer | str]:
        authority = make_authority(tmp_path)
        ca = str(authority.ca_file)
        async with server(answering(answer, []), authority.server_context()) as port:
            urls = [f"https://127.0.0.1:{port}/", f"https://localhost:{port}/"]
            return [
                await outcome(urls[0], 9, None, ca),
                await outcome(urls[1], 9, None, ca),
                await outcome(urls[0], 9, None, ""),
            ]

    for loop in (EagerLoop, None):
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.get_loop().set_exception_handler(lambda *_: None)
            found = runner.run(main())
        assert found == [Answer(200, "", b"ok"), "ConnectError", "ConnectError"]


def test_proxy_sees_what_it_must(tmp_path: Path) -> None:
    """A plain URL is asked of the proxy. For TLS it opens a tunnel, in which it sees no credential."""

    async def main(*, behind_tls: bool) -> None:
        authority = make_authority(tmp_path)
        asked_of_proxy: list[bytes] = []
        answered = OK + b"content-length: 2\r\n\r\nok"
        answers = [b"HTTP/1.1 200 Connected\r\n\r\n", b"HTTP/1.1 407 Who are you\r\n\r\n", b"?"]

        async def proxy(reader: Reader, writer: Writer) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            asked_of_proxy.append(head)
            if not head.startswith(b"CONNECT"):
                writer.write(answered)
                return
            writer.write(answer := answers.pop(0))
            if not answer.startswith(b"HTTP/1.1 200"):
                return
            upstream, to_upstream = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(copy(reader, to_upstream), copy(upstream, writer))

        tls = authority.server_context()
        own = tls if behind_tls else None
        async with (
            server(answering(answered, []), tls) as port,
            server(proxy, own) as proxy_port,
        ):
            scheme = "https" if behind_tls else "http"
            options = (Origin.of(f"{scheme}://127.0.0.1:{proxy_port}"), str(authority.ca_file))
            ok = Answer(200, "", b"ok")
            assert await outcome(f"https://127.0.0.1:{port}/a", 9, *options) == ok
            assert await outcome(f"https://127.0.0.1:{port}/a", 9, *options) == "ProxyError"
            assert await outcome(f"https://127.0.0.1:{port}/a", 9, *options) == "ProtocolError"
            assert await outcome("http://model.example/b?c", 9, *options) == ok
        authority_of = b"127.0.0.1:%d" % port
        connect = b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (authority_of, authority_of)
        assert asked_of_proxy[:3] == [connect] * 3
        assert asked_of_proxy[3].startswith(
            b"GET http://model.example/b?c HTTP/1.1\r\nhost: model.example\r\n"
        )

    for loop in (EagerLoop, None):
        for behind_tls in (False, True):
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(main(behind_tls=behind_tls))


async def copy(reader: Reader, writer: Writer) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def test_request_that_is_stopped_keeps_no_connection(tmp_path: Path) -> None:
    """Also one to a server that does not answer when TLS is closed."""
    authority, loop = make_authority(tmp_path), asyncio.get_running_loop()
    asked = asyncio.Event()

    def serve(listener: socket.socket) -> bool:
        raw, _ = listener.accept()
        with authority.server_context().wrap_socket(raw, server_side=True) as tls:
            tls.recv(1000)
            loop.call_soon_threadsafe(asked.set)
            with socket.socket(fileno=os.dup(tls.fileno())) as below:
                below.settimeout(5)
                # an alert may come first
                while below.recv(1000):
                    pass
        return True

    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = asyncio.ensure_future(asyncio.to_thread(serve, listener))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        request = asyncio.ensure_future(get(url, SECRET, 100, None, str(authority.ca_file)))
        await asked.wait()
        request.cancel()
        assert await served
    assert request.cancelled()
