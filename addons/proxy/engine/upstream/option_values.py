"""Options of mitmproxy that each turn asks for, among them those that decide whom an upstream connection trusts.

Never does: change an option. Invariant: the values are those in force at the time of the call.
"""

from __future__ import annotations

from mitmproxy import ctx
from mitmproxy.optmanager import OptManager


class OptionValues:
    """Reads options once after each change: mitmproxy copies a value at each look."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._options: OptManager | None = None
        self._values: tuple[object, ...] | None = None

    def __call__(self) -> tuple[object, ...]:
        """Return the values, None for one that this Master does not know. The self-test has no Master."""
        options: OptManager | None = getattr(ctx, "options", None)
        if options is not self._options:
            self._options, self._values = options, None
            if options:
                options.changed.connect(self._changed)
        if self._values is None:
            self._values = tuple(getattr(options, name, None) for name in self._names)
        return self._values

    def _changed(self, updated: set[str]) -> None:  # noqa: ARG002  the name is part of the signal
        self._values = None


NAMES = (
    "ssl_insecure",
    "ssl_verify_upstream_trusted_ca",
    "ssl_verify_upstream_trusted_confdir",
    "client_certs",
    "ciphers_server",
    "tls_version_server_min",
    "tls_version_server_max",
    "tls_ecdh_curve_server",
    "upstream_auth",
)


class TrustOptions(OptionValues):
    """The options that decide whom an upstream connection trusts, and as whom it presents itself."""

    def __init__(self) -> None:
        super().__init__(*NAMES)
