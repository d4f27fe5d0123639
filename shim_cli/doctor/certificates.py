"""Section "Certificates": the CA certificates for upstreams, and mitmproxy's CA, which Codex does not need."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from addons.adapters.api_keys import is_open_to_others
from addons.adapters.system.paths import home, state_dir
from addons.core.upstream.outbound_proxy import CA_FILE
from shim_cli.doctor.finding import CheckResult, DoctorContext


def certificates(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the CA certificates."""
    yield from _upstream(context)
    for folder in (home(context.env) / ".mitmproxy", state_dir(context.env) / "mitmproxy"):
        key = folder / "mitmproxy-ca.pem"
        if key.is_file() and is_open_to_others(key):
            problem = f"{key} is a private key, and other users can read it"
            yield "WARN", problem, context.shell.make_private(str(key))
        elif key.is_file():
            yield "INFO", f"mitmproxy's CA is in {folder}; Codex does not need it"


def _upstream(context: DoctorContext) -> Iterator[CheckResult]:
    path = context.env.get(CA_FILE)
    if not path:
        yield "OK", "upstreams are verified with the public certificates that come with mitmproxy"
        return
    unset = context.shell.unset(CA_FILE)
    if not Path(path).is_file():
        yield "FAIL", f"{CA_FILE} names {path}, which does not exist or is not a file", unset
        return
    try:
        ssl_context = ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        yield "FAIL", f"{CA_FILE} names {path}, which holds no PEM certificate", unset
        return
    count = ssl_context.cert_store_stats()["x509_ca"]
    yield "OK", f"upstreams are verified with {path} alone ({count} CA certificates)"
