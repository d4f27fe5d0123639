"""Asks a service for JSON with a credential: OpenAI about one account, or a provider for its models.

Never does: follow a redirect, choose a proxy of its own, quote the response in an error. Invariant: the credential
goes only to the origin of the URL, and every unusable response is a DiscoveryError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from addons.core.codex.login import Login
from addons.core.headers import Headers
from addons.core.secrets import Origin, Secret, SecretHeader

if TYPE_CHECKING:
    from addons.adapters.system.http_client import Answer

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

        from addons.adapters.system import http_client  # noqa: PLC0415

        conditional = {b"if-none-match": etag.encode()} if etag else {}
        headers = [*self.headers().items(), *conditional.items()]
        url = f"{self.url}?{urlencode(params)}" if params else self.url
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                answer = await http_client.get(url, headers, ANSWER_BYTES, self.proxy, self.ca_file)
        except http_client.TooLargeError:
            what = f"sent more than {ANSWER_BYTES} bytes"
            raise self._error(what) from None
        except (http_client.RequestError, OSError) as error:
            what = f"could not be reached for its models ({type(error).__name__})"
            raise self._error(what) from None
        return self._accepted(answer, etag)

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

    def _accepted(self, answer: Answer, etag: str) -> BackendAnswer:
        if answer.status == _NOT_MODIFIED and etag:
            return BackendAnswer(None, etag)
        if answer.status != _OK:
            plain = f"answered with status {answer.status}"
            other = f"{plain}. codex-shim tries again later"
            raise self._error(_REFUSALS.get(answer.status, other) if self.login else plain)
        return BackendAnswer(answer.body, answer.etag)

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
