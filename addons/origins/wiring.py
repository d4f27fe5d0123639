"""Make a model the one that Codex uses: the catalog, the local token and the block in Codex's config, in that order.

Used alike by the command line and by the running shim. Never does: point Codex at a catalog that it would not start
with, or at a model that has no way to go. Invariant: what the block refers to is there before the block is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from addons.core.codex_provider import config_of, token_in_file
from addons.core.routes import Route, RouteTable
from addons.core.turn import Sink, SyntheticOrigin
from addons.origins.codex_cli import CodexCli
from addons.origins.codex_config import Change, CodexConfig, ConfigError
from addons.origins.files import FileAccessError, write_atomic
from addons.origins.fitting import Fit, fit_to
from addons.origins.local_token import ensure_token
from addons.origins.paths import catalog_file

SWITCH_WAIT_SECONDS = 2.0
SHOWN_PROBLEMS = 5


class WiringError(Exception):
    """Nothing of Codex's was changed. The words say why; `advice` what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Wired:
    """What was done."""

    slug: str
    change: Change

    @property
    def message(self) -> str:
        """It in a sentence."""
        if self.change.written:
            return f"Codex uses {self.slug} from its next start on ({self.change.path})."
        return f"Codex uses {self.slug} already ({self.change.path})."


def point_codex(
    env: Mapping[str, str], table: RouteTable, slug: str, port: int, wait_seconds: float = 10.0
) -> Wired:
    """Make this model the one that Codex uses. Raises WiringError."""
    live_route(table, slug)
    route = live_route(write_catalog(env, table), slug)
    try:
        token = ensure_token(env)
        config = config_of(route.slug, port, str(catalog_file(env)), token_in_file(token))
        change = CodexConfig(env, wait_seconds).wire(config)
    except FileAccessError as error:
        raise _state_refused(error) from error
    except ConfigError as error:
        raise WiringError(str(error), error.advice) from error
    return Wired(route.slug, change)


def live_route(table: RouteTable, slug: str) -> Route:
    """The route of a slug or alias that can be used now. Raises WiringError."""
    route = table.resolve(slug)
    if route is None:
        msg = f"there is no model {slug!r}"
        raise WiringError(msg, "See which there are: codex-shim list")
    if not route.live:
        msg = f"{slug} cannot be used now: {route.hidden_because}"
        raise WiringError(msg, "See which can: codex-shim list")
    return route


def write_catalog(env: Mapping[str, str], table: RouteTable) -> RouteTable:
    """Write the catalog of the live models when it is not written yet. Raises WiringError; it is then unchanged.

    Gives the table without the models whose entries the installed Codex would not take.
    """
    path = catalog_file(env)
    try:
        if path.is_file() and path.read_bytes() == Fit(table).catalog:
            return table
        fit = fit_to(CodexCli.find(env), table)
        if fit.problems:
            shown = "; ".join(fit.problems[:SHOWN_PROBLEMS])
            msg = f"Codex would not start with the new catalog, so nothing was changed: {shown}"
            raise WiringError(msg, "Correct the row in models.json, then run it again.")
        write_atomic(path, fit.catalog)
    except FileAccessError as error:
        raise _state_refused(error) from error
    except OSError as error:
        raise _state_refused(FileAccessError(path, error.strerror or "unreadable")) from error
    return fit.table


def _state_refused(error: FileAccessError) -> WiringError:
    return WiringError(str(error), "Set CODEX_SHIM_STATE_DIR to a folder of yours.")


def switch_origin(
    env: Mapping[str, str], table: Callable[[], RouteTable], port: Callable[[], int]
) -> Callable[[str], SyntheticOrigin]:
    """Make what `POST /api/switch` does: the work on a thread, its outcome as JSON."""

    def make(slug: str) -> SyntheticOrigin:
        async def origin(sink: Sink) -> None:
            outcome = await asyncio.to_thread(_switched, env, table(), slug, port())
            await sink.write(orjson.dumps(outcome))

        return origin

    return make


def _switched(env: Mapping[str, str], table: RouteTable, slug: str, port: int) -> dict[str, object]:
    try:
        wired = point_codex(env, table, slug, port, SWITCH_WAIT_SECONDS)
    except WiringError as error:
        told = f"{error}. {error.advice}"
        return {"ok": False, "slug": slug, "written": False, "message": told}
    written = wired.change.written
    return {"ok": True, "slug": wired.slug, "written": written, "message": wired.message}
