"""The account's models from other sources than the backend: the stored copy, Codex's cache, the installed Codex."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.adapters.codex.account_routes import AccountCatalog
from addons.adapters.system.paths import (
    account_catalog_file,
    bundled_catalog_file,
    models_cache_file,
)
from tests.adapters.account_models import LOGIN, Backend, Clock, listing, slugs, with_codex


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_codex_cache_is_read_without_a_stored_copy(env: dict[str, str]) -> None:
    put(
        models_cache_file(env),
        b'{"etag":"theirs","client_version":"0.169.0","models":[{"slug":"c"}]}',
    )
    catalog = AccountCatalog(env, "http://127.0.0.1:9", Clock())
    catalog.load()

    assert slugs(catalog) == ["c"]
    assert (catalog.status, catalog.etag, catalog.age_seconds) == ("models_cache", "", None)


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"models":[]}', b"\xff"])
def test_broken_copy_is_reported_and_the_next_source_used(
    env: dict[str, str], broken: bytes
) -> None:
    put(account_catalog_file(env), broken)
    put(models_cache_file(env), listing("c"))
    catalog = AccountCatalog(env, "http://127.0.0.1:9", Clock())
    catalog.load()

    assert slugs(catalog) == ["c"]
    assert str(account_catalog_file(env)) in catalog.error


def test_copy_with_invalid_metadata_is_read(env: dict[str, str]) -> None:
    put(account_catalog_file(env), b'{"models":[{"slug":"a"}],"fetched_at":"x","etag":7}')
    catalog = AccountCatalog(env, "http://127.0.0.1:9", Clock())
    catalog.load()

    assert (slugs(catalog), catalog.status, catalog.age_seconds) == (["a"], "cached", None)


async def test_bundled_catalog_is_read_without_a_login(env: dict[str, str], tmp_path: Path) -> None:
    fake = with_codex(env, tmp_path / "bin")
    catalog = AccountCatalog(env, "http://127.0.0.1:9", Clock())
    catalog.load()

    assert await catalog.refresh(None) is True
    assert (slugs(catalog), catalog.status, catalog.error) == (
        ["bundled-0.169.0"],
        "bundled",
        "",
    )

    later = AccountCatalog(env, "http://127.0.0.1:9", Clock())
    later.load()
    assert later.status == "bundled"
    assert await later.refresh(None) is False
    assert [arguments for arguments, _ in fake.calls].count(["debug", "models", "--bundled"]) == 1


async def test_bundled_catalog_is_read_again_for_another_version(
    env: dict[str, str], tmp_path: Path
) -> None:
    with_codex(env, tmp_path / "bin")
    catalog = AccountCatalog(env, "http://127.0.0.1:9", Clock())
    await catalog.refresh(None)
    with_codex(env, tmp_path / "bin", version="0.170.0")

    assert await catalog.refresh(None) is True
    assert slugs(catalog) == ["bundled-0.170.0"]
    assert b'"0.170.0"' in bundled_catalog_file(env).read_bytes()


async def test_bundled_catalog_does_not_replace_a_better_list(
    env: dict[str, str], tmp_path: Path
) -> None:
    fake = with_codex(env, tmp_path / "bin")
    put(models_cache_file(env), listing("c"))
    catalog = AccountCatalog(env, "http://127.0.0.1:9", Clock())
    catalog.load()

    assert await catalog.refresh(None) is False
    assert slugs(catalog) == ["c"]
    assert [arguments for arguments, _ in fake.calls] == [["--version"]]


async def test_bundled_catalog_is_read_when_the_backend_fails(
    env: dict[str, str], backend: Backend, tmp_path: Path
) -> None:
    with_codex(env, tmp_path / "bin")
    backend.status = 403
    catalog = AccountCatalog(env, backend.url, Clock())

    assert await catalog.refresh(LOGIN) is True
    assert catalog.status == "bundled"
    assert "rejected the request (403)" in catalog.error


async def test_error_of_the_better_source_is_reported(
    env: dict[str, str], backend: Backend, tmp_path: Path
) -> None:
    with_codex(env, tmp_path / "bin", behaviour="no catalog")
    catalog = AccountCatalog(env, backend.url, Clock())
    await catalog.refresh(None)
    assert "debug models --bundled` failed" in catalog.error
    backend.status = 403

    await catalog.refresh(LOGIN)

    assert "rejected the request (403)" in catalog.error
    assert catalog.status == "fallback"


async def test_backend_is_queried_although_codex_cannot_run(
    env: dict[str, str], backend: Backend
) -> None:
    env["CODEX_BIN"] = "/nowhere/codex"
    catalog = AccountCatalog(env, backend.url, Clock())

    assert await catalog.refresh(LOGIN) is True
    assert catalog.status == "account"
    assert "/nowhere/codex could not be started" in catalog.error


async def test_unwritable_state_folder_only_prevents_the_copy(
    env: dict[str, str], backend: Backend, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file in the way")
    catalog = AccountCatalog(env, backend.url, Clock())

    assert await catalog.refresh(LOGIN) is True
    assert catalog.status == "account"
    assert str(account_catalog_file(env)) in catalog.error
