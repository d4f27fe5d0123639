"""Whole texts get their values back, escaped where the text is JSON."""

from __future__ import annotations

import orjson

from addons.core.privacy.placeholders import Namer, code_of
from addons.core.privacy.restorer import Restorer

VALUE = 'line one\n"quoted" \\ ü'
SHOWN = Namer(b"k" * 32, "thread").placeholder("key", VALUE)


def _restorer() -> Restorer:
    return Restorer({code_of(SHOWN): VALUE}.get)


def test_values_come_back_and_are_counted() -> None:
    restorer = _restorer()
    assert restorer.text(f"a {SHOWN}{SHOWN.upper()} b") == f"a {VALUE}{VALUE} b"
    assert (restorer.restored, restorer.unknown) == (2, 0)


def test_a_value_in_json_is_escaped() -> None:
    text = _restorer().json_text(orjson.dumps({"command": f"echo {SHOWN}"}).decode())
    assert orjson.loads(text) == {"command": f"echo {VALUE}"}


def test_a_placeholder_of_nobody_stays_and_is_counted() -> None:
    restorer = _restorer()
    other = Namer(b"x" * 32, "thread").placeholder("key", VALUE)
    assert restorer.text(other) == other
    assert restorer.json_text(other) == other
    assert (restorer.restored, restorer.unknown) == (0, 2)


def test_other_text_is_the_same_object() -> None:
    text = "nothing in here is masked-off"
    assert _restorer().text(text) is text
    assert _restorer().json_text(text) is text
