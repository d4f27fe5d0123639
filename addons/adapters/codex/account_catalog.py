"""The models of the ChatGPT account: read from memory, refreshed in the background.

Sources, best first: the backend, the stored copy of its last response, Codex's own models_cache.json, the catalog inside
the installed Codex, one built-in entry. Never does: run on the request path, change an entry, raise.
Invariant: there is always at least one entry, and a failing source removes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import orjson

from addons.adapters.codex.backend_models import DiscoveryError, ModelsRequest
from addons.adapters.codex.cli import CodexCli, CodexCliError
from addons.adapters.system.files import CachedFile, FileAccessError, write_atomic
from addons.adapters.system.paths import (
    Env,
    account_catalog_file,
    bundled_catalog_file,
    models_cache_file,
)
from addons.core.codex.catalog import Entry, account_entries, fallback_entries
from addons.core.codex.login import Login
from addons.core.secrets import Origin
from addons.core.upstream.outbound_proxy import CA_FILE, proxy_for

Status = Literal["account", "cached", "models_cache", "bundled", "fallback"]

CLIENT_VERSION_UNKNOWN = "0.169.0"
"""Sent when no Codex is installed. The backend lists the models that this client version can use."""


@dataclass(frozen=True, slots=True)
class _Known:
    """One model list with its metadata. The file on disk holds the same fields as JSON."""

    status: Status
    models: tuple[Entry, ...]
    etag: str = ""
    account: str = ""
    """The account of the list: `ModelsRequest.account`."""
    codex_version: str = ""
    """The Codex version that the list was requested for."""
    fetched_at: float | None = None
    """Epoch seconds."""


class AccountCatalog:
    """The account's models. Call `load` once and `refresh` from one task at a time; read at any time.

    Raises ValueError when `base_url` is not an http(s) URL. `clock` returns epoch seconds.
    """

    def __init__(self, env: Env, base_url: str, clock: Callable[[], float]) -> None:
        Origin.of(base_url)
        self._env = env
        self._base_url = base_url
        self._clock = clock
        self._known = _Known("fallback", fallback_entries())
        self.error = ""
        """Why the last load or refresh did not reach the best source; empty when it did."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The catalog entries, verbatim and in the account's order. Never empty."""
        return self._known.models

    @property
    def status(self) -> Status:
        """The source of the entries."""
        return self._known.status

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that `load` reads, best first."""
        return tuple(path for _, path in self._on_disk())

    @property
    def etag(self) -> str:
        """The backend's ETag of the entries, quotes included; empty when they come from another source."""
        return self._known.etag

    @property
    def age_seconds(self) -> float | None:
        """Seconds since the backend sent or confirmed the entries; None when they come from another source."""
        fetched_at = self._known.fetched_at
        return None if fetched_at is None else max(0.0, self._clock() - fetched_at)

    def load(self) -> None:
        """Load the best list on disk. Never raises."""
        self.error = ""
        for status, path in self._on_disk():
            try:
                found = _read(status, path)
            except (DiscoveryError, FileAccessError) as error:
                self.error = str(error)
                continue
            if found:
                self._known = found
                return

    def _on_disk(self) -> list[tuple[Status, Path]]:
        return [
            ("cached", account_catalog_file(self._env)),
            ("models_cache", models_cache_file(self._env)),
            ("bundled", bundled_catalog_file(self._env)),
        ]

    async def refresh(self, login: Login | None) -> bool:
        """Query the backend, and the installed Codex while no better list is known. Return whether the entries changed.

        Never raises: `error` holds the reason, and the known entries stay.
        """
        before = self._known.models
        self.error = ""
        codex = CodexCli.find(self._env)
        version = await self._version_of(codex)
        for step in (
            partial(self._query_backend, login, version),
            partial(self._read_bundled, codex, version),
        ):
            try:
                await step()
            except (CodexCliError, DiscoveryError, FileAccessError) as error:
                self.error = self.error or str(error)
        return self._known.models != before

    async def _version_of(self, codex: CodexCli | None) -> str:
        try:
            return await _in_thread(codex.version) if codex else ""
        except CodexCliError as error:
            self.error = str(error)
            return ""

    async def _query_backend(self, login: Login | None, version: str) -> None:
        if not login:
            return
        version = version or CLIENT_VERSION_UNKNOWN
        try:
            proxy = proxy_for(Origin.of(self._base_url), self._env, own_port=0)
        except ValueError as error:
            raise DiscoveryError(str(error)) from None
        ca_file = self._env.get(CA_FILE, "")
        request = ModelsRequest(self._base_url, version, login, proxy, ca_file)
        account, known = request.account, self._known
        same = (known.account, known.codex_version) == (account, version)
        answer = await request.send(known.etag if same else "")
        if answer.body is None:
            self._known = replace(known, status="account", fetched_at=self._clock())
        else:
            models = _models_of(answer.body, f"the response of {self._base_url}")
            self._known = _Known("account", models, answer.etag, account, version, self._clock())
        await _in_thread(_write, account_catalog_file(self._env), self._known)

    async def _read_bundled(self, codex: CodexCli | None, version: str) -> None:
        known = self._known
        up_to_date = known.status == "bundled" and known.codex_version == version
        if not (codex and version) or known.status not in {"bundled", "fallback"} or up_to_date:
            return
        models = _models_of(await _in_thread(codex.bundled_catalog), codex.binary)
        self._known = _Known("bundled", models, codex_version=version)
        await _in_thread(_write, bundled_catalog_file(self._env), self._known)


async def _in_thread[**P, T](call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    import asyncio  # noqa: PLC0415 - 50 ms, and `codex-shim list` only loads

    return await asyncio.to_thread(call, *args, **kwargs)


def _read(status: Status, path: Path) -> _Known | None:
    payload = CachedFile(path).read()
    if payload is None:
        return None
    models = _models_of(payload, str(path))
    if status == "models_cache":
        return _Known(status, models)
    record = orjson.loads(payload)
    fetched_at = record.get("fetched_at")
    return _Known(
        status,
        models,
        etag=str(record.get("etag", "")),
        account=str(record.get("account", "")),
        codex_version=str(record.get("codex_version", "")),
        fetched_at=fetched_at if isinstance(fetched_at, float) else None,
    )


def _write(path: Path, known: _Known) -> None:
    write_atomic(path, orjson.dumps(known))


def _models_of(payload: bytes, where: str) -> tuple[Entry, ...]:
    read = account_entries(payload)
    if read.problem:
        msg = f"{where} is not a model list: {read.problem}"
        raise DiscoveryError(msg)
    return read.entries
