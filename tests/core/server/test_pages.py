"""The pages: every file under its path, confined by headers."""

from __future__ import annotations

import pytest

from addons.core.server.pages import DOCUMENTS, MEDIA_TYPES, PAGES
from tests.core.server.sources import Setup


@pytest.mark.parametrize("path", PAGES)
def test_page_is_its_file_with_its_media_type(path: str) -> None:
    reply = Setup().ask("GET", path)
    assert (reply.head.status, reply.body) == (200, f"file {PAGES[path]}".encode())
    ending = PAGES[path].rpartition(".")[2]
    assert reply.head.header(b"content-type") == MEDIA_TYPES[ending]


@pytest.mark.parametrize("path", PAGES)
def test_page_may_load_from_its_own_origin_only_and_be_framed_by_none(path: str) -> None:
    policy = Setup().ask("GET", path).head.header(b"content-security-policy") or b""
    directives = dict(one.strip().partition(b" ")[::2] for one in policy.split(b";"))
    assert directives.pop(b"img-src") == b"data:"
    assert {directives.pop(name) for name in (b"script-src", b"style-src", b"connect-src")} == {
        b"'self'"
    }
    assert set(directives.values()) == {b"'none'"}
    assert {b"default-src", b"frame-ancestors", b"form-action", b"base-uri"} == set(directives)


def test_page_is_not_stored() -> None:
    assert Setup().ask("GET", "/picker").head.header(b"cache-control") == b"no-store"


def test_only_documents_may_be_opened_by_a_link() -> None:
    assert {name.rpartition(".")[2] for name in DOCUMENTS.values()} == {"html"}
    assert {path for path, name in PAGES.items() if name.endswith(".html")} == set(DOCUMENTS)
