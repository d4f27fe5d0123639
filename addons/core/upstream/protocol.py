"""The registry of upstream protocols. A new protocol is one entry here and one folder in `addons/core/protocols`.

An entry holds what settings, plans and views need to know before a turn; the folder holds the translator, which is
loaded at the first turn that needs it. Never imports a translator. Invariant: `spec` is total, so no lookup by
protocol can fail. How to add one: docs/add-a-provider.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from addons.core.headers import Headers
from addons.core.upstream.api_keys import BEARER, X_API_KEY, AuthScheme
from addons.core.upstream.profile import DEFAULT_PROFILE, Profile

OPENAI_COMPATIBLE = Profile(
    call_ids="openai",
    parallel_tool_calls=False,
    tool_choice_named=False,
    format_with_tools=False,
)
"""An unknown server gets what every server takes. It may pass a turn on to OpenAI, which takes short call ids only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSpec:
    """The registry entry of one protocol."""

    name: str
    """The name that `list`, `doctor` and the views show."""
    path_suffix: str
    """The last part of every endpoint's path, such as `/chat/completions`."""
    translator: str = ""
    """The module below `addons.core.protocols` that implements `ProtocolTranslator`; its reader also serves the views.

    Empty for the Responses API itself, whose requests and answers pass through unchanged.
    """
    providers: tuple[str, ...] = ()
    """Values of `provider` in models.json for any server of this protocol; the row gives the address.

    Providers with an address of their own are in `addons.core.settings.presets`.
    """
    version_segment: str = "/v1"
    """The path segment that a base_url without a version gets; empty for a protocol without one."""
    auth: AuthScheme = BEARER
    """The header that carries the key, unless the provider has another one."""
    headers: Headers = ()
    """Headers that every request of this protocol has."""
    default_profile: Profile = OPENAI_COMPATIBLE
    """The profile of a model that fits no rule in `addons.core.settings.profiles`."""


class Protocol(StrEnum):
    """A protocol of an upstream. Each member is one registry entry; its value is the entry's name."""

    spec: ProtocolSpec

    CHAT = ProtocolSpec(
        name="chat",
        path_suffix="/chat/completions",
        translator="chat.request",
        providers=("generic-chat-completion-api", "generic", "chat", "openai-compatible"),
    )
    MESSAGES = ProtocolSpec(
        name="messages",
        path_suffix="/messages",
        translator="messages.request",
        auth=X_API_KEY,
        headers=((b"anthropic-version", b"2023-06-01"),),
        default_profile=Profile("messages", structured_output="forced_tool"),
    )
    RESPONSES = ProtocolSpec(
        name="responses",
        path_suffix="/responses",
        # A native request passes unchanged: its profile asks for no change either.
        default_profile=DEFAULT_PROFILE,
    )

    def __new__(cls, spec: ProtocolSpec) -> Self:
        """Make the member a string, so that it can be shown and compared as its name."""
        member = str.__new__(cls, spec.name)
        member._value_ = spec.name
        member.spec = spec
        return member
