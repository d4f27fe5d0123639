"""The account's models, fetched from a backend on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.adapters.codex.account_routes import AccountCatalog
from addons.adapters.codex.backend_models import ANSWER_BYTES
from addons.adapters.system.paths import account_catalog_file
from addons.core.codex.login import Login
from addons.core.secrets import Secret
from tests.adapters.account_models import (
    ACCOUNT,
    LOGIN,
    MODELS,
    TOKEN,
    Backend,
    Clock,
    listing,
    slugs,
    with_codex,
)


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_fallback_has_one_model(env: dict[str, str]) -> None:
    catalog = AccountCatalog(env, "https://chatgpt.com/backend-api/codex", Clock())
    catalog.load()

    assert slugs(catalog) == ["gpt-5.5"]
    assert (catalog.status, catalog.etag, catalog.age_seconds) == ("fallback", "", None)
    assert catalog.error == ""


def test_invalid_base_url_raises(env: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not an http"):
        AccountCatalog(env, "chatgpt.com", Clock())


async def test_request_matches_the_one_of_codex(env: dict[str, str], backend: Backend) -> None:
    catalog = AccountCatalog(env, backend.url + "/", Clock())

    assert await catalog.refresh(LOGIN) is True

    [(path, headers)] = backend.requests
    assert path == "/backend-api/codex/models?client_version=0.169.0"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["chatgpt-account-id"] == ACCOUNT
    assert "if-none-match" not in headers
    assert list(catalog.entries) == MODELS
    assert (catalog.status, catalog.etag, catalog.error) == ("account", '"one"', "")


async def test_installed_version_is_sent(
    env: dict[str, str], backend: Backend, tmp_path: Path
) -> None:
    with_codex(env, tmp_path / "bin", version="0.171.2")

    await AccountCatalog(env, backend.url, Clock()).refresh(LOGIN)

    assert backend.requests[0][0].endswith("client_version=0.171.2")


async def test_login_without_an_account_sends_no_account_header(
    env: dict[str, str], backend: Backend
) -> None:
    await AccountCatalog(env, backend.url, Clock()).refresh(Login(Secret(TOKEN)))

    assert "chatgpt-account-id" not in backend.requests[0][1]


async def test_list_is_loaded_after_a_restart(env: dict[str, str], backend: Backend) -> None:
    clock = Clock()
    await AccountCatalog(env, backend.url, clock).refresh(LOGIN)
    clock.now += 60

    later = AccountCatalog(env, backend.url, clock)
    later.load()

    assert list(later.entries) == MODELS
    assert (later.status, later.etag, later.age_seconds) == ("cached", '"one"', 60.0)


async def test_unchanged_list_is_confirmed(env: dict[str, str], backend: Backend) -> None:
    clock = Clock()
    await AccountCatalog(env, backend.url, clock).refresh(LOGIN)
    later = AccountCatalog(env, backend.url, clock)
    later.load()
    backend.status, backend.body = 304, b""
    clock.now += 60

    assert await later.refresh(LOGIN) is False

    assert backend.requests[1][1]["if-none-match"] == '"one"'
    assert list(later.entries) == MODELS
    assert (later.status, later.age_seconds, later.error) == ("account", 0.0, "")


async def test_etag_is_not_sent_for_another_account(env: dict[str, str], backend: Backend) -> None:
    catalog = AccountCatalog(env, backend.url, Clock())
    await catalog.refresh(LOGIN)
    backend.body = listing("other")

    assert await catalog.refresh(Login(Secret(TOKEN), Secret("someone-else"))) is True

    assert "if-none-match" not in backend.requests[1][1]
    assert slugs(catalog) == ["other"]


async def test_304_without_an_etag_is_an_error(env: dict[str, str], backend: Backend) -> None:
    backend.status, backend.body = 304, b""
    catalog = AccountCatalog(env, backend.url, Clock())

    assert await catalog.refresh(LOGIN) is False
    assert catalog.status == "fallback"
    assert "status 304" in catalog.error


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b'{"detail":"nope"}', "rejected the login (401). Run `codex login`"),
        (403, b"<html>", "rejected the request (403)"),
        (302, b"", "answered with status 302"),
        (429, b"", "too many requests (429)"),
        (503, b"", "answered with status 503"),
        (200, b"<html>sign in</html>", "is not a model list: it is not JSON"),
        (200, b'{"models":[]}', "is not a model list: it names no model"),
        (200, b" " * (ANSWER_BYTES + 1), f"sent more than {ANSWER_BYTES} bytes"),
    ],
)
async def test_unusable_response_keeps_the_known_list(
    env: dict[str, str], backend: Backend, status: int, body: bytes, expected: str
) -> None:
    catalog = AccountCatalog(env, backend.url, Clock())
    await catalog.refresh(LOGIN)
    on_disk = account_catalog_file(env).read_bytes()
    backend.status, backend.body = status, body
    backend.headers = {"location": backend.url + "/elsewhere"}

    assert await catalog.refresh(LOGIN) is False

    assert list(catalog.entries) == MODELS
    assert expected in catalog.error
    assert account_catalog_file(env).read_bytes() == on_disk
    assert len(backend.requests) == 2, "a redirect is not followed"


async def test_unreachable_backend_is_reported(env: dict[str, str]) -> None:
    catalog = AccountCatalog(env, "http://127.0.0.1:9/codex", Clock())

    assert await catalog.refresh(LOGIN) is False

    assert catalog.error == "http://127.0.0.1:9 could not be reached for its models (ConnectError)"


async def test_error_is_cleared_after_success(env: dict[str, str], backend: Backend) -> None:
    catalog = AccountCatalog(env, backend.url, Clock())
    backend.status = 503
    await catalog.refresh(LOGIN)
    backend.status = 200

    assert await catalog.refresh(LOGIN) is True
    assert catalog.error == ""


async def test_login_never_goes_through_an_environment_proxy(
    env: dict[str, str], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    assert await AccountCatalog(env, backend.url, Clock()).refresh(LOGIN) is True


async def test_no_secret_reaches_the_disk_a_message_or_a_log(
    env: dict[str, str],
    backend: Backend,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    catalog = AccountCatalog(env, backend.url, Clock())
    await catalog.refresh(LOGIN)
    backend.status, backend.body = 401, f"{TOKEN} {ACCOUNT}".encode()
    await catalog.refresh(LOGIN)

    written = everything_under(tmp_path)
    for secret in (TOKEN, ACCOUNT):
        assert secret.encode() not in written
        assert secret not in catalog.error + caplog.text + repr(catalog.__dict__)


async def test_stored_list_is_private(env: dict[str, str], backend: Backend) -> None:
    await AccountCatalog(env, backend.url, Clock()).refresh(LOGIN)

    assert account_catalog_file(env).stat().st_mode & 0o077 == 0


async def test_request_uses_the_proxy_of_turns(env: dict[str, str], backend: Backend) -> None:
    env["CODEX_SHIM_UPSTREAM_PROXY"] = backend.url.removesuffix("/backend-api/codex")
    catalog = AccountCatalog(env, "http://model.example/codex", Clock())

    assert await catalog.refresh(LOGIN)
    path, headers = backend.requests[0]
    assert path.startswith("http://model.example/codex/models?")
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "wrong",
    [{"CODEX_SHIM_CA_FILE": "/nowhere/ca.pem"}, {"CODEX_SHIM_UPSTREAM_PROXY": "socks5://h:1"}],
)
async def test_unusable_proxy_or_ca_file_prevents_the_request(
    env: dict[str, str], backend: Backend, wrong: dict[str, str]
) -> None:
    port = backend.url.split(":")[2].split("/")[0]
    catalog = AccountCatalog(env | wrong, f"http://0.0.0.0:{port}/codex", Clock())
    assert not await catalog.refresh(LOGIN)
    assert catalog.error
    assert backend.requests == []
