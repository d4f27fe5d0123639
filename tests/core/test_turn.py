"""Who is a Codex client: the one question that decides how an error is told."""

import pytest

from addons.core.headers import Headers
from addons.core.turn import ClientRequest


@pytest.mark.parametrize(
    ("headers", "is_codex"),
    [
        ((), False),
        (((b"Originator", b"codex_exec"),), True),
        (((b"X-Codex-Turn-Metadata", b"{}"),), True),
        (((b"x-codex-shim-token", b"<kept>"),), False),
        (((b"x-codex-shim-token", b"<kept>"), (b"x-codex-window-id", b"1:0")), True),
        (((b"user-agent", b"codex_exec/0.169.0"),), False),
    ],
)
def test_codex_is_told_by_its_own_headers(headers: Headers, is_codex: bool) -> None:
    assert ClientRequest("POST", "/v1/responses", headers, b"").is_codex is is_codex
