"""One question to the ChatGPT backend: which models does this account have?

Never does: follow a redirect, choose its own way out, repeat what the other side sent in an error. Invariant:
the login's values go to the origin of the base URL alone, and whatever cannot be used is a DiscoveryError.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from addons.core.credential import Origin, Secret, SecretHeader
from addons.core.login import Login

if TYPE_CHECKING:
    import ssl

    import httpx

LIMIT_SECONDS = 15.0
ANSWER_BYTES = 16 * 1024 * 1024
_OK = 200
_NOT_MODIFIED = 304

_REFUSALS = {
    401: "refused the login (401). Run `codex login` to renew it",
    403: "refused the request (403). Run `codex login`, then `codex-shim doctor`",
    429: "has had too many requests (429). It is asked again later",
}


class DiscoveryError(Exception):
    """A source gave nothing. Its text is for the user and holds nothing that the other side sent."""


def leave_out_command_line() -> None:
    """Load no command line with httpx, which would bring rich and pygments: 3 MiB in a process that runs all day."""
    # httpx does without what cannot be imported
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class BackendAnswer:
    """What the backend said. `body` is None when the list has not changed since the ETag that was sent."""

    body: bytes | None
    etag: str


@dataclass(frozen=True, slots=True)
class ModelsRequest:
    """`GET {base_url}/models?client_version=X.Y.Z` of one login. The form is that of Codex 0.169.

    Every use raises ValueError when `base_url` is not an http(s) URL.
    """

    base_url: str
    client_version: str
    login: Login
    proxy: Origin | None = None
    """The outbound proxy: the one that turns go through."""
    ca_file: str = ""
    """The certificates to verify with: those of turns. Empty: the usual ones."""

    @property
    def account(self) -> str:
        """A short hash of the account id: an ETag of one account says nothing of another."""
        plain = self._headers().get(b"chatgpt-account-id", b"")
        return hashlib.sha256(plain).hexdigest()[:12] if plain else ""

    async def send(self, etag: str = "") -> BackendAnswer:
        """Ask, with the ETag of the list that is at hand. Raises DiscoveryError."""
        # Imported here: `codex-shim list` loads this module, and never asks.
        import asyncio  # noqa: PLC0415

        leave_out_command_line()
        import httpx  # noqa: PLC0415

        _hush_client_logs()
        conditional = {b"if-none-match": etag.encode()} if etag else {}
        try:
            async with (
                asyncio.timeout(LIMIT_SECONDS),
                httpx.AsyncClient(
                    follow_redirects=False,
                    trust_env=False,
                    proxy=str(self.proxy) if self.proxy else None,
                    verify=self._verification(),
                ) as client,
                client.stream(
                    "GET",
                    self.base_url.rstrip("/") + "/models",
                    params={"client_version": self.client_version},
                    headers=[*self._headers().items(), *conditional.items()],
                ) as response,
            ):
                return await self._answer(response, etag)
        except (httpx.HTTPError, OSError) as error:
            what = f"could not be asked for its models ({type(error).__name__})"
            raise self._trouble(what) from None

    def _verification(self) -> ssl.SSLContext | bool:
        """What httpx verifies with. Raises OSError when the file cannot be used."""
        import ssl  # noqa: PLC0415 - see `send`

        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True

    def _headers(self) -> dict[bytes, bytes]:
        origin = Origin.of(self.base_url)
        secrets: list[tuple[bytes, Secret | None, bytes]] = [
            (b"authorization", self.login.access_token, b"Bearer "),
            (b"chatgpt-account-id", self.login.account_id, b""),
        ]
        plain = {
            b"accept": b"application/json",
            b"accept-encoding": b"identity",
            b"user-agent": b"codex-shim",
        }
        return plain | {
            name: SecretHeader(name, secret, origin, prefix).value_for(origin)
            for name, secret, prefix in secrets
            if secret
        }

    async def _answer(self, response: httpx.Response, etag: str) -> BackendAnswer:
        if response.status_code == _NOT_MODIFIED and etag:
            return BackendAnswer(None, etag)
        if response.status_code != _OK:
            other = f"answered with status {response.status_code}. It is asked again later"
            raise self._trouble(_REFUSALS.get(response.status_code, other))
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES:
                what = f"sent more than {ANSWER_BYTES} bytes"
                raise self._trouble(what)
        return BackendAnswer(bytes(body), response.headers.get("etag", ""))

    def _trouble(self, what: str) -> DiscoveryError:
        return DiscoveryError(f"{Origin.of(self.base_url)} {what}")


def _hush_client_logs() -> None:
    """Keep the client library's own lines out of mitmproxy's log: at debug level they quote headers."""
    import logging  # noqa: PLC0415 - see `send`

    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
