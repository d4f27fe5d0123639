"""Pages are fetched from public addresses only, whatever the URL, the name service or the server says."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from addons.adapters.web.page_fetch import MAX_REDIRECTS, PageFetcher, resolve
from addons.core.web_search.addresses import is_public
from tests.support.certificates import make_authority
from tests.support.upstream import Exchange, Script, upstream

HTML = b"content-type: text/html; charset=utf-8"


def at(address: str) -> Callable[[str, int], object]:
    async def resolved(_host: str, _port: int) -> Sequence[str]:
        return [address]

    return resolved


def open_to_loopback(seconds: float = 5) -> PageFetcher:
    """Return a fetcher for which 127.0.0.1 is a public address, and the only one."""
    fetcher = PageFetcher(seconds, is_public=lambda address: address == "127.0.0.1")
    return replace(fetcher, resolve=at("127.0.0.1"))  # type: ignore[arg-type]


def says(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(body, *lines, status=status)

    return script


async def problem(fetcher: PageFetcher, url: str) -> str:
    page = (await fetcher.open_pages([url]))[url]
    assert page.text == ""
    return page.problem


async def test_page_of_a_public_address_is_read() -> None:
    async with upstream(
        says("<p>Grüße</p><a href='/x'>more</a>".encode(), HTML, b"set-cookie: a=b")
    ) as server:
        url = f"http://pages.example:{server.port}/a?b=c"
        found = await open_to_loopback().open_pages([url])
    assert found[url].text == f"Grüße\nmore (http://pages.example:{server.port}/x)"
    (asked,) = server.requests
    assert asked.line == b"GET /a?b=c HTTP/1.1"
    assert asked.header(b"host") == b"pages.example:%d" % server.port
    assert asked.header(b"cookie") is None
    assert asked.header(b"authorization") is None


async def test_private_address_is_never_connected() -> None:
    async with upstream(says(b"secret", HTML)) as server:
        port = server.port
        literal = (
            f"http://127.0.0.1:{port}/",
            f"http://[::1]:{port}/",
            f"http://localhost:{port}/",
        )
        short = (f"http://127.1:{port}/", f"http://2130706433:{port}/", f"http://0x7f000001:{port}/", f"http://[::ffff:127.0.0.1]:{port}/")  # fmt: skip
        for url in (*literal, *short):
            assert "not on the public internet" in await problem(PageFetcher(5), url), url
        rebound = replace(PageFetcher(5), resolve=at("127.0.0.1"))  # type: ignore[arg-type]
        assert "not on the public" in await problem(rebound, f"http://public.example:{port}/")
        assert server.connections == 0


async def test_one_private_address_among_others_is_enough() -> None:
    async def two(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1", "127.0.0.2"]

    async with upstream(says(b"secret", HTML)) as server:
        url = f"http://mixed.example:{server.port}/"
        fetcher = replace(open_to_loopback(), resolve=two)
        assert "not on the public internet" in await problem(fetcher, url)
        assert server.connections == 0


async def test_redirect_is_checked_like_the_first_address() -> None:
    async def by_host(host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "pages.example" else ["127.0.0.2"]

    fetcher = replace(open_to_loopback(), resolve=by_host)
    away = says(b"", b"location: http://inside.example/", status=b"302 Found")
    async with upstream(away) as server:
        url = f"http://pages.example:{server.port}/"
        assert "inside.example is not on the public" in await problem(fetcher, url)
        assert len(server.requests) == 1
    back = says(b"", b"location: /b", status=b"301 Moved")
    async with upstream(back, says(b"here", b"content-type: text/plain")) as server:
        url = f"http://pages.example:{server.port}/a"
        assert (await fetcher.open_pages([url]))[url].text == "here"
        assert server.requests[1].line == b"GET /b HTTP/1.1"
    async with upstream(back) as server:
        url = f"http://pages.example:{server.port}/"
        assert f"more than {MAX_REDIRECTS} times" in await problem(fetcher, url)
        assert len(server.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (says(b"x", b"content-type: image/png"), "no text but image/png"),
        (says(b"x", HTML, b"content-encoding: gzip"), "compressed it"),
        (says(b"x", HTML, status=b"404 Not Found"), "HTTP 404"),
        (says(b"", b"location: file:///etc/passwd", status=b"302 Found"), "its address cannot be used"),
    ],
    ids=["picture", "compressed", "missing", "file"],
)  # fmt: skip
async def test_page_that_is_not_read(script: Script, words: str) -> None:
    async with upstream(script) as server:
        assert words in await problem(open_to_loopback(), f"http://pages.example:{server.port}/")


async def test_large_page_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("addons.adapters.web.page_fetch.MAX_BYTES", 1000)
    async with upstream(says(b"x" * 900_000, b"content-type: text/plain")) as server:
        url = f"http://pages.example:{server.port}/"
        assert len((await open_to_loopback().open_pages([url]))[url].text) == 1000


async def test_slow_page_ends_in_time() -> None:
    async def never(exchange: Exchange) -> None:
        await exchange.closed()

    async with upstream(never) as server:
        url = f"http://pages.example:{server.port}/"
        assert "within 0.1 s" in await problem(open_to_loopback(0.1), url)


async def test_what_cannot_be_reached_is_a_reason() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    assert "there is no host x.example" in await problem(replace(PageFetcher(5), resolve=unknown), "http://x.example/")  # fmt: skip
    proxied = PageFetcher(5, lambda _: True)
    assert "outbound proxy" in await problem(proxied, "http://x.example/")
    assert "cannot be reached" in await problem(open_to_loopback(), "http://x.example:9/")


async def test_system_resolves_names() -> None:
    assert not any(map(is_public, await resolve("localhost", 80)))


async def test_redirect_leaves_the_allowed_domains_of_the_user_never() -> None:
    away = says(b"", b"location: http://other.example/", status=b"302 Found")
    async with upstream(away) as server:
        url = f"http://pages.example:{server.port}/"
        pages = await open_to_loopback().open_pages([url], lambda host: host == "pages.example")
        assert "do not allow pages of other.example" in pages[url].problem
        assert len(server.requests) == 1


async def test_page_in_any_encoding_is_text_that_json_can_hold() -> None:
    names = ("unicode_escape", "raw_unicode_escape", "utf-7", "punycode", "idna", "undefined", "hex", "a\x00b", "utf-16-le")  # fmt: skip
    for name in names:
        kind = b"content-type: text/plain; charset=" + name.replace("\x00", "").encode()
        async with upstream(says(rb"\ud800 +2AA-" + b"z" * 9 + b"\x00\xd8", kind)) as server:
            url = f"http://pages.example:{server.port}/"
            page = (await open_to_loopback().open_pages([url]))[url]
            assert page.problem == "", name
            page.text.encode()
    async with upstream(says("ж".encode("koi8-r"), b"content-type: text/plain; charset=KOI8-R")) as server:  # fmt: skip
        url = f"http://pages.example:{server.port}/"
        assert (await open_to_loopback().open_pages([url]))[url].text == "ж"


async def test_host_is_named_in_its_ascii_form() -> None:
    async with upstream(says(b"x", b"content-type: text/plain")) as server:
        url = f"http://bücher.example:{server.port}/ü"
        assert (await open_to_loopback().open_pages([url]))[url].text == "x"
        (asked,) = server.requests
        assert asked.header(b"host") == b"xn--bcher-kva.example:%d" % server.port
        for wrong in (f"http://{'ü' * 80}.example/", f"http://pages.example:{server.port}/{'x' * 9000}"):  # fmt: skip
            assert await problem(open_to_loopback(), wrong)
        assert len(server.requests) == 1


async def test_certificates_are_those_of_turns_and_are_read_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []
    create = ssl.create_default_context

    def recorded(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        readers.append(threading.current_thread())
        return create(*args, **kwargs)

    authority = make_authority(tmp_path, "pages.example")
    monkeypatch.setattr(ssl, "create_default_context", recorded)
    async with upstream(says(b"<p>hi</p>", HTML), tls=authority.server_context()) as server:
        url = f"https://pages.example:{server.port}/"
        trusting = replace(open_to_loopback(), ca_file=str(authority.ca_file))
        assert (await trusting.open_pages([url]))[url].text == "hi"
        assert "cannot be reached (ConnectError)" in await problem(open_to_loopback(), url)
    assert threading.main_thread() not in readers
    assert len(readers) == 2
    lost = replace(open_to_loopback(), ca_file=str(tmp_path / "nowhere.pem"))
    assert "nowhere.pem cannot be used (FileNotFoundError)" in await problem(lost, url)
    assert len(server.requests) == 1
