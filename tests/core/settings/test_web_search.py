"""The value of `web_search`."""

from __future__ import annotations

import re
from pathlib import Path

from addons.core.secrets import Origin
from addons.core.settings.web_search import (
    NO_WEB_SEARCH,
    SEARCH_SERVICES,
    SearchEndpoint,
    WebSearch,
)

PAGE = Path(__file__).parents[3] / "docs" / "web-search.md"


def test_who_answers() -> None:
    endpoint = SearchEndpoint("brave", Origin("https", "a.example", 443), "")
    assert (NO_WEB_SEARCH.is_configured, NO_WEB_SEARCH.label) == (False, "")
    assert WebSearch(endpoint=endpoint).label == "Brave Search"
    assert WebSearch(chatgpt=True, endpoint=endpoint).label == "ChatGPT, else Brave Search"
    assert WebSearch(chatgpt=True).is_configured


def test_services_are_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    documented = {name: (address, variables) for name, address, variables in rows}
    assert [name for name in documented if name in SEARCH_SERVICES] == list(SEARCH_SERVICES)
    for name, spec in SEARCH_SERVICES.items():
        address, variables = documented[name]
        assert re.findall(r"`([A-Z_]+)`", variables) == list(spec.variables)
        assert not spec.base_url or f"`{spec.base_url}`" == address
