"""What a call asks for, whatever form its body has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.web_search.call import PageRequest, SearchCall, SearchQuery, is_within, read_call

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["q", "ref_id", "pattern", "domains", "lineno"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def test_whole_call() -> None:
    found = read_call(
        {
            "commands": {
                "search_query": [{"q": " a  b ", "recency": 7, "domains": ["HTTPS://One.example/x", "one.example"]}, {"q": ""}],
                "open": [{"ref_id": "https://a.example", "lineno": 3}, {"ref_id": "turn0search0"}],
                "find": [{"ref_id": "https://a.example", "pattern": "x"}, {"ref_id": "https://a.example"}],
                "time": [{"utc_offset": "+03:00"}],
                "click": [],
                "response_length": "long",
            },
            "settings": {
                "filters": {"allowed_domains": ["one.example"], "blocked_domains": ["bad.example"]},
                "user_location": {"country": "DE"},
                "external_web_access": False,
            },
            "max_output_tokens": 100,
        }
    )  # fmt: skip
    assert found == SearchCall(
        (SearchQuery("a b", 7, ("one.example",)),),
        (PageRequest("https://a.example", 3), PageRequest("turn0search0"), PageRequest("https://a.example", pattern="x")),
        ("time",), 0, 20, 400, ("one.example",), ("bad.example",), "DE", is_live=False,
    )  # fmt: skip


def test_more_than_four_are_counted() -> None:
    many = [{"q": str(number)} for number in range(6)]
    found = read_call({"commands": {"search_query": many}})
    assert ([one.text for one in found.queries], found.omitted) == (["0", "1", "2", "3"], 2)


@given(st.dictionaries(st.sampled_from(["commands", "settings", "max_output_tokens"]), JSON))
def test_any_body_is_read(payload: dict[str, object]) -> None:
    assert read_call(payload).max_characters > 0


@given(st.dictionaries(st.sampled_from(["search_query", "open", "find", "time"]), JSON))
def test_any_commands_are_read(commands: dict[str, object]) -> None:
    found = read_call({"commands": commands})
    assert all(query.text for query in found.queries)


@pytest.mark.parametrize(
    ("host", "within"),
    [
        ("a.example", True),
        ("x.a.example", True),
        ("a.example.", True),
        ("xa.example", False),
        ("example", False),
    ],
)
def test_domain_takes_in_what_is_below_it(host: str, within: bool) -> None:
    assert is_within(host, ("a.example",)) is within
