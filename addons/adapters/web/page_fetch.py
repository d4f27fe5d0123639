"""Fetches web pages for a model, from the public internet only.

The model chooses the URL, so the name is resolved here, every address that it has must be public
(`addons.core.web_search.addresses`), and the request goes to one of the addresses that were checked: a name that changes its
address in between leads nowhere else. Each redirect is checked the same way. Never sends a credential or a cookie, reads
more than `MAX_BYTES`, or follows more than `MAX_REDIRECTS`. Invariant: total; a page that cannot be had is a `Page` with
the reason.
"""

from __future__ import annotations

import asyncio
import codecs
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from addons.adapters.system.http_client import tls_context
from addons.adapters.system.httpx_setup import skip_httpx_cli
from addons.core.secrets import Origin
from addons.core.version import VERSION
from addons.core.web_search.addresses import is_public
from addons.core.web_search.page_text import html_text, plain_text
from addons.core.web_search.service import Page

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 2 * 1024 * 1024
MAX_REDIRECTS = 5
MAX_URL = 8000
"""Links of a page become absolute by its address."""
HEADERS = {
    "accept": "text/html, text/plain;q=0.9, text/*;q=0.8",
    "accept-encoding": "identity",
    "user-agent": f"codex-shim/{VERSION}",
}
_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset({"application/json", "application/xml"})

_CHARSETS = re.compile(
    r"utf-(8|16|16-be|16-le)|ascii|iso8859-\d+|cp(125\d|866|874|932|949)|koi8-[ru]|gb2312|gbk|gb18030|big5"
    r"|big5hkscs|euc_jp|euc_kr|shift_jis|iso2022_jp|mac-roman"
)
"""The encodings of the web (encoding.spec.whatwg.org), by Python's names."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → the IP addresses. Raises OSError."""


class PageError(Exception):
    """The page cannot be had. The message is for the model, and ends without a full stop."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, as the system finds them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _every_host(_host: str) -> bool:
    return True


def _no_proxy(_origin: Origin) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PageFetcher:
    """Fetches pages. `seconds` is the time that one of them may take, with its redirects."""

    seconds: float
    needs_proxy: Callable[[Origin], bool] = _no_proxy
    """Whether requests to an origin leave through an outbound proxy, which resolves names itself."""
    is_public: Callable[[str], bool] = is_public
    resolve: Resolve = resolve
    ca_file: str = ""
    """The CA file that turns use; empty for the default certificates."""

    async def open_pages(
        self, urls: Sequence[str], allows: Callable[[str], bool] = _every_host
    ) -> Mapping[str, Page]:
        """Fetch pages at the same time. `allows`: whether a host may be asked, also by a redirect. Never raises."""
        skip_httpx_cli()
        import httpx  # noqa: PLC0415  a process that opens no page does without

        try:
            # in a thread: streams would wait for 40 ms
            tls = await asyncio.to_thread(tls_context, self.ca_file)
        except OSError as error:
            problem = f"the CA file {self.ca_file} cannot be used ({type(error).__name__})"
            return {url: Page(problem=problem) for url in urls}
        async with httpx.AsyncClient(trust_env=False, verify=tls, timeout=self.seconds) as client:
            found = await asyncio.gather(*[self._page(client, url, allows) for url in urls])
        return dict(zip(urls, found, strict=True))

    async def _page(
        self, client: httpx.AsyncClient, url: str, allows: Callable[[str], bool]
    ) -> Page:
        import httpx  # noqa: PLC0415  see `open_pages`

        try:
            async with asyncio.timeout(self.seconds):
                return Page(await self._text(client, url, allows))
        except PageError as error:
            return Page(problem=str(error))
        except TimeoutError:
            return Page(problem=f"its server did not send it within {self.seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, ValueError) as error:
            return Page(problem=f"its server cannot be reached ({type(error).__name__})")

    async def _text(
        self, client: httpx.AsyncClient, url: str, allows: Callable[[str], bool]
    ) -> str:
        for _ in range(MAX_REDIRECTS + 1):
            origin = _origin(url)
            if not allows(origin.host):
                msg = f"the user's settings of Codex do not allow pages of {origin.host}"
                raise PageError(msg)
            address = await self._checked_address(origin)
            async with client.stream(
                "GET",
                _target(url, origin, address),
                headers={**HEADERS, "host": origin.authority},
                follow_redirects=False,
                extensions={"sni_hostname": origin.host},
            ) as response:
                client.cookies.clear()
                if response.status_code in _REDIRECTS:
                    url = urljoin(url, response.headers.get("location", ""))
                    continue
                return await _read(response, url)
        msg = f"it redirects more than {MAX_REDIRECTS} times"
        raise PageError(msg)

    async def _checked_address(self, origin: Origin) -> str:
        if self.needs_proxy(origin):
            msg = "no page is opened through an outbound proxy, because where it leads cannot be checked"
            raise PageError(msg)
        try:
            addresses = await self.resolve(origin.host, origin.port)
        except OSError:
            msg = f"there is no host {origin.host}"
            raise PageError(msg) from None
        if not addresses or not all(map(self.is_public, addresses)):
            msg = f"{origin.host} is not on the public internet, and nothing else is opened"
            raise PageError(msg)
        return addresses[0]


def _origin(url: str) -> Origin:
    if len(url) > MAX_URL:
        msg = "its address is too long"
        raise PageError(msg)
    try:
        origin = Origin.of(url)
        if origin.host.isascii():
            return origin
        # the form in which a name is looked up, sent and certified
        return replace(origin, host=origin.host.encode("idna").decode())
    except ValueError as error:
        msg = f"its address cannot be used: {error}"
        raise PageError(msg) from None


def _target(url: str, origin: Origin, address: str) -> str:
    """Return the URL with an address in place of the host. The certificate must be that of the host all the same."""
    parts = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    target = f"{origin.scheme}://{host}:{origin.port}{parts.path or '/'}"
    return f"{target}?{parts.query}" if parts.query else target


async def _read(response: httpx.Response, url: str) -> str:
    if response.status_code != _OK:
        msg = f"its server answered HTTP {response.status_code}"
        raise PageError(msg)
    kind = response.headers.get("content-type", "text/html").partition(";")[0].strip().lower()
    if not kind.startswith("text/") and kind not in _HTML | _TEXT:
        msg = f"it is no text but {kind[:60]}"
        raise PageError(msg)
    if response.headers.get("content-encoding", "identity") != "identity":
        # a small compressed page can be one of gigabytes
        msg = "its server compressed it, although the request forbids that"
        raise PageError(msg)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= MAX_BYTES:
            break
    text = bytes(body[:MAX_BYTES]).decode(_charset(response), "replace")
    # up to seconds of work, in which turns go on
    return await asyncio.to_thread(html_text, text, url) if kind in _HTML else plain_text(text)


def _charset(response: httpx.Response) -> str:
    """Return the encoding of a page. Python knows others, such as `unicode_escape`, whose text is not Unicode."""
    try:
        name = codecs.lookup(response.charset_encoding or "utf-8").name
    except (LookupError, ValueError):
        return "utf-8"
    return name if _CHARSETS.fullmatch(name) else "utf-8"
