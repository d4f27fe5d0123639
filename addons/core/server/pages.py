"""The pages of this port for a browser: which files they are made of, and the headers that confine them.

Never does: put anything of this machine or its user into a page. A page asks for its data itself, with the local token.
Invariant: a page can be framed by nothing, and can load from and send to its own origin alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from addons.core.server.replies import answer_read
from addons.core.turn import ClientRequest, Head, Plan, Reply

DOCUMENTS: Mapping[str, str] = {"/picker": "picker.html", "/dashboard": "dashboard.html"}
"""Path → file of the pages that a browser may open, also by a link from another site."""
PAGES: Mapping[str, str] = {
    **DOCUMENTS,
    **{f"/{name}.{kind}": f"{name}.{kind}" for name in ("page", "picker", "dashboard") for kind in ("css", "js")},
    "/agents.js": "agents.js",
    "/charts.js": "charts.js",
    "/turns.js": "turns.js",
}  # fmt: skip
"""Path → file of every page, script and style sheet."""
MEDIA_TYPES = {
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "css": b"text/css; charset=utf-8",
}
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_plan(name: str, read_file: Callable[[str], bytes], request: ClientRequest) -> Plan:
    """Answer a GET or HEAD with one file."""
    headers = (
        (b"content-type", MEDIA_TYPES[name.rpartition(".")[2]]),
        (b"content-security-policy", POLICY),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
    )
    return answer_read(request, Reply(Head(200, headers), read_file(name)))
