"""The pages: their files, and how a real socket serves them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from addons.adapters.system.local_token import ensure_token
from addons.adapters.web.pages import page_file
from addons.core.server.pages import DOCUMENTS, PAGES
from tests.adapters.web.test_dashboard import running
from tests.support.client import client

FROM_A_FILE = (
    b"sec-fetch-site: cross-site",
    b"sec-fetch-mode: navigate",
    b"sec-fetch-dest: document",
)


async def test_every_page_is_served_without_the_token_in_it(tmp_path: Path) -> None:
    token = ensure_token({"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")})
    async with running(tmp_path) as (_, port), client(port) as c:
        for path in PAGES:
            await c.get(path)
            response = await c.response()
            assert response.status == 200
            policy = response.header(b"content-security-policy") or b""
            assert policy.startswith(b"default-src 'none'; ")
            assert b"unsafe" not in policy
            assert token.encode() not in response.body
            assert response.header(b"cache-control") == b"no-store"


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_page_opens_from_a_local_file_and_its_data_does_not(
    tmp_path: Path, path: str
) -> None:
    async with running(tmp_path) as (_, port), client(port) as c:
        await c.get(path, *FROM_A_FILE)
        assert (await c.response()).status == 200
        for data in ("/api/models", "/health", "/page.js"):
            async with client(port) as other:
                await other.get(data, *FROM_A_FILE)
                assert (await other.response()).status == 403


@pytest.mark.parametrize("path", DOCUMENTS)
def test_page_refers_only_to_served_files_and_has_no_inline_code(path: str) -> None:
    page = text(DOCUMENTS[path])
    for named in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert named == "data:," or named in PAGES
    assert not re.search(r"\s(?:style|on\w+)=", page)
    assert not re.search(r"<script(?![^>]* src=)", page)


@pytest.mark.parametrize("name", [name for name in PAGES.values() if name.endswith(".js")])
def test_script_makes_no_markup_or_code_from_text_and_calls_no_other_host(name: str) -> None:
    script = text(name)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", script
    )
    assert set(re.findall(r"https?://[^\"]+", script)) <= {"http://www.w3.org/2000/svg"}
    assert "localStorage" not in script


@pytest.mark.parametrize("name", [name for name in PAGES.values() if name.endswith(".css")])
def test_style_sheet_loads_nothing(name: str) -> None:
    assert not re.search(r"url\(|@import", text(name))


def text(name: str) -> str:
    return page_file(name).decode()
