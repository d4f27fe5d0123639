"""Collects a test function whose arguments are rows of a table as one test, which runs every row.

pytest takes several milliseconds to collect, run and report a test, and most rows of a table take microseconds. So
`parametrize` makes separate tests only where rows need fixtures, are coroutines, are few, have marks, or are tried with
many examples. One test reports the failures of all rows, each with its row. `pytest --each-row` makes a test of each row.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest

FEWEST_ROWS = 8
HARMLESS_FIXTURES = frozenset({"usual_file_mode", "leave_the_heap_out", "event_loop_policy"})
"""Autouse fixtures that need not run again for each row."""

type Row = tuple[object, Mapping[str, Any]]
"""The id of a row, if it has one, and its values by argument."""


def table_test(
    collector: pytest.Module | pytest.Class, name: str, test: object
) -> pytest.Function | None:
    """Return one test for all rows, or None if pytest shall make the tests of this function."""
    marks: Sequence[pytest.Mark] = getattr(test, "pytestmark", ())
    if not marks or any(mark.name != "parametrize" for mark in marks):
        return None
    if not inspect.isfunction(test) or not collector.istestfunction(test, name):
        return None
    if inspect.iscoroutinefunction(test) or hasattr(test, "hypothesis"):
        return None
    rows = _rows(marks)
    if len(rows) < FEWEST_ROWS or set(inspect.signature(test).parameters) != set(rows[0][1]):
        return None
    item: pytest.Function = pytest.Function.from_parent(
        collector, name=name, callobj=_every_row(test, rows)
    )
    return item if HARMLESS_FIXTURES.issuperset(item.fixturenames) else None


def _rows(marks: Iterable[pytest.Mark]) -> list[Row]:
    """Return the rows of all combinations, or none if one has marks or an option of `parametrize` beside `ids`."""
    tables: list[list[Row]] = []
    for mark in marks:
        names, rows, *more = mark.args
        if more or mark.kwargs.keys() - {"ids"}:
            return []
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
        params = [_param(row, is_single=len(names) == 1) for row in rows]
        if any(param.marks for param in params):
            return []
        tables.append(list(_rows_of(names, params, mark.kwargs.get("ids"))))
    return [_joined(rows) for rows in itertools.product(*tables)]


def _param(row: Any, *, is_single: bool) -> Any:
    if isinstance(row, type(pytest.param())):
        return row
    return pytest.param(row) if is_single else pytest.param(*row)


def _rows_of(names: Sequence[str], params: Sequence[Any], ids: Any) -> Iterator[Row]:
    given = [None] * len(params) if ids is None or callable(ids) else list(ids)
    for param, label in zip(params, given, strict=True):
        yield param.id or label, dict(zip(names, param.values, strict=True))


def _joined(rows: Sequence[Row]) -> Row:
    """Return one row of a product of tables."""
    if len(rows) == 1:
        return rows[0]
    labels = [label for label, _ in rows if label]
    return labels or None, {name: value for _, values in rows for name, value in values.items()}


def _every_row(test: Callable[..., object], rows: Sequence[Row]) -> Callable[[], None]:
    def run_every_row() -> None:
        failures: list[BaseException] = []
        for label, values in rows:
            try:
                test(**values)
            # A skip as well: it would leave out the other rows.
            except (Exception, pytest.fail.Exception, pytest.skip.Exception) as failure:  # noqa: BLE001  raised below
                failure.add_note(f"row: {label or ''} {dict(values)!r}")
                failures.append(failure)
                if str(failure).startswith("Timeout"):
                    break
        if failures:
            message = f"{len(failures)} of {len(rows)} rows failed"
            raise BaseExceptionGroup(message, failures)

    return run_every_row
