"""Keys in the text of a turn."""

from __future__ import annotations

import orjson
import pytest

from addons.core.cassette.keys import without_keys

KEYS = (
    "sk-fabricated-upstream-key-0001",
    "AIzaFabricated0000000000001",
    "eyJmYWJyaWNhdGVk.x1y2z3a4b5",
)


@pytest.mark.parametrize("key", KEYS)
def test_key_is_masked_wherever_it_is_quoted(key: str) -> None:
    text = f"my key\n{key} and again: {key.upper()}"
    masked = without_keys(orjson.dumps({"text": text}))
    assert key not in masked.decode()
    assert key.upper() not in masked.decode()
    assert orjson.loads(masked)["text"].startswith("my key\n<secret> and again")
    assert without_keys(masked) is masked


def test_key_that_is_spread_over_events_is_masked() -> None:
    events = [{"delta": KEYS[0][:14]}, {"delta": KEYS[0][14:]}, {"text": KEYS[0]}]
    stream = b"".join(b"data: %s\n\n" % orjson.dumps(event) for event in events)
    masked = without_keys(stream)
    assert b"upstream-key" not in masked
    assert KEYS[0][:14].encode() not in masked
    assert masked.count(b"\n\n") == 3


def test_login_of_a_url_and_a_bearer_are_masked() -> None:
    masked = without_keys(
        b'"http://me:pass-word-1234@host Authorization: Bearer abcdef0123456789abcd"'
    )
    assert b"pass-word" not in masked
    assert b"abcdef0123456789" not in masked


def test_ordinary_text_is_the_same_object() -> None:
    text = b'{"text":"run npm-install-scripts, task-list, a basic information token overview"}'
    assert without_keys(text) is text
