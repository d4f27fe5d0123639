"""The model list request to the ChatGPT backend: where it goes, what it sends, and how it fails."""

from __future__ import annotations

import dataclasses
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from addons.adapters.codex.backend_models import BackendAnswer, DiscoveryError, ModelsRequest
from addons.core.codex.login import Login
from addons.core.secrets import Origin, Secret
from tests.adapters.account_models import ACCOUNT, LOGIN, MODELS, TOKEN, Backend, listing
from tests.support.certificates import make_authority
from tests.support.upstream import Exchange, upstream


def request(backend: Backend, login: Login = LOGIN) -> ModelsRequest:
    return ModelsRequest(backend.url, "1.2.3", login)


async def test_response_holds_body_and_etag(backend: Backend) -> None:
    backend.body = listing("a")
    assert await request(backend).send() == BackendAnswer(backend.body, '"one"')
    [(path, headers)] = backend.requests
    assert path == "/backend-api/codex/models?client_version=1.2.3"
    assert headers["user-agent"] == "codex-shim"
    assert "if-none-match" not in headers


async def test_not_modified_has_no_body(backend: Backend) -> None:
    backend.status, backend.body = 304, b""
    assert await request(backend).send('"old"') == BackendAnswer(None, '"old"')
    assert backend.requests[0][1]["if-none-match"] == '"old"'


async def test_missing_etag_is_empty(backend: Backend) -> None:
    backend.headers = {}
    assert (await request(backend).send()).etag == ""


@pytest.mark.parametrize("status", [304, 302, 401, 403, 429, 500])
async def test_other_status_is_an_error_without_the_response(backend: Backend, status: int) -> None:
    backend.status, backend.body = status, f"{TOKEN} {ACCOUNT}".encode()
    backend.headers = {"location": "http://127.0.0.1:9/elsewhere"}
    with pytest.raises(DiscoveryError) as caught:
        await request(backend).send()
    assert str(caught.value).startswith(str(Origin.of(backend.url)))
    assert str(status) in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert len(backend.requests) == 1


async def test_unusable_ca_file_prevents_the_request(backend: Backend) -> None:
    with pytest.raises(DiscoveryError, match="FileNotFoundError"):
        await dataclasses.replace(request(backend), ca_file="/nowhere/ca.pem").send()
    assert backend.requests == []


async def test_https_is_verified_and_certificates_are_read_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []

    create = ssl.create_default_context

    def recorded(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        readers.append(threading.current_thread())
        return create(*args, **kwargs)

    monkeypatch.setattr(ssl, "create_default_context", recorded)
    authority = make_authority(tmp_path)

    async def models(exchange: Exchange) -> None:
        await exchange.whole(listing("a"), b"content-type: application/json")

    async with upstream(models, tls=authority.server_context()) as fake:
        asked = ModelsRequest(f"https://127.0.0.1:{fake.port}/codex", "1.2.3", LOGIN)
        with pytest.raises(DiscoveryError, match="ConnectError"):
            await asked.send()
        assert fake.requests == []
        trusting = dataclasses.replace(asked, ca_file=str(authority.ca_file))
        assert (await trusting.send()).body == listing("a")
    assert len(readers) == 2
    assert threading.main_thread() not in readers


async def test_request_goes_through_the_given_proxy(backend: Backend) -> None:
    proxied = ModelsRequest("http://model.example/codex", "1.2.3", LOGIN, Origin.of(backend.url))
    answer = await proxied.send()
    assert answer.body is not None
    assert MODELS[0]["slug"].encode() in answer.body  # type: ignore[attr-defined]
    assert backend.requests[0][0].startswith("http://model.example/codex/models?")


def test_account_hash_identifies_the_account_without_showing_it(backend: Backend) -> None:
    own = request(backend).account
    assert len(own) == 12
    assert ACCOUNT not in own
    assert own == request(backend, Login(Secret("other token"), Secret(ACCOUNT))).account
    assert own != request(backend, Login(Secret(TOKEN), Secret("other"))).account
    assert request(backend, Login(Secret(TOKEN))).account == ""


@pytest.mark.parametrize("url", ["chatgpt.com", "ftp://chatgpt.com"])
async def test_invalid_base_url_raises(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        await ModelsRequest(url, "1.2.3", LOGIN).send()


def test_request_does_not_load_httpx() -> None:
    code = (
        "import asyncio, sys; from addons.core.codex.login import Login\n"
        "from addons.adapters.codex.backend_models import DiscoveryError, ModelsRequest\n"
        "try: asyncio.run(ModelsRequest('http://127.0.0.1:1', '1.0.0', Login(None, None)).send())\n"
        "except DiscoveryError: print([m for m in ('httpx', 'rich', 'pygments') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")
