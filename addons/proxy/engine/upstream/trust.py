"""The options of mitmproxy that decide whom an upstream connection trusts, and as whom it presents itself.

Never does: change an option. Invariant: the values are those in force at the time of the call.
"""

from __future__ import annotations

from addons.proxy.engine.upstream.option_values import OptionValues

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
    """Their values."""

    def __init__(self) -> None:
        super().__init__(*NAMES)
