"""The keeper of budgets: the sums of the ledger, turns that end meanwhile, aborted turns, and nothing without budgets."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from addons.adapters.ledger import budget_keeper
from addons.adapters.ledger.budget_keeper import (
    BudgetKeeper,
    BudgetSources,
    local_day,
    read_outputs,
    read_spending,
    with_slugs,
)
from addons.core.routes import Route, RouteTable
from addons.core.settings.models_file import NO_ROWS
from addons.core.settings.root import Settings
from addons.core.telemetry.budgets import Budget, Cost, Payer, Spending
from addons.core.telemetry.prices import Price, PriceTable
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import ClientRequest
from addons.core.usage import Usage
from tests.adapters.ledger.conftest import Write
from tests.adapters.records import turn
from tests.support.waiting import until

NOW = 1_800_000_000.0
PRICES = PriceTable("", {"gpt-5": Price(100.0, 1000.0)})
"""1000 tokens of input and 50 of output then cost $0.15."""
DAY_BUDGET = Budget("day-dollars", "day", "dollars", 1.0)
THREAD_BUDGET = Budget("thread-tokens", "thread", "tokens", 10_000.0)


def route(slug: str = "row", provider: str = "openai") -> Route:
    return Route(slug, slug, provider, "gpt-5", {}, lambda *_: pytest.fail("planned"))


TABLE = RouteTable.of([route(), route("gpt-5.5", "chatgpt")], {"alias": "row"})


@dataclass
class Setup:
    """A keeper over fake sources."""

    folder: Path
    budgets: tuple[Budget, ...] = (DAY_BUDGET, THREAD_BUDGET)
    running: list[TurnRecord] = field(default_factory=list)
    now: float = NOW + 10
    jumped: float = 0.0
    """By how much the clock was set."""

    def keeper(self) -> BudgetKeeper:
        sources = BudgetSources(
            lambda: Settings(budgets=self.budgets),
            lambda: NO_ROWS,
            lambda: TABLE,
            lambda: self.running,
        )
        made = BudgetKeeper(
            self.folder / "usage.sqlite",
            self.folder / "lifts.json",
            sources,
            lambda: self.now,
            lambda: self.now - self.jumped,
        )
        made._priced = NO_ROWS, PRICES
        return made

    async def ready(self) -> BudgetKeeper:
        keeper = self.keeper()
        keeper.start()
        await until(lambda: bool(keeper.report()))
        return keeper

    def request(self, record: TurnRecord, body: bytes = b"x" * 400) -> ClientRequest:
        self.running.append(record)
        return ClientRequest("POST", "/v1/responses", ((b"thread-id", b"t1"),), body, notes=record)


def spent(keeper: BudgetKeeper) -> list[object]:
    return [one["spent"] for one in keeper.report()]


def test_sums_of_the_ledger_count_aliases_sub_agents_and_no_plan(
    write: Write, ledger: Path
) -> None:
    write(
        turn(slug="alias", root=""),
        turn(thread="t2", root="t1"),
        turn(slug="gpt-5.5", route="chatgpt"),
        turn(usage=None),
        turn(started=NOW + 100),
    )
    spending = read_spending(ledger, NOW + 50, PRICES, TABLE)
    day = local_day(NOW)
    assert spending.highest(DAY_BUDGET, day)[0] == pytest.approx(0.3)
    assert spending.highest(THREAD_BUDGET, day) == (3150, "t1")
    assert spending.highest(Budget("m", "model", "tokens", 1.0), day) == (2100, "row")


def test_ledger_without_roots_counts_each_thread(write: Write, ledger: Path) -> None:
    write(turn(), turn(thread="t2", root="t1"))
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute("ALTER TABLE turns DROP COLUMN root")
    spending = read_spending(ledger, NOW + 50, PRICES, TABLE)
    assert spending.spent(THREAD_BUDGET, ("thread", "t2")) == 1050


def test_missing_ledger_has_no_sums(tmp_path: Path) -> None:
    assert read_spending(tmp_path / "none", NOW, PRICES, TABLE).highest(DAY_BUDGET, "x")[0] == 0


def test_nothing_is_counted_without_budgets(tmp_path: Path) -> None:
    keeper = Setup(tmp_path, budgets=()).keeper()
    keeper.start()
    assert not keeper.is_counting
    assert keeper.report() == []
    assert keeper.affords(ClientRequest("POST", "/", (), b""), route())


async def test_damaged_ledger_counts_from_now_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "usage.sqlite").write_text("no database" * 100)
    keeper = await Setup(tmp_path).ready()
    assert spent(keeper) == [0.0, 0.0]
    assert "Budgets count from now on." in caplog.text


async def test_turn_that_ends_while_the_ledger_is_read_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()

    def slow(*_: object) -> Spending:
        may_end.wait(10)
        return Spending()

    monkeypatch.setattr(budget_keeper, "read_spending", slow)
    setup = Setup(tmp_path)
    keeper = setup.keeper()
    keeper.start()
    waits = keeper.refusal(setup.request(TurnRecord()), route())
    assert waits
    assert (waits.head.status, b"try again" in waits.body) == (503, True)
    keeper.note(turn())
    assert keeper.report() == []
    may_end.set()
    await until(lambda: bool(keeper.report()))
    assert spent(keeper) == [0.15, 1050]


@pytest.mark.parametrize(("ttft", "sums"), [(0.5, [0.01, 100]), (None, [0, 0])])
async def test_aborted_answer_counts_its_estimate_and_an_unanswered_turn_nothing(
    tmp_path: Path, ttft: float | None, sums: list[float]
) -> None:
    setup = Setup(tmp_path)
    keeper = await setup.ready()
    record = turn(usage=None, ttft=ttft)
    assert keeper.refusal(setup.request(record), route()) is None
    keeper.note(record)
    assert spent(keeper) == sums


async def test_estimate_of_a_turn_that_has_left_is_forgotten(tmp_path: Path) -> None:
    setup = Setup(tmp_path, budgets=(Budget("b", "day", "tokens", 150.0),))
    keeper = await setup.ready()
    assert keeper.refusal(setup.request(TurnRecord()), route()) is None
    assert keeper.refusal(setup.request(TurnRecord()), route())
    setup.running.clear()
    assert keeper.refusal(setup.request(TurnRecord()), route()) is None


async def test_turn_on_a_plan_is_free_and_pays_for_its_fallback(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    keeper = await setup.ready()
    record = turn(slug="gpt-5.5", row="gpt-5.5")
    request = setup.request(record)
    assert keeper.refusal(request, route("gpt-5.5", "chatgpt")) is None
    assert keeper.affords(request, route())
    keeper.note(record)
    assert spent(keeper) == [0.15, 1050]


async def test_turn_that_its_own_route_answers_after_a_fallback_pays_its_own_price(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path)
    keeper = await setup.ready()
    record = turn(slug="gpt-5.5", row="gpt-5.5", route="chatgpt", model="gpt-5.5")
    request = setup.request(record)
    assert keeper.refusal(request, route("gpt-5.5", "chatgpt")) is None
    assert keeper.affords(request, route())
    keeper.note(record)
    assert spent(keeper) == [0.0, 1050]


async def test_compressed_body_is_estimated_by_its_text(tmp_path: Path) -> None:
    import zlib  # noqa: PLC0415

    setup = Setup(tmp_path, budgets=(Budget("b", "day", "tokens", 150.0),))
    keeper = await setup.ready()
    headers = ((b"content-encoding", b"deflate"),)
    body = zlib.compress(b"x" * 4000)
    assert keeper.refusal(ClientRequest("POST", "/", headers, body, notes=TurnRecord()), route())


def test_budget_of_an_alias_counts_for_its_slug() -> None:
    aliased, unknown = with_slugs(
        [Budget("a", "day", "tokens", 1.0, "alias"), Budget("b", "day", "tokens", 1.0, "none")],
        TABLE,
    )
    assert (aliased.model, unknown.model) == ("row", "none")


async def test_warning_comes_once_a_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    setup = Setup(tmp_path, budgets=(Budget("b", "day", "tokens", 1000.0),))
    keeper = await setup.ready()
    for _ in range(3):
        keeper.note(turn())
    keeper.note(turn(started=NOW + 86_400))
    assert [one.getMessage().split(":")[1] for one in caplog.records] == [
        " 1,050 tokens spent. `codex-shim budget` shows all budgets."
    ] * 2


async def test_estimate_has_the_output_of_the_last_turns_of_the_model(
    write: Write, ledger: Path
) -> None:
    """400 bytes are 100 tokens of input, $0.01; 50 of output are $0.05."""
    write(*[turn(id=str(number), usage=Usage(1000, 0, 50, 0, 1050)) for number in range(3)])
    keeper = await Setup(ledger.parent, (Budget("b", "day", "dollars", 0.505),)).ready()
    setup = Setup(ledger.parent)
    refused = keeper.refusal(setup.request(TurnRecord(slug="row")), route())
    assert refused
    assert b"would cost about $0.06" in refused.body
    assert read_outputs(ledger, NOW + 50) == {("openai", "gpt-5"): 50.0}
    assert read_outputs(ledger, NOW - 50) == read_outputs(ledger.parent / "none", NOW) == {}


async def test_estimate_of_an_unknown_model_is_its_input(tmp_path: Path) -> None:
    setup = Setup(tmp_path, (Budget("b", "day", "dollars", 0.009),))
    keeper = await setup.ready()
    first = keeper.refusal(setup.request(TurnRecord(slug="row")), route())
    assert first
    assert b"would cost about $0.01" in first.body
    ended = turn(started=setup.now, usage=Usage(0, 0, 5, 0, 5), row="row", slug="row")
    keeper.note(ended)
    again = keeper.refusal(setup.request(TurnRecord(slug="row")), route())
    assert again
    assert b"would cost about $0.0150" in again.body


@pytest.mark.parametrize("away", [86_400.0, -86_400.0, 40 * 86_400.0])
async def test_clock_that_is_set_and_set_back_lifts_no_budget(
    write: Write, ledger: Path, away: float
) -> None:
    """The ledger gives the sums again: those of the day that is today now, and after that those of the first one."""
    write(turn(), turn(id="f2", started=NOW + away))
    setup = Setup(ledger.parent, budgets=(DAY_BUDGET,))
    keeper = await setup.ready()
    assert spent(keeper) == [0.15]
    for set_by in (away, -away):
        setup.now += set_by
        setup.jumped += set_by
        await until(lambda: bool(keeper.report()))
        keeper.note(turn(id=f"live {set_by}", started=setup.now))
        # the turn that was just noted is not in the ledger
        assert spent(keeper) == [0.3]


async def test_turns_wait_while_the_ledger_is_read_again(
    write: Write, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(turn())
    setup = Setup(ledger.parent, budgets=(DAY_BUDGET,))
    keeper = await setup.ready()
    keeper.note(turn(id="not yet in the ledger", started=NOW))
    held = threading.Event()
    read = read_spending

    def slow(*args: object) -> Spending:
        held.wait(20)
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(budget_keeper, "read_spending", slow)
    setup.now -= 3600
    setup.jumped -= 3600
    refused = keeper.refusal(setup.request(turn()), route())
    assert refused is not None
    assert b"still read from the ledger" in refused.body
    held.set()
    await until(lambda: bool(keeper.report()))
    assert keeper.refusal(setup.request(turn()), route()) is None
    assert spent(keeper) == [0.3]


async def test_clock_that_goes_on_reads_the_ledger_once(
    write: Write, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(turn())
    setup = Setup(ledger.parent, budgets=(DAY_BUDGET,))
    keeper = await setup.ready()
    monkeypatch.setattr(budget_keeper, "read_spending", lambda *_: pytest.fail("read"))
    for _ in range(30):
        setup.now += 86_400
        setup.jumped += 50  # adjusted little by little
        keeper.report()
    assert spent(keeper) == [0.0]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="a process of Windows keeps its time zone")
def test_days_of_23_and_25_hours_are_days(
    write: Write, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger and the sums in memory agree about each half hour around the changes of summer time."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    moments: list[float] = []
    try:
        for changed, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
            noon = time.mktime(time.strptime(f"{changed} 12", "%Y-%m-%d %H"))
            around = [noon + half * 1800 for half in range(-60, 60)]
            own = [moment for moment in around if local_day(moment) == changed]
            live = Spending()
            for moment in own:
                live.add(Payer("row"), Cost(1, 0.0), local_day(moment))
            assert live.spent(Budget("x", "day", "tokens", 1.0), ("day", changed)) == 2 * hours
            moments += around
        write(*(turn(id=str(number), started=at) for number, at in enumerate(moments)))
        with contextlib.closing(sqlite3.connect(ledger)) as db:
            days = db.execute("SELECT at, date(at, 'unixepoch', 'localtime') FROM turns").fetchall()
        assert len(days) == len(moments)
        assert [at for at, day in days if local_day(at) != day] == []
    finally:
        monkeypatch.undo()
        time.tzset()
