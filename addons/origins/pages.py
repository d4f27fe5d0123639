"""The pages of the shim for a browser: files of `addons.data`, each under its own path.

Never does: put anything of this machine or its user into a page. What they show they ask for themselves, with the local
token. Invariant: no page can load, send or be framed by anything but this very origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePath

from addons.core.front import READ, Endpoint, Endpoints, readable
from addons.core.turn import ClientRequest, Head, Plan, Reply

DOCUMENTS: Mapping[str, str] = {"/picker": "picker.html", "/dashboard": "dashboard.html"}
"""What a browser may open, also by a link from elsewhere."""
PAGES: Mapping[str, str] = {
    **DOCUMENTS,
    **{f"/{name}.{kind}": f"{name}.{kind}" for name in ("page", "picker", "dashboard") for kind in ("css", "js")},
}  # fmt: skip
KINDS = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
}
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_endpoints() -> Endpoints:
    """Every page and what it is made of, for `ShimFront.more`."""
    return {path: Endpoint(READ, _page) for path in PAGES}


def _page(request: ClientRequest) -> Plan:
    path = request.path.partition("?")[0]
    name = PAGES[path.removeprefix("/v1")]
    headers = (
        (b"content-type", KINDS[PurePath(name).suffix]),
        (b"content-security-policy", POLICY),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
    )
    return readable(request, Reply(Head(200, headers), _file(name)))


@cache
def _file(name: str) -> bytes:
    return files("addons.data").joinpath(name).read_bytes()
