"""One row of models.json as the rest of the shim knows it, whether it is offered or not.

Values only. Invariant: a row without a target says why it is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

from addons.core.key_places import EnvKey, KeySlot
from addons.core.prices import Price
from addons.core.target import Target


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One row, offered or not."""

    slug: str
    display_name: str
    provider: str
    model: str
    target: Target | None = None
    """None when the row cannot be read."""
    keys: tuple[KeySlot, ...] = ()
    fallback: tuple[str, ...] = ()
    default_verbosity: str | None = None
    hidden_because: str = ""
    price: Price | None = None
    """What the row says that its tokens cost."""

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the environment that hold its keys."""
        places = (slot.place for slot in self.keys)
        return frozenset(
            name for place in places if isinstance(place, EnvKey) for name in place.variables
        )

    @property
    def holds_key(self) -> bool:
        """Whether the file itself holds a secret of this row."""
        return any(slot.is_inline for slot in self.keys)
