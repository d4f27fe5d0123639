"""Makes a model the one that Codex uses: writes the catalog, the local token and the config block, in that order.

The command line and the running shim share this module. Never does: point Codex at a catalog with which it would not
start, or at a model that is not available. Invariant: everything that the block refers to exists before the block does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from addons.adapters.codex.accepted_models import filter_accepted, installed_version, made_for
from addons.adapters.codex.cli import CodexCli
from addons.adapters.codex.config_file import Change, CodexConfig, ConfigError
from addons.adapters.codex.login_file import has_api_key_login, has_chatgpt_login
from addons.adapters.system.files import FileAccessError, write_atomic
from addons.adapters.system.local_token import ensure_token
from addons.adapters.system.paths import CODEX_CATALOG, catalog_file
from addons.core.codex.features import Feature, features
from addons.core.codex.login import is_login_disabled
from addons.core.codex.provider_config import (
    Values,
    config_for,
    own_search,
    provider_of,
    token_in_file,
)
from addons.core.routes import Route, RouteTable
from addons.core.turn import LocalSource, Sink

SWITCH_WAIT_SECONDS = 2.0
SHOWN_PROBLEMS = 5


class ActivationError(Exception):
    """Codex's files were not changed. The message says why, `advice` what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Activation:
    """The result of an activation."""

    slug: str
    change: Change
    features: tuple[Feature, ...] = ()
    """What Codex offers with the new block."""

    @property
    def message(self) -> str:
        """The result in one sentence."""
        if self.change.written:
            return f"Codex will use {self.slug} the next time you start it ({self.change.path})."
        return f"Codex already uses {self.slug} ({self.change.path})."


def activate_model(
    env: Mapping[str, str], table: RouteTable, slug: str, port: int, wait_seconds: float = 10.0
) -> Activation:
    """Make this model the one that Codex uses. Raises ActivationError."""
    live_route(table, slug)
    route = live_route(write_catalog(env, table), slug)
    try:
        token = ensure_token(env)
        config = config_for(
            route.slug,
            port,
            CODEX_CATALOG,
            token_in_file(token),
            chatgpt_login=uses_chatgpt_login(env),
            api_key=uses_api_key(env),
            websocket=table.websocket,
            searches=table.searches,
        )
        change = CodexConfig(env, wait_seconds).install(config, _read_catalog(env))
    except FileAccessError as error:
        raise _state_error(error) from error
    except ConfigError as error:
        raise ActivationError(str(error), error.advice) from error
    return Activation(route.slug, change, _offered(env, config))


def _offered(env: Mapping[str, str], config: Values) -> tuple[Feature, ...]:
    """Return what Codex offers with the installed block. The text may have had no place for a feature."""
    searches = CodexConfig(env).offers_search()
    return features(provider_of(config), searches=searches, wanted=own_search(config))


def uses_chatgpt_login(env: Mapping[str, str]) -> bool:
    """Return whether the block may require a ChatGPT login: Codex has one, and the shim does not ignore it."""
    return has_chatgpt_login(env) and not is_login_disabled(env)


def uses_api_key(env: Mapping[str, str]) -> bool:
    """Return whether Codex is logged in with an API key, and the shim does not ignore it."""
    return has_api_key_login(env) and not is_login_disabled(env)


def _read_catalog(env: Mapping[str, str]) -> bytes:
    path = catalog_file(env)
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileAccessError(path, error.strerror or "unreadable") from error


def live_route(table: RouteTable, slug: str) -> Route:
    """Return the live route of a slug or alias. Raises ActivationError."""
    route = table.resolve(slug)
    if route is None:
        msg = f"there is no model {slug!r}"
        raise ActivationError(msg, "List the models: codex-shim list")
    if not route.live:
        msg = f"{slug} is not available: {route.unavailable_reason}"
        raise ActivationError(msg, "List the available models: codex-shim list")
    return route


def write_catalog(env: Mapping[str, str], table: RouteTable) -> RouteTable:
    """Write the catalog of the live models if it has changed. Raises ActivationError; the file is then unchanged.

    The file says for which version of Codex it was made, so that it changes with the installed version. Return the table
    without the models whose entries the installed Codex rejects.
    """
    path, codex = catalog_file(env), CodexCli.find(env)
    version = installed_version(codex)
    try:
        if path.is_file() and path.read_bytes() == made_for(version, table).catalog:
            return table
        accepted = filter_accepted(codex, table, version)
        if accepted.problems:
            shown = "; ".join(accepted.problems[:SHOWN_PROBLEMS])
            msg = f"Codex would not start with the new catalog, so nothing was changed: {shown}"
            raise ActivationError(
                msg, "Correct the row in models.json, then run the command again."
            )
        write_atomic(path, accepted.catalog)
    except FileAccessError as error:
        raise _state_error(error) from error
    except OSError as error:
        raise _state_error(FileAccessError(path, error.strerror or "unreadable")) from error
    return accepted.table


def _state_error(error: FileAccessError) -> ActivationError:
    return ActivationError(str(error), "Set CODEX_SHIM_STATE_DIR to a folder that you can write.")


def switch_source(
    env: Mapping[str, str], table: Callable[[], RouteTable], port: Callable[[], int]
) -> Callable[[str], LocalSource]:
    """Return the handler of `POST /api/switch`: it activates a slug in a thread and writes the result as JSON."""

    def make(slug: str) -> LocalSource:
        async def source(sink: Sink) -> None:
            result = await asyncio.to_thread(_switch, env, table(), slug, port())
            await sink.write(orjson.dumps(result))

        return source

    return make


def _switch(env: Mapping[str, str], table: RouteTable, slug: str, port: int) -> dict[str, object]:
    try:
        activation = activate_model(env, table, slug, port, SWITCH_WAIT_SECONDS)
    except ActivationError as error:
        message = f"{error}. {error.advice}"
        return {"ok": False, "slug": slug, "written": False, "message": message}
    written = activation.change.written
    return {"ok": True, "slug": activation.slug, "written": written, "message": activation.message}
