"""Private values become placeholders, nothing of them is left, and putting them back gives the same text."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from addons.core.privacy.masker import TextMasker
from addons.core.privacy.restorer import Restorer
from tests.core.privacy.values import ALL, EMAILS, KEYS, masker

VALUES = [value for values in ALL.values() for value in values]
PIECES = st.lists(
    st.sampled_from(
        [
            *VALUES,
            " ",
            "x",
            "\n",
            "\\n",
            "masked-",
            "masked-email-",
            "7",
            "@",
            "-",
            '"',
            "é",
            "{",
            "a.b",
        ]
    )
    | st.text(max_size=6),
    max_size=12,
).map("".join)


def _restored(masked: str, using: TextMasker) -> str:
    return Restorer(using.codes.get).text(masked)


@given(st.lists(PIECES, max_size=4))
def test_whole_is_restored_exactly(texts: list[str]) -> None:
    using = masker()
    masked = [using.text(text) for text in texts]
    assert [_restored(one, using) for one in masked] == texts


@given(PIECES, PIECES)
def test_no_known_value_is_left(first: str, second: str) -> None:
    using = masker()
    masked = using.text(first), using.text(second)
    assert not [value for value in using.known if value in masked[1]]


@given(st.lists(PIECES, max_size=5), st.lists(PIECES, max_size=3))
def test_masked_history_is_a_prefix_of_its_continuation(texts: list[str], more: list[str]) -> None:
    short, long = masker(), masker()
    before = [short.text(text) for text in texts]
    assert [long.text(text) for text in [*texts, *more]][: len(texts)] == before
    # with the texts of the last request remembered
    again = TextMasker(short._detector, short._namer, {}, short.steps)
    assert [again.text(text) for text in [*texts, *more]] == [
        masked for fresh in [masker()] for masked in [fresh.text(text) for text in [*texts, *more]]
    ]
    assert again.codes.keys() >= short.codes.keys()


@given(
    st.recursive(
        PIECES | st.integers() | st.none(),
        lambda one: st.lists(one, max_size=3) | st.dictionaries(PIECES, one, max_size=3),
        max_leaves=8,
    )
)
def test_json_stays_json_and_comes_back_byte_for_byte(value: object) -> None:
    for text in (orjson.dumps(value).decode() if _is_small(value) else "0", _spaced(value)):
        using = masker()
        masked = using.json_text(text)
        orjson.loads(masked)
        assert Restorer(using.codes.get).json_text(masked) == _normal(text, masked, using)


def _is_small(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def _spaced(value: object) -> str:
    import json  # noqa: PLC0415

    return json.dumps(value, indent=1)


def _normal(text: str, masked: str, using: TextMasker) -> str:
    """Return the text as it may come back: a number is a string then, and escapes have their short form."""
    if text == masked:
        return text
    restored = Restorer(using.codes.get).json_text(masked)
    plain, back = orjson.loads(text), orjson.loads(restored)
    assert _as_text(back) == _as_text(plain)
    return restored


def _as_text(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    return str(value)


def test_a_known_value_is_found_inside_of_a_word() -> None:
    using = masker()
    shown = using.text(EMAILS[0])
    key = using.text(KEYS[0])
    assert using.text(f"x{KEYS[0]}") == f"x{key}"
    assert using.text(f"__{EMAILS[0]}__") == f"__{shown}__"
    assert EMAILS[0] not in using.text(f"abc{EMAILS[0]}def")


def test_a_value_that_contains_another_one_is_masked_as_a_whole() -> None:
    using = masker()
    using.text("b@c.io")
    assert "jim" not in using.text("jimb@c.io")
    assert using.text("b@c.iob@c.io") == using.known["b@c.io"] * 2


def test_text_that_looks_like_a_placeholder_of_the_thread_comes_back_as_it_was() -> None:
    using = masker()
    shown = using.text(EMAILS[0])
    for text in (shown, shown.upper(), f"{shown} {EMAILS[0]}"):
        masked = using.text(text)
        assert shown.upper() not in masked
        assert _restored(masked, using) == text
    assert using.text("masked-email-000000000000") == "masked-email-000000000000"


def test_arguments_keep_their_spelling() -> None:
    using = masker()
    text = (
        r'{ "a" :"\u00e9\/\n' + EMAILS[1] + r'\ud83d\ude00", "n": 1.50 , "card": 4111111111111111}'
    )
    masked = using.json_text(text)
    shown, card = using.known[EMAILS[1]], using.known["4111111111111111"]
    assert masked == text.replace(EMAILS[1], shown).replace("4111111111111111", f'"{card}"')


def test_arguments_that_are_no_json_are_masked_as_text() -> None:
    using = masker()
    assert using.json_text('{"a": "b@c.io') == '{"a": "' + using.known["b@c.io"]


def test_values_are_counted_by_kind() -> None:
    using = masker()
    using.text(f"{EMAILS[0]} {EMAILS[0]} {KEYS[0]}")
    assert using.kinds == {"email": 2, "key": 1}


def test_text_without_a_value_is_the_same_object() -> None:
    using = masker()
    text = "nothing to see here"
    assert using.text(text) is text
    assert using.json_text('{"a": "nothing"}') == '{"a": "nothing"}'
    assert [step.masked for step in using.steps] == [None, None]


def test_remembered_texts_are_not_searched_again() -> None:
    using = masker()
    texts = [f"mail {EMAILS[0]}", "other"]
    masked = [using.text(text) for text in texts]

    class NoDetector:
        def find(self, text: str) -> list[object]:
            raise AssertionError(text)

    again = TextMasker(NoDetector(), using._namer, {}, using.steps)  # type: ignore[arg-type]
    assert [again.text(text) for text in texts] == masked
    assert again.known == using.known
    assert again.kinds == using.kinds
