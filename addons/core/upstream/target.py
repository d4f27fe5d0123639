"""One model of an upstream: its address, its protocol, and how it differs from the protocol's reference API.

Built once from a row of models.json, its provider's preset and its profile; frozen. Differences are fields here and
in its profile, never an `if` on a model's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from addons.core.headers import Headers
from addons.core.secrets import Origin
from addons.core.upstream.profile import DEFAULT_PROFILE, Profile
from addons.core.upstream.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one upstream."""

    slug: str
    display_name: str
    provider: str
    """The provider as the row names it, for messages."""
    model: str
    """The model name that the upstream gets."""
    protocol: Protocol
    origin: Origin
    path: str
    """Path and query of the endpoint: `/v1/chat/completions`, `/v1/messages`, `/v1/responses`."""
    headers: Headers = ()
    """Extra headers without secrets. Headers that look like keys belong to the row's credential instead."""
    extra_body: Mapping[str, object] = field(default_factory=dict)
    """Fields that are merged over the translated body, nested objects included. None takes a field out."""
    omitted: tuple[str, ...] = ()
    """Paths of fields that are not sent, such as `user` or `messages.*.name`. Learnt from refusals."""
    row_fields: Mapping[str, str] = field(default_factory=dict)
    """Name of a trait → the field of the row that decides it. No refusal changes such a trait."""
    profile: Profile = DEFAULT_PROFILE
    context_tokens: int = 128_000
    max_output_tokens: int | None = None
    images: bool = True
    files: bool = True
    """Whether files may be sent, where the protocol has them."""
    hosted_tools: bool = True
    """Whether tools that the upstream runs itself may be declared, where the protocol has them."""
    own_items: bool = True
    """Whether items of types that the API does not document may be sent, where the protocol has items."""

    traits_scope: str = field(init=False, compare=False, repr=False)
    """The key under which traits of this model at this upstream are kept."""
    reasoning_scope: str = field(init=False, compare=False, repr=False)
    """The only scope that may get this target's reasoning back: the same protocol, origin and model."""

    def __post_init__(self) -> None:
        """Derive the scopes, which each turn asks for."""
        scope = f"{self.protocol}:{self.origin}:{self.model}"
        object.__setattr__(self, "traits_scope", scope)
        object.__setattr__(self, "reasoning_scope", scope)
