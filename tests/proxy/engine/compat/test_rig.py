"""What surrounds the engine in the self-test."""

from __future__ import annotations

import asyncio

import pytest

from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Fault, FaultKind, Send, StreamLocal
from addons.proxy.engine.compat import rig
from addons.proxy.engine.compat.versions import SelfTestError

ORIGIN = Origin("http", "127.0.0.1", 9)


async def test_errors_are_kept_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    failures = rig.Failures()
    failures.note("mitmproxy has crashed!")
    failures.note_loop_error(asyncio.get_running_loop(), {"message": "lost"})
    fault = rig.TestEngine(ORIGIN, failures).internal_fault(ValueError("x"))
    assert failures.found == ["mitmproxy has crashed!", "lost", "ValueError: x"]
    assert fault.kind is FaultKind.INTERNAL
    assert caplog.text == ""


@pytest.mark.parametrize(("path", "step"), [(rig.WHOLE, Send), (rig.LOCAL, StreamLocal)])
async def test_path_decides_what_a_turn_does(path: str, step: type) -> None:
    engine = rig.TestEngine(ORIGIN, rig.Failures())
    plan = engine.router.plan(ClientRequest("POST", path, (), b"{}"))
    assert isinstance(plan.start(), step)
    with pytest.raises(SelfTestError, match="refused"):
        plan.on_fault(Fault(FaultKind.CONNECT, "refused"))
