"""Section "Codex features": which of Codex's own features work with the block in config.toml."""

from __future__ import annotations

from collections.abc import Iterator

from addons.adapters.api_keys import is_open_to_others
from addons.adapters.codex.activate import uses_api_key, uses_chatgpt_login
from addons.adapters.web_search import SearchKey
from addons.core.codex.config_feature import is_decided
from addons.core.codex.features import ENABLE, features, grouped, login_change, search_change
from addons.core.codex.provider_config import PROVIDER_ID, Values, own_search
from addons.core.upstream.api_keys import KeyProblem
from shim_cli.doctor.finding import CheckResult, DoctorContext
from shim_cli.doctor.rows import readable_by_others


def _changes(context: DoctorContext, block: Values, *, searches: bool) -> Iterator[str]:
    env, sources = context.env, context.sources
    yield login_change(
        block,
        chatgpt_login=uses_chatgpt_login(env),
        api_key=uses_api_key(env),
        searches=searches,
    )
    if not isinstance(sources, str) and (searches or not is_decided(context.config.root)):
        yield search_change(searches=searches, wanted=sources.table().searches)


def _search_service(context: DoctorContext) -> Iterator[CheckResult]:
    """Say who answers the searches of rows, and whether its key is there."""
    sources = context.sources
    if isinstance(sources, str) or not (search := sources.settings.web_search).is_configured:
        return
    found = SearchKey(sources.row_routes.ring, search.endpoint).current() if search.endpoint else ()
    path = sources.settings_source.path
    is_inline = bool(search.endpoint and search.endpoint.key and search.endpoint.key.is_inline)
    if (
        is_inline
        and not any(row.holds_key for row in sources.rows.rows)
        and is_open_to_others(path)
    ):
        yield readable_by_others(path, context.shell)
    if isinstance(found, KeyProblem):
        yield "WARN", found.message, context.shell.edit(str(path))
    else:
        yield "OK", f"web search of rows: {search.label}"


def codex_features(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the block, if Codex uses it."""
    config = context.config
    if config.provider is None or config.provider.key != PROVIDER_ID:
        return
    block = config.provider.table
    searches = own_search(config.root)
    for change in filter(None, _changes(context, block, searches=searches)):
        yield "WARN", f"{config.path}: {change}", ENABLE
    yield from _search_service(context)
    wanted = not isinstance(context.sources, str) and context.sources.table().searches
    for each in grouped(features(block, searches=searches, wanted=wanted)):
        if each.is_on:
            yield "OK", f"on: {each.name}"
        else:
            yield "INFO", f"off: {each.name}: {each.reason}"
