"""Rows of a table are one test, which fails if any row does and names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.tables import table_test

LETTERS = pytest.mark.parametrize("letter", ["a", "b", pytest.param("c", id="the third"), *"defgh"])
NUMBERS = pytest.mark.parametrize(("number", "name"), [(1, "one"), (2, "two")], ids=["i", "ii"])


def collected(
    request: pytest.FixtureRequest, test: Callable[..., object], *marks: pytest.MarkDecorator
) -> pytest.Function | None:
    for mark in marks:
        test = mark(test)
    collector = request.node.parent
    assert isinstance(collector, pytest.Module)
    return table_test(collector, "test_rows", test)


def test_every_row_of_every_combination_is_run(request: pytest.FixtureRequest) -> None:
    seen = []

    def note(letter: str, number: int, name: str) -> None:
        seen.append((letter, number, name))

    item = collected(request, note, LETTERS, NUMBERS)
    assert item
    item.obj()
    assert sorted(seen) == sorted(
        (letter, number, name) for letter in "abcdefgh" for number, name in ((1, "one"), (2, "two"))
    )


def test_all_failures_are_reported_with_their_rows(request: pytest.FixtureRequest) -> None:
    def check(letter: str) -> None:
        if letter == "b":
            pytest.skip("not here")
        if letter == "c":
            pytest.fail("not this")
        assert letter != "d"

    item = collected(request, check, LETTERS)
    assert item
    with pytest.raises(BaseExceptionGroup, match="3 of 8 rows failed") as raised:
        item.obj()
    notes = ["".join(failure.__notes__) for failure in raised.value.exceptions]
    assert notes == [
        "row:  {'letter': 'b'}",
        "row: the third {'letter': 'c'}",
        "row:  {'letter': 'd'}",
    ]


def test_timeout_ends_the_test(request: pytest.FixtureRequest) -> None:
    def hang(letter: str) -> None:
        pytest.fail(f"Timeout (>60.0s) from pytest-timeout. {letter}")

    item = collected(request, hang, LETTERS)
    assert item
    with pytest.raises(BaseExceptionGroup, match="1 of 8 rows failed"):
        item.obj()


def _with_a_fixture(letter: str, tmp_path: Path) -> None: ...


async def _coroutine(letter: str) -> None: ...


def _new() -> Callable[..., object]:
    """Return a function of its own, because marks are added to the function."""

    def check(letter: str) -> None: ...

    return check


def test_other_tests_are_left_to_pytest(request: pytest.FixtureRequest) -> None:
    few = pytest.mark.parametrize("letter", ["a", "b"])
    marked = pytest.mark.parametrize(
        "letter", [*"abcdefg", pytest.param("h", marks=pytest.mark.xfail)]
    )
    indirect = pytest.mark.parametrize("letter", [*"abcdefgh"], indirect=True)
    assert collected(request, _new(), LETTERS)
    assert collected(request, _with_a_fixture, LETTERS) is None
    assert collected(request, _coroutine, LETTERS) is None
    for marks in ([few], [marked], [indirect], [LETTERS, pytest.mark.timeout(5)], []):
        assert collected(request, _new(), *marks) is None


@pytest.mark.parametrize("letter", [*"abcdefgh"])
def test_this_module_is_collected_by_the_rule(letter: str) -> None:
    assert letter in "abcdefgh"


def test_rows_above_are_one_test(request: pytest.FixtureRequest) -> None:
    names = [item.name for item in request.session.items if "by_the_rule" in item.name]
    if not request.config.option.each_row and names:
        assert names == ["test_this_module_is_collected_by_the_rule"]
