"""Turns of mitmproxy as turns to compare, and the command of mitmweb and the console that compares one.

Never does: change a flow, run a call. Invariant: the text of a turn leaves only for the models that the user named, and for a
page that only the user can read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mitmproxy import exceptions, flow, http
from mitmproxy.log import ALERT

from addons.adapters.ledger.usage_report import shipped_prices
from addons.adapters.route_sources import RouteSources
from addons.adapters.system.files import FileAccessError
from addons.adapters.system.local_token import read_token
from addons.adapters.system.tasks import spawn
from addons.adapters.vision.own_port import ANY_ADDRESS
from addons.adapters.what_if.asking import MAX_MODELS, Shim, ask_models
from addons.adapters.what_if.pages import page_path, write_page
from addons.core.routes import Route, RouteTable
from addons.core.settings.near_miss import nearest
from addons.core.what_if.answer import Answer, complete
from addons.core.what_if.original import NotComparableError, Original, original_of, recorded_answer
from addons.core.what_if.page import comparison_page
from addons.proxy.recent_turns import FinishedTurn, is_turn
from addons.views.turn_data import plain_body

log = logging.getLogger(__name__)


def original_turn(finished: FinishedTurn) -> Original:
    """Return the turn that a finished flow is. Raises NotComparableError."""
    request, response = finished.request, finished.response
    headers = tuple(request.headers.fields)
    original = original_of(finished.id, request.path, headers, request.raw_content or b"", None)
    body = response.raw_content if response else None
    if response and body is not None:
        body = plain_body(body, response.headers.get("content-encoding", ""))
    answer = recorded_answer(
        original.slug,
        response.status_code if response else 0,
        tuple(response.headers.fields) if response else (),
        body,
        finished.metadata,
    )
    return Original(original.id, original.slug, original.headers, original.body, answer)


class Comparison:
    """The command `codexshim.whatif`."""

    def __init__(
        self,
        env: Mapping[str, str],
        sources: RouteSources,
        address: Callable[[], tuple[str, int]],
    ) -> None:
        """`address` returns host and port of the listener."""
        self._env = env
        self._sources = sources
        self._address = address

    def begin(self, flows: Sequence[flow.Flow], slugs: Sequence[str]) -> Path:
        """Ask the models in the background. Return where the page will be. Raises CommandError."""
        try:
            original = original_turn(FinishedTurn.of(_turn_of(flows)))
        except NotComparableError as error:
            raise exceptions.CommandError(str(error)) from None
        routes = _routes(self._sources.table(), slugs)
        path = page_path(self._env, original.id)
        spawn(self._compare(original, routes, path), "what-if")
        return path

    async def _compare(self, original: Original, routes: Sequence[Route], path: Path) -> None:
        answers: list[Answer] = []
        await ask_models(self._own_shim(), original, routes, answers)
        prices = shipped_prices(self._sources.rows.rows)
        recorded = [original.answer] if original.answer else []
        complete((*recorded, *answers), self._sources.table(), prices)
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        page = await asyncio.to_thread(comparison_page, original, answers, when)
        try:
            await asyncio.to_thread(write_page, path, page)
        except FileAccessError as error:
            log.error("The page of the comparison was not written: %s", error)  # noqa: TRY400  no traceback for a user
            return
        failed = [answer.slug for answer in answers if not answer.is_complete]
        rest = f" Without a complete answer: {', '.join(failed)}." if failed else ""
        log.log(ALERT, "What if: %s.%s", path, rest)

    def _own_shim(self) -> Shim:
        host, port = self._address()
        host = ANY_ADDRESS.get(host, host)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        return Shim(url, read_token(self._env))


def _turn_of(flows: Sequence[flow.Flow]) -> http.HTTPFlow:
    turns = [one for one in flows if isinstance(one, http.HTTPFlow) and is_turn(one)]
    if len(turns) == 1:
        return turns[0]
    if turns:
        msg = f"{len(turns)} turns are selected. Select one: mark it and use @marked, or use @ and its id."
    else:
        msg = "No turn is selected. Mark one and use @marked, or use @ and its id."
    raise exceptions.CommandError(msg)


def _routes(table: RouteTable, slugs: Sequence[str]) -> list[Route]:
    if not slugs:
        msg = f"Name one or more models: {', '.join(route.slug for route in table.live)}"
        raise exceptions.CommandError(msg)
    if len(slugs) > MAX_MODELS:
        msg = f"Name at most {MAX_MODELS} models."
        raise exceptions.CommandError(msg)
    routes: list[Route] = []
    for slug in dict.fromkeys(slugs):
        route = table.resolve(slug)
        if route is None:
            near = nearest(slug, (*table.routes, *table.aliases))
            meant = f" Did you mean {near!r}?" if near else ""
            msg = f"There is no model {slug!r}.{meant} List the models: codex-shim list"
            raise exceptions.CommandError(msg)
        routes.append(route)
    return routes
