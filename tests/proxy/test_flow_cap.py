"""The finished flows stay within their caps, and no running flow is removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from mitmproxy import flow, http
from mitmproxy.addons.view import View
from mitmproxy.test import taddons, tflow

from addons.core.telemetry.record import METADATA_KEY
from addons.proxy.flow_cap import OVERHEAD, FlowCap, size_of
from tests.browser.conftest import SLUGS, write_settings
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.http_messages import Gate
from tests.fakes.model_upstream import Held, ModelUpstream, say
from tests.shim_cli.run import environment
from tests.support.codex_client import Posted, request
from tests.support.measured import MEASURED
from tests.support.mitmweb import Mitmweb
from tests.views.samples import attempt, metadata


def ended(size: int = 0) -> http.HTTPFlow:
    made = tflow.tflow(resp=True)
    made.live = False
    made.request.content = b"x" * size
    assert made.response
    made.response.content = b""
    return made


def kept(view: View, cap: FlowCap, *flows: flow.Flow) -> list[flow.Flow]:
    for one in flows:
        view.add([one])
        if not one.live:
            cap.make_room(view, one)
    return list(view.resolve("@all"))


def test_oldest_flows_are_removed_by_number_and_by_size() -> None:
    with taddons.context():
        flows = [ended() for _ in range(5)]
        assert kept(View(), FlowCap(flows=2), *flows) == flows[-2:]
        flows = [ended(1000) for _ in range(5)]
        assert kept(View(), FlowCap(size=3 * (OVERHEAD + 1000)), *flows) == flows[-3:]


def test_running_flow_and_newest_flow_stay_at_any_size() -> None:
    with taddons.context():
        running, old, big = tflow.tflow(resp=True), ended(10), ended(10_000)
        assert running.live
        assert kept(View(), FlowCap(flows=1, size=1), running, old, big) == [running, big]
        assert running.error is None


def test_replayed_flow_counts_with_its_current_size() -> None:
    with taddons.context():
        view, cap = View(), FlowCap(size=2 * OVERHEAD + 1500)
        first, second = ended(1000), ended(1000)
        assert kept(view, cap, first) == [first]
        first.request.content = b""
        cap.make_room(view, first)
        assert kept(view, cap, second) == [first, second]


def test_size_includes_the_record_of_the_turn() -> None:
    one = ended(10)
    one.metadata[METADATA_KEY] = metadata(attempt(b"y" * 1000, b"z" * 2000))
    assert size_of(one) == OVERHEAD + 3010
    assert size_of(tflow.ttcpflow()) == OVERHEAD


@pytest.mark.timeout(180)
def test_mitmweb_keeps_the_configured_number_and_the_running_turn(tmp_path: Path) -> None:
    gate = Gate()
    with ChatUpstream() as chat:
        upstreams: dict[str, ModelUpstream] = {"chat": chat}
        settings = tmp_path / "models.json"
        write_settings(settings, upstreams)
        env = environment(tmp_path, {**MEASURED, "CODEX_SHIM_SETTINGS": str(settings)})
        chat.play(
            Held(say("apricot apricot apricot"), b"apricot", gate),
            *(say(f"number {n}") for n in range(6)),
        )
        with Mitmweb(env, tmp_path / "log", "--set", "codex_shim_keep_flows=3") as web:
            held = Posted(web.port, request(SLUGS["chat"]))
            gate.wait_reached()
            running = web.turn()
            for _ in range(6):
                Posted(web.port, request(SLUGS["chat"])).ended()
            flows = web.flows()
            assert flows[0]["id"] == running
            assert len(flows) == 3
            assert "number 5" in web.view(str(flows[-1]["id"]), "response")["text"]
            gate.open()
            assert b"response.completed" in held.ended()


def test_intercepted_flow_stays() -> None:
    with taddons.context():
        held, other, newest = ended(), ended(), ended()
        held.intercept()
        assert kept(View(), FlowCap(flows=1), held, other, newest) == [held, newest]
