"""What upstreams are verified with, and mitmproxy's own CA, which ordinary use needs not."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from addons.core.egress import CA_FILE
from addons.origins.keys import readable_by_others
from addons.origins.paths import home, state_dir
from shim_cli.doctor.finding import Found, Subject


def certificates(subject: Subject) -> Iterator[Found]:
    """Load what turns would be verified with."""
    yield from _upstream(subject)
    for folder in (home(subject.env) / ".mitmproxy", state_dir(subject.env) / "mitmproxy"):
        key = folder / "mitmproxy-ca.pem"
        if key.is_file() and readable_by_others(key):
            told = f"{key} is a private key, and other users can read it"
            yield "WARN", told, subject.shell.make_private(str(key))
        elif key.is_file():
            yield "INFO", f"mitmproxy's own CA is in {folder}; Codex needs no part of it"


def _upstream(subject: Subject) -> Iterator[Found]:
    named = subject.env.get(CA_FILE)
    if not named:
        yield "OK", "upstreams are verified with the public certificates that come with mitmproxy"
        return
    unset = subject.shell.unset(CA_FILE)
    if not Path(named).is_file():
        yield "FAIL", f"{CA_FILE} names {named}, which does not exist or is not a file", unset
        return
    try:
        context = ssl.create_default_context(cafile=named)
    except (OSError, ValueError):
        yield "FAIL", f"{CA_FILE} names {named}, which holds no PEM certificate", unset
        return
    count = context.cert_store_stats()["x509_ca"]
    yield "OK", f"upstreams are verified with {named} alone ({count} CA certificates)"
