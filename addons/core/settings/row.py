"""One row of models.json, resolved.

Values only. Invariant: a row without a target has an `unavailable_reason`.
"""

from __future__ import annotations

from dataclasses import dataclass

from addons.core.settings.key_refs import EnvKey, SecretHeaderSpec
from addons.core.telemetry.prices import Price
from addons.core.upstream.target import Target


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One row, offered or not."""

    slug: str
    display_name: str
    provider: str
    model: str
    target: Target | None = None
    """None when the row cannot be read."""
    keys: tuple[SecretHeaderSpec, ...] = ()
    fallback: tuple[str, ...] = ()
    vision: str = ""
    """The slug of the model that describes pictures for this one; empty if the row names none."""
    privacy: bool = True
    """Whether its turns go through the privacy gate, if that is on."""
    default_verbosity: str | None = None
    unavailable_reason: str = ""
    description: str = ""
    """What the user calls its upstream; empty if the row does not say."""
    price: Price | None = None
    """The price of its tokens, if the row gives one."""
    states_context: bool = False
    """Whether the row itself gives the context window of its model."""

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables that may hold its keys."""
        keys = (header.key for header in self.keys)
        return frozenset(name for key in keys if isinstance(key, EnvKey) for name in key.variables)

    @property
    def holds_key(self) -> bool:
        """Whether the file itself holds a secret of this row."""
        return any(header.is_inline for header in self.keys)
