"""What a process does with cassettes.

Never does: import what answers from one, unless it does that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from addons.core.cassette.player import Player
    from addons.core.limits import Limits
    from addons.core.server.replay import ReplayPlans


@dataclass(frozen=True, slots=True)
class CassetteUse:
    """What a process does with cassettes: records to a new file, or answers from one."""

    record: Path | None = None
    player: Player | None = None
    speed: float = 1.0
    """How many times as fast as recorded. 0: without pauses."""

    def plans(self, limits: Limits) -> ReplayPlans | None:
        """Return what plans turns that are answered from the cassette."""
        player = self.player
        if player is None:
            return None
        from addons.adapters.cassette.replay import paced  # noqa: PLC0415
        from addons.core.server.replay import ReplayPlans  # noqa: PLC0415

        return ReplayPlans(player, limits, lambda parts: paced(parts, self.speed))


NO_CASSETTE = CassetteUse()
