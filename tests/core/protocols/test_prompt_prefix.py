"""Differences between consecutive prompts of a thread."""

import orjson
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.prompt_prefix import PromptHistory, digest_prompt


def chat(*texts: object, tools: object = None, **more: object) -> bytes:
    messages = [{"role": "user", "content": text} for text in texts]
    return orjson.dumps({"tools": tools or [], "messages": messages, **more})


def marked(text: str) -> dict[str, object]:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def unmarked(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def broke(*bodies: bytes) -> list[str]:
    prefixes = PromptHistory()
    found = [digest_prompt(body) for body in bodies]
    return [prefixes.difference("t", "m", one) for one in found if one]


def test_extended_or_shortened_prompt_has_no_difference() -> None:
    assert broke(chat("a"), chat("a", "b"), chat("a", "b", "c"), chat("a", "b")) == [""] * 4


def test_first_changed_item_is_named() -> None:
    assert broke(chat("a", "b", "c"), chat("a", "x", "c", "d")) == ["", "messages[1]"]
    responses = [orjson.dumps({"instructions": "i", "input": ["a", one]}) for one in "bx"]
    assert broke(*responses) == ["", "input[1]"]


def test_changed_field_before_the_items_is_named() -> None:
    assert broke(chat("a"), chat("a", tools=["t"])) == ["", "tools"]
    assert broke(chat("a", system="s"), chat("a", system="t")) == ["", "system"]


def test_cache_breakpoints_are_ignored() -> None:
    first = chat([marked("a")], [marked("b")])
    second = chat([unmarked("a")], [unmarked("b")], [marked("c")])
    assert broke(first, second) == ["", ""]


def test_auxiliary_request_and_compacted_thread_are_separate_prompts() -> None:
    assert (
        broke(chat("a", "b"), chat("title"), chat("a", "b", "c"), chat("summary", "d")) == [""] * 4
    )


def test_compressed_body_is_read() -> None:
    body = chat("a", "b")
    assert digest_prompt(zstandard.compress(body), b"zstd") == digest_prompt(body)


def test_number_of_prompts_is_limited() -> None:
    prefixes = PromptHistory(max_prompts=3)
    for number in range(10):
        prefix = digest_prompt(chat(str(number)))
        assert prefix
        assert prefixes.difference("t", "m", prefix) == ""
    assert len(prefixes._last) == 3


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda one: (
        st.lists(one) | st.dictionaries(st.sampled_from(["messages", "input", "tools"]), one)
    ),
)


@given(JSON)
def test_any_body_is_digested_or_refused(value: object) -> None:
    digest_prompt(repr(value).encode())
    try:
        body = orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return
    digest_prompt(body)


def test_unwritable_body_is_not_digested() -> None:
    deep = b'{"input":[' + b"[" * 600 + b"]" * 600 + b"]}"
    assert orjson.loads(deep)
    assert digest_prompt(deep) is None
