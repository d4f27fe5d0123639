"""Asks a service for JSON with a credential: OpenAI about one account, or a provider for its models.

Never does: follow a redirect, choose a proxy of its own, quote the response in an error. Invariant: the credential
goes only to the origin of the URL, and every unusable response is a DiscoveryError.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from addons.core.codex.login import Login
from addons.core.headers import Headers
from addons.core.secrets import Origin, Secret, SecretHeader

if TYPE_CHECKING:
    import ssl

    import httpx

LIMIT_SECONDS = 15.0
ANSWER_BYTES = 16 * 1024 * 1024
_OK = 200
_NOT_MODIFIED = 304

_REFUSALS = {
    401: "rejected the login (401). Run `codex login` to renew it",
    403: "rejected the request (403). Run `codex login`, then `codex-shim doctor`",
    429: "received too many requests (429). codex-shim tries again later",
}


class DiscoveryError(Exception):
    """A source gave no list. The message is for the user and holds nothing that the other side sent."""


def skip_httpx_cli() -> None:
    """Keep httpx from loading its command line, which imports rich and pygments: 3 MiB in a long-lived process."""
    # httpx works without the module when it cannot be imported.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class BackendAnswer:
    """The backend's response. `body` is None when the answer still matches the ETag that was sent."""

    body: bytes | None
    etag: str


@dataclass(frozen=True, slots=True)
class JsonRequest:
    """A GET with one login, as Codex sends it, or with the key of a provider.

    `send` raises ValueError when `url` is not an http(s) URL.
    """

    url: str
    login: Login | None
    proxy: Origin | None = None
    """The outbound proxy that turns use."""
    ca_file: str = ""
    """The CA file that turns use; empty means the default certificates."""
    key: tuple[SecretHeader, ...] = ()
    """The headers of a provider's key, bound to the origin of `url`."""
    plain: Headers = ()
    """Other headers of the provider."""

    async def send(self) -> bytes:
        """Send the request and return the body. Raises DiscoveryError."""
        answer = await self.send_if_changed({}, "")
        return answer.body or b""

    async def send_if_changed(self, params: Mapping[str, str], etag: str) -> BackendAnswer:
        """Send the request with the ETag of the known answer. Raises DiscoveryError."""
        # Imported here: `codex-shim list` loads this module but never sends a request.
        import asyncio  # noqa: PLC0415

        skip_httpx_cli()
        import httpx  # noqa: PLC0415

        quiet_client_logs()
        conditional = {b"if-none-match": etag.encode()} if etag else {}
        try:
            async with (
                asyncio.timeout(LIMIT_SECONDS),
                httpx.AsyncClient(
                    follow_redirects=False,
                    trust_env=False,
                    proxy=str(self.proxy) if self.proxy else None,
                    verify=await self._verification(),
                ) as client,
                client.stream(
                    "GET",
                    self.url,
                    params=params,
                    headers=[*self.headers().items(), *conditional.items()],
                ) as response,
            ):
                return await self._answer(response, etag)
        except (httpx.HTTPError, OSError) as error:
            what = f"could not be reached for its models ({type(error).__name__})"
            raise self._error(what) from None

    def headers(self) -> dict[bytes, bytes]:
        """Return the headers of the request, those of the credential included."""
        origin = Origin.of(self.url)
        plain = {
            b"accept": b"application/json",
            b"accept-encoding": b"identity",
            b"user-agent": b"codex-shim",
            **dict(self.login.headers if self.login else self.plain),
        }
        secrets = _login_headers(self.login, origin) if self.login else self.key
        return plain | {header.name: header.value_for(origin) for header in secrets}

    async def _verification(self) -> ssl.SSLContext | bool:
        """Return the TLS verification for httpx. Raises OSError when the CA file is not usable."""
        if self.url.startswith("http:") and not (self.ca_file or self.proxy):
            return False
        import asyncio  # noqa: PLC0415 - see `send_if_changed`
        import ssl  # noqa: PLC0415

        import httpx  # noqa: PLC0415

        # In a thread: to read the certificates takes as long as a hundred turns, and streams would wait.
        if self.ca_file:
            return await asyncio.to_thread(ssl.create_default_context, cafile=self.ca_file)
        return await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)

    async def _answer(self, response: httpx.Response, etag: str) -> BackendAnswer:
        if response.status_code == _NOT_MODIFIED and etag:
            return BackendAnswer(None, etag)
        if response.status_code != _OK:
            plain = f"answered with status {response.status_code}"
            other = f"{plain}. codex-shim tries again later"
            raise self._error(_REFUSALS.get(response.status_code, other) if self.login else plain)
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES:
                what = f"sent more than {ANSWER_BYTES} bytes"
                raise self._error(what)
        return BackendAnswer(bytes(body), response.headers.get("etag", ""))

    def _error(self, what: str) -> DiscoveryError:
        return DiscoveryError(f"{Origin.of(self.url)} {what}")


def _login_headers(login: Login, origin: Origin) -> tuple[SecretHeader, ...]:
    secrets: list[tuple[bytes, Secret | None, bytes]] = [
        (b"authorization", login.access_token, b"Bearer "),
        (b"chatgpt-account-id", login.account_id, b""),
    ]
    return tuple(
        SecretHeader(name, secret, origin, prefix) for name, secret, prefix in secrets if secret
    )


@dataclass(frozen=True, slots=True)
class ModelsRequest:
    """`GET {base_url}/models?client_version=X.Y.Z` with one login, as Codex 0.169 sends it.

    Every method raises ValueError when `base_url` is not an http(s) URL.
    """

    base_url: str
    client_version: str
    login: Login
    proxy: Origin | None = None
    """The outbound proxy that turns use."""
    ca_file: str = ""
    """The CA file that turns use; empty means the default certificates."""

    @property
    def account(self) -> str:
        """A short hash of the account id. An ETag is only valid for the account that received it."""
        plain = self._request.headers().get(b"chatgpt-account-id", b"")
        return hashlib.sha256(plain).hexdigest()[:12] if plain else ""

    async def send(self, etag: str = "") -> BackendAnswer:
        """Send the request with the ETag of the known list. Raises DiscoveryError."""
        params = {"client_version": self.client_version}
        return await self._request.send_if_changed(params, etag)

    @property
    def _request(self) -> JsonRequest:
        url = self.base_url.rstrip("/") + "/models"
        if self.login.backend:
            url = f"{self.login.backend}{urlsplit(url).path}"
        return JsonRequest(url, self.login, self.proxy, self.ca_file)


def quiet_client_logs() -> None:
    """Keep httpx's own lines out of mitmproxy's log: at debug level they quote headers."""
    import logging  # noqa: PLC0415 - see `send`

    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
