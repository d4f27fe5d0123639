"""The gate in the way of a request: which plans it makes, and when its settings count."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import orjson
import pytest

from addons.adapters.privacy.turns import LARGE_BODY, GatedRequests, GateRunner
from addons.adapters.system.paths import privacy_key_file
from addons.core.hooks.chain import HookError
from addons.core.hooks.frozen_json import plain
from addons.core.hooks.plan import HookedPlan, end_of
from addons.core.hooks.values import Event
from addons.core.limits import Limits
from addons.core.privacy.gate import Gate, GatedTurn
from addons.core.privacy.placeholders import PLACEHOLDER
from addons.core.settings.privacy import BROKEN, ON, Privacy
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import ClientRequest, Plan
from tests.core.privacy.values import EMAILS, PHONES
from tests.support.waiting import LONGEST

VALUE = EMAILS[0]
HEADERS = ((b"session-id", b"s"), (b"thread-id", b"t"))


class Setup:
    def __init__(self, folder: Path) -> None:
        self.env = {"CODEX_SHIM_STATE_DIR": str(folder / "state"), "HOME": str(folder)}
        self.settings = ON
        self.exempt = False
        self.gated = GatedRequests(self.env, self._settings, Limits, lambda _: self.exempt)

    def _settings(self) -> Privacy:
        return self.settings

    def runner(self) -> GateRunner:
        return GateRunner(self.gated, Limits())


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def _request(text: str = f"ask {VALUE}") -> ClientRequest:
    body = orjson.dumps({"model": "m", "input": text})
    return ClientRequest("POST", "/v1/responses", HEADERS, body, notes=TurnRecord())


def _no_plan(_: ClientRequest) -> Plan:
    raise LookupError


def test_an_exempt_turn_has_the_plan_of_its_route(setup: Setup) -> None:
    assert isinstance(setup.gated.plan_turn(_request(), _no_plan), HookedPlan)
    setup.exempt = True
    with pytest.raises(LookupError):
        setup.gated.plan_turn(_request(), _no_plan)
    # what is no turn is never exempt
    assert isinstance(setup.gated.plan(_request(), _no_plan), HookedPlan)


def test_it_notes_counts_behind_the_notes_of_other_hooks(setup: Setup) -> None:
    runner, request = setup.runner(), _request(f"{VALUE} {EMAILS[1]} {PHONES[0]}")
    request.notes.hooks = ["house_rule.py: instructions"]
    runner.begin_now(request)
    assert runner.notes == [*request.notes.hooks, "privacy gate: email 2, phone 1 replaced"]
    other = setup.runner()
    other.begin_now(_request("hello"))
    assert other.notes == ()


def test_changed_settings_count_for_the_next_turn(setup: Setup) -> None:
    shown = setup.runner().begin_now(_request(f"{VALUE} {PHONES[0]}")).body
    setup.settings = Privacy(is_on=True, sets=("phones",))
    other = setup.runner().begin_now(_request(f"{VALUE} {PHONES[0]}")).body
    assert VALUE.encode() not in shown
    assert VALUE.encode() in other
    assert PHONES[0].encode() not in other
    assert PLACEHOLDER.findall(shown.decode())[1] == PLACEHOLDER.findall(other.decode())[0]


async def test_large_bodies_are_searched_in_a_thread(setup: Setup) -> None:
    large = _request(VALUE + " x" * LARGE_BODY)
    runner = setup.runner()
    assert runner.needs_thread(large)
    assert not runner.needs_thread(_request())
    assert VALUE.encode() not in (await runner.begin(large)).body


def test_a_small_request_does_not_wait_for_a_large_one(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is masked in the thread of the proxy, which must not wait for a lock."""
    large, small = _request(VALUE + " x" * LARGE_BODY), _request()
    begun, go_on = threading.Event(), threading.Event()
    order: list[ClientRequest] = []
    mask = Gate.mask

    def slow_mask(gate: Gate, request: ClientRequest, max_bytes: int) -> GatedTurn:
        if request is large:
            begun.set()
            go_on.wait(LONGEST)
        order.append(request)
        return mask(gate, request, max_bytes)

    monkeypatch.setattr(Gate, "mask", slow_mask)
    thread = threading.Thread(target=setup.runner().begin_now, args=(large,))
    thread.start()
    assert begun.wait(LONGEST)
    setup.runner().begin_now(small)
    go_on.set()
    thread.join()
    assert order == [small, large]


def test_nothing_passes_with_broken_settings_or_without_a_key(setup: Setup) -> None:
    setup.settings = BROKEN
    with pytest.raises(HookError, match="codex-shim doctor"):
        setup.runner().begin_now(_request())
    setup.settings = Privacy(is_on=True)
    key = privacy_key_file(setup.env)
    key.parent.mkdir(exist_ok=True)
    key.write_bytes(b"nothing")
    with pytest.raises(HookError, match=r"privacy\.key: it does not hold a key"):
        setup.runner().begin_now(_request())
    key.unlink()
    setup.runner().begin_now(_request())


async def test_a_whole_answer_is_restored(setup: Setup) -> None:
    runner = setup.runner()
    sent = runner.begin_now(_request())
    (shown,) = (one[0] for one in PLACEHOLDER.finditer(sent.body.decode()))
    same = Event.of("response.completed", response={"id": shown})
    event = Event.of("response.completed", response={"output": f"I ask {shown}"})
    pieces = await runner.on_pieces([b": comment\n\n", same, event])
    assert pieces[0] == b": comment\n\n"
    assert pieces[1] is same
    assert isinstance(pieces[2], Event)
    assert plain(pieces[2].data)["response"] == {"output": f"I ask {VALUE}"}  # type: ignore[index]


def test_what_cannot_be_restored_is_logged_without_a_value(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    runner, request = setup.runner(), _request()
    runner.begin_now(request)
    end = end_of(request, is_refused=False)
    runner.end(end)
    assert caplog.records == []
    runner._begun.restorer.text("masked-email-000000000000")
    with caplog.at_level(logging.WARNING):
        runner.end(end)
    assert "An answer has 1 placeholders" in caplog.text
    setup.runner().end(end)
