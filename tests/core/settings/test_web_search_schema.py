"""The fields of `web_search`, and what is said of the wrong ones."""

from __future__ import annotations

import json
import re

import pytest

from addons.core.settings.key_refs import EnvKey, FileKey, InlineKey
from addons.core.settings.root import Settings, parse_settings
from addons.core.settings.web_search import WebSearch
from addons.core.settings.web_search_schema import FIELDS, web_search_from
from tests.core.settings.test_web_search import PAGE


def read(section: object, before: Settings | None = None) -> Settings:
    data = json.dumps({"web_search": section}, indent=1).encode()
    return parse_settings(data, "models.json", {}, before)


def valid(section: dict[str, object]) -> WebSearch:
    found = web_search_from(section)
    assert isinstance(found, WebSearch), found
    return found


def test_service_at_its_own_address_reads_its_own_variable() -> None:
    endpoint = valid({"service": "Brave"}).endpoint
    assert endpoint
    assert (endpoint.service, str(endpoint.origin), endpoint.path) == ("brave", "https://api.search.brave.com", "/res/v1")  # fmt: skip
    assert endpoint.key
    assert endpoint.key.key == EnvKey(("BRAVE_API_KEY", "BRAVE_SEARCH_API_KEY"))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:8080", ""),
        ("http://localhost:8080/search/", ""),
        ("https://s.example/searx/", "/searx"),
    ],
)
def test_address_of_an_own_service(url: str, path: str) -> None:
    endpoint = valid({"service": "searxng", "base_url": url}).endpoint
    assert endpoint
    assert (endpoint.path, endpoint.key) == (path, None)


def test_key_of_the_first_field_that_names_one() -> None:
    fields = {"api_key": "fabricated", "api_key_env": "A_KEY", "api_key_file": "a.key"}
    expected = (InlineKey, EnvKey, FileKey)
    for kind, name in zip(expected, list(fields), strict=True):
        endpoint = valid({"service": "exa", **fields}).endpoint
        assert endpoint
        assert endpoint.key
        assert isinstance(endpoint.key.key, kind)
        assert endpoint.key.field == f"web_search.{name}"
        del fields[name]
    other = valid({"service": "exa", "base_url": "https://other.example"}).endpoint
    # no other address gets a key that the section does not name
    assert other
    assert other.key is None


WRONG: tuple[tuple[object, str, str], ...] = (
    ({"service": "brawe"}, "service", 'did you mean "brave"?'),
    ({"service": "zzz"}, "service", "searxng, brave, tavily, exa"),
    ({"service": "chatgpt"}, "service", '"chatgpt": true'),
    ({"servise": "brave"}, "servise", 'did you mean "service"?'),
    ({"service": "brave", "colour": 1}, "colour", "the fields are service, chatgpt"),
    ({"service": "searxng"}, "base_url", "it is required"),
    ({"service": "searxng", "base_url": "http://10.0.0.1"}, "base_url", '"allow_http": true in web_search'),
    ({"service": "exa", "base_url": "https://a.example/?x=1"}, "base_url", "without a query"),
    ({"service": "exa", "base_url": "http://169.254.169.254"}, "base_url", "metadata"),
    ({"api_key_env": "A"}, "service", "api_key_env is that of a service"),
    ({"service": "exa", "api_key_env": "sk secret"}, "api_key_env", "the name of an environment variable"),
    ({"service": "exa", "api_key": "sk secret"}, "api_key", "without blanks"),
    ({"chatgpt": 1}, "chatgpt", "neither true nor false"),
    ({"service": 7}, "service", "must be text"),
    ([], "", "not an object"),
)  # fmt: skip


def test_wrong_field_is_named_and_its_value_is_not_quoted() -> None:
    for section, field, words in WRONG:
        settings = read(section)
        (problem,) = settings.problems
        where = f"models.json: web_search{'.' if field else ''}{field}: "
        assert problem.startswith(where), problem
        assert words in problem, problem
        assert "sk secret" not in problem
        assert re.search(r"\(line \d\)$", problem)
        assert not settings.web_search.is_configured


def test_last_valid_state_stays_while_the_section_is_broken() -> None:
    before = read({"service": "exa"})
    assert read({"service": "ex"}, before).web_search == before.web_search
    assert not read({}, before).web_search.is_configured


def test_misspelt_section_gets_a_suggestion() -> None:
    (problem,) = parse_settings(b'{"web_serach": {}}', "models.json", {}).problems
    assert "Did you mean 'web_search'?" in problem


def test_fields_are_documented() -> None:
    section = PAGE.read_text().partition("## Settings")[2].partition("## Commands")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(FIELDS)
