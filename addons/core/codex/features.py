"""Which of Codex's own features work with a provider block, and why the others do not. Pure.

Invariant: the features come from the block that Codex reads, not from the login that exists now. `login_change` compares
the two.

Source: the tools that Codex 0.133, 0.169 and 0.171 offer with each block, and openai/codex#44024 for Desktop.
"""

from __future__ import annotations

from dataclasses import dataclass

from addons.core.codex.provider_config import (
    NEEDS_LOGIN,
    SEARCHES_WEB,
    USES_WEBSOCKET,
    Values,
)

ENABLE = "codex-shim enable"
_NO_LOGIN = f"this needs a ChatGPT login: type `codex login`, then `{ENABLE}`"

_NO_WEBSOCKET = f'set `"websocket": true` in models.json, then type `{ENABLE}` (experimental)'


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature, or several with the same state. `reason` says why it is off; empty if it is on."""

    name: str
    reason: str = ""

    @property
    def is_on(self) -> bool:
        """Whether Codex offers the feature."""
        return not self.reason


_NO_SERVICE = f"name a search service in `web_search` of models.json, then type `{ENABLE}` (Codex 0.169 or later)"


_BY_HAND = "type `codex features enable standalone_web_search` (Codex 0.169 or later)"


def features(
    provider: Values, *, searches: bool = False, wanted: bool = False
) -> tuple[Feature, ...]:
    """Return the features that a provider block turns on or off.

    `searches`: the config gives `web.run` to every model. `wanted`: somebody answers the searches of rows.
    """
    own_search = (
        "" if search_is_on(provider, searches=searches) else _BY_HAND if wanted else _NO_SERVICE
    )
    search, login = provider.get(SEARCHES_WEB) is True, provider.get(NEEDS_LOGIN) is True
    socket = provider.get(USES_WEBSOCKET) is True
    return (
        Feature("shell, patches, MCP servers, sub-agents, compaction"),
        Feature("web search", "" if search else _NO_LOGIN),
        Feature("image generation", "" if login else _NO_LOGIN),
        Feature("model picker of Codex Desktop", "" if login else _NO_LOGIN),
        Feature("web search on models of your own", own_search),
        Feature("WebSocket", "" if socket else _NO_WEBSOCKET),
        Feature("remote compaction", "Codex reserves it for OpenAI's own provider"),
    )


def search_is_on(provider: Values, *, searches: bool) -> bool:
    """Return whether models of the user's own have a web search."""
    return searches and provider.get(SEARCHES_WEB) is True


def grouped(found: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Return one feature per state and reason, with the names joined."""
    names: dict[str, list[str]] = {}
    for each in found:
        names.setdefault(each.reason, []).append(each.name)
    return tuple(Feature(", ".join(joined), reason) for reason, joined in names.items())


def login_change(
    provider: Values, *, chatgpt_login: bool, api_key: bool = False, searches: bool = False
) -> str:
    """Return how the login differs from the one that the block was written for; empty if it does not.

    `searches`: the config gives `web.run` to every model, which needs no login.
    """
    needs_login, search = provider.get(NEEDS_LOGIN) is True, provider.get(SEARCHES_WEB) is True
    if needs_login and not chatgpt_login:
        return "it requires a ChatGPT login, and there is none: Codex asks for one when it starts"
    if chatgpt_login and not (needs_login and search):
        return "it was written without a ChatGPT login: web search and image generation are off"
    if api_key and not search:
        return "it was written without a login: web search is off"
    if search and not (chatgpt_login or api_key or searches):
        return "it turns on web search, which needs a login, and there is none"
    return ""


def search_change(*, searches: bool, wanted: bool) -> str:
    """Return how the config differs from `web_search` of models.json; empty if it does not. `wanted`: somebody answers."""
    if wanted and not searches:
        return "it was written without web search on models of your own, which models.json now has"
    if searches and not wanted:
        return "it offers web search on models of your own, and nobody answers it: models.json names no service"
    return ""
