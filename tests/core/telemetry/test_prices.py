"""Token prices: an unknown price is not zero."""

import pytest

from addons.adapters.ledger.usage_report import shipped_prices
from addons.core.settings.row_schema import RowFields, read_row
from addons.core.telemetry.prices import Price, PriceTable, parse_price

TABLE = PriceTable("2026-01-01", {"big": Price(10.0, 40.0, 1.0, 12.5)}, {"mine": Price(1.0, 2.0)})


def test_each_kind_of_token_has_its_own_price() -> None:
    tokens = {"input": 1_000_000, "cached": 500_000, "cache_written": 100_000, "output": 10_000}
    assert Price(10.0, 40.0, 1.0, 12.5).cost(tokens) == pytest.approx(4.0 + 0.5 + 1.25 + 0.4)
    assert Price(10.0, 40.0).cost(tokens) == pytest.approx(10.4)


@pytest.mark.parametrize(
    ("tokens", "cost"),
    [
        ({"input": 1_000_000}, 10.0),
        ({"output": 1_000_000}, 40.0),
        ({"input": 1_000_000, "cached": 1_000_000}, 1.0),
        ({"input": 1_000_000, "cache_written": 1_000_000}, 12.5),
        ({"input": 0, "cached": 1_000_000}, 1.0),
        ({}, 0.0),
    ],
)
def test_missing_counts_cost_nothing(tokens: dict[str, int], cost: float) -> None:
    assert Price(10.0, 40.0, 1.0, 12.5).cost(tokens) == cost


@pytest.mark.parametrize("model", ["big", "BIG", "vendor/big", "big-20260102", "big-2026-01-02", "big-latest"])  # fmt: skip
def test_model_is_found_under_the_variants_of_its_name(model: str) -> None:
    assert TABLE.find("slug", model) == TABLE.models["big"]


def test_price_of_a_row_wins_and_an_unknown_model_has_none() -> None:
    assert TABLE.find("mine", "big") == TABLE.rows["mine"]
    assert TABLE.find("slug", "bigger") is None
    assert TABLE.find("slug", "") is None


def test_shipped_table_is_dated_and_plausible() -> None:
    table = shipped_prices()
    assert table.date.startswith("20")
    assert len(table.models) > 30
    for price in table.models.values():
        assert 0 < price.input <= price.output
        assert price.cached is None or price.cached <= price.input


def test_price_in_a_row_is_read_and_a_wrong_one_is_reported() -> None:
    row = read_row({"model": "m", "price": {"input": 1, "output": 2.5}})
    assert isinstance(row, RowFields)
    assert row.price == Price(1.0, 2.5)
    wrong = read_row({"model": "m", "price": {"input": "cheap"}})
    assert isinstance(wrong, tuple)
    assert wrong[0].field == "price"


@pytest.mark.parametrize(
    ("fields", "price"),
    [
        ({"input": 0, "output": 0}, Price(0.0, 0.0)),
        ({"input": 1, "output": 2, "cached": 0.5, "cache_written": 3}, Price(1.0, 2.0, 0.5, 3.0)),
        ({"input": 1, "output": 2, "cached": "x", "cache_written": -1}, Price(1.0, 2.0)),
        ({"input": 1_000_000, "output": 2}, None),
        ({"output": 2}, None),
        ({"input": 2}, None),
    ],
)
def test_price_needs_input_and_output_and_may_have_cache_prices(
    fields: object, price: Price | None
) -> None:
    assert parse_price(fields) == price


@pytest.mark.parametrize("value", [None, 3, [], {}, {"input": True, "output": 1}, {"input": -1, "output": 1}])  # fmt: skip
def test_invalid_price_is_none(value: object) -> None:
    assert parse_price(value) is None
