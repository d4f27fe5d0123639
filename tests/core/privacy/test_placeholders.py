"""Placeholders are the same in a thread and different elsewhere, and are read in every spelling of a model."""

from __future__ import annotations

from addons.core.privacy.placeholders import (
    CODE_LENGTH,
    MAX_LENGTH,
    PLACEHOLDER,
    Namer,
    begun_at,
    code_of,
)
from addons.core.settings.privacy import MAX_NAME

VALUE = "ada@example.com"
SHOWN = Namer(b"k" * 32, "thread").placeholder("email", VALUE)


def test_a_value_has_one_placeholder_in_a_thread() -> None:
    assert Namer(b"k" * 32, "thread").placeholder("email", VALUE) == SHOWN
    others = {
        Namer(b"k" * 32, "other").placeholder("email", VALUE),
        Namer(b"x" * 32, "thread").placeholder("email", VALUE),
        Namer(b"k" * 32, "thread").placeholder("email", VALUE + "x"),
    }
    assert SHOWN not in others
    assert len(others) == 3


def test_kind_is_readable_and_the_value_is_not() -> None:
    assert SHOWN.startswith("masked-email-")
    assert len(code_of(SHOWN)) == CODE_LENGTH
    assert SHOWN.replace("-", "").isalnum()
    assert len(SHOWN) <= MAX_LENGTH


def test_spellings_of_models_are_read() -> None:
    for text in (
        SHOWN,
        SHOWN.upper(),
        SHOWN.replace("-", "_"),
        SHOWN.replace("-", r"\-"),
        SHOWN.replace("-", r"\\_"),
    ):
        found = PLACEHOLDER.fullmatch(text)
        assert found, text
        assert code_of(found[0]) == code_of(SHOWN)


def test_only_the_whole_is_a_placeholder() -> None:
    for text in (
        SHOWN[:-1],
        SHOWN[1:],
        SHOWN.replace("masked", "hidden"),
        "masked-email-" + "i" * CODE_LENGTH,
    ):
        assert PLACEHOLDER.search(text) is None, text


def test_a_placeholder_is_found_behind_what_looks_like_the_begin_of_one() -> None:
    assert MAX_NAME < CODE_LENGTH
    for before in (
        "masked-",
        "masked-x",
        "masked-email-",
        "masked-abc-0123",
        "mmasked",
        "masked_masked_",
    ):
        assert [one[0] for one in PLACEHOLDER.finditer(before + SHOWN + "0")] == [SHOWN], before


def test_begin_of_a_placeholder_at_the_end_is_seen_at_any_length() -> None:
    spellings = (SHOWN, SHOWN.upper(), SHOWN.replace("-", r"\_"))
    for whole in spellings:
        for length in range(1, len(whole)):
            for before in ("", "mail ", "mm masked ", "masked-email-0"):
                text = before + whole[:length]
                assert begun_at(text) <= len(before), text


def test_nothing_waits_for_a_text_that_cannot_go_on_as_one() -> None:
    for text in (
        "",
        "hello",
        "masked value",
        SHOWN,
        SHOWN + ".",
        "masked-email-00000000000m",
        "masked-email-000000masked",
        "ma ",
        "masked-email-7.",
        "masked--x",
    ):
        assert begun_at(text) == len(text), text
