"""Where a thread's prompt breaks with itself."""

import orjson
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addons.core.prefix import Prefixes, prefix_of


def chat(*texts: object, tools: object = None, **more: object) -> bytes:
    messages = [{"role": "user", "content": text} for text in texts]
    return orjson.dumps({"tools": tools or [], "messages": messages, **more})


def marked(text: str) -> dict[str, object]:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def unmarked(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def broke(*bodies: bytes) -> list[str]:
    prefixes = Prefixes()
    found = [prefix_of(body) for body in bodies]
    return [prefixes.broke_at("t", "m", one) for one in found if one]


def test_a_prompt_that_goes_on_or_back_breaks_nothing() -> None:
    assert broke(chat("a"), chat("a", "b"), chat("a", "b", "c"), chat("a", "b")) == [""] * 4


def test_the_first_changed_item_is_named() -> None:
    assert broke(chat("a", "b", "c"), chat("a", "x", "c", "d")) == ["", "messages[1]"]
    responses = [orjson.dumps({"instructions": "i", "input": ["a", one]}) for one in "bx"]
    assert broke(*responses) == ["", "input[1]"]


def test_what_stands_before_the_items_is_named() -> None:
    assert broke(chat("a"), chat("a", tools=["t"])) == ["", "tools"]
    assert broke(chat("a", system="s"), chat("a", system="t")) == ["", "system"]


def test_cache_marks_may_move() -> None:
    first = chat([marked("a")], [marked("b")])
    second = chat([unmarked("a")], [unmarked("b")], [marked("c")])
    assert broke(first, second) == ["", ""]


def test_a_helper_call_and_a_compacted_thread_begin_a_series_of_their_own() -> None:
    assert (
        broke(chat("a", "b"), chat("title"), chat("a", "b", "c"), chat("summary", "d")) == [""] * 4
    )


def test_a_compressed_body_is_read() -> None:
    body = chat("a", "b")
    assert prefix_of(zstandard.compress(body), b"zstd") == prefix_of(body)


def test_only_the_last_series_are_kept() -> None:
    prefixes = Prefixes(most=3)
    for number in range(10):
        prefix = prefix_of(chat(str(number)))
        assert prefix
        assert prefixes.broke_at("t", "m", prefix) == ""
    assert len(prefixes._last) == 3


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda one: (
        st.lists(one) | st.dictionaries(st.sampled_from(["messages", "input", "tools"]), one)
    ),
)


@given(JSON)
def test_no_body_breaks_it(value: object) -> None:
    prefix_of(repr(value).encode())
    try:
        body = orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return
    prefix_of(body)


def test_what_cannot_be_digested_is_no_prompt() -> None:
    deep = b'{"input":[' + b"[" * 600 + b"]" * 600 + b"]}"
    assert orjson.loads(deep)
    assert prefix_of(deep) is None
