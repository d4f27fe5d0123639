"""Faults in turn, on as few shims as their limits allow: starting a shim takes as long as its turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

import pytest

from addons.core.providers import row_attempts
from tests.faults.fault import Fault
from tests.faults.shim import RunningShim

Check = Callable[[RunningShim, Fault], Awaitable[None]]


def by_limits(faults: Iterable[Fault]) -> Mapping[str, list[Fault]]:
    """Return the faults that one shim can meet, by the names of their limits."""
    found: dict[str, list[Fault]] = {}
    for fault in faults:
        found.setdefault(" ".join(fault.limits) or "usual limits", []).append(fault)
    assert all(fault.limits == group[0].limits for group in found.values() for fault in group)
    return found


async def check_in_turn(shim: RunningShim, faults: Iterable[Fault], check: Check) -> None:
    """Check each fault on a shim that knows nothing of the one before. Raise what all checks raised, with the faults."""
    failures: list[Exception] = []
    for fault in faults:
        shim.forget_upstream()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(row_attempts, "EARLY_SECONDS", fault.early_seconds)
            try:
                await check(shim, fault)
            except Exception as failure:  # noqa: BLE001  raised below
                failure.add_note(f"fault: {fault}")
                failures.append(failure)
    if failures:
        msg = f"{len(failures)} faults on {shim.route}"
        raise ExceptionGroup(msg, failures)
