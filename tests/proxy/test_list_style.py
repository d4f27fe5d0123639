"""The style sheet that mitmweb's page gets, and what stays as it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from addons.proxy.list_style import STYLE, ListStyle, install

PAGE = b"<html><head><title>x</title></head><body></head></body></html>"


def transformed(kind: str, chunk: bytes, *, finishing: bool = True) -> tuple[bytes, str]:
    headers = {"Content-Type": kind, "Content-Length": str(len(chunk))}
    _, sent, body = ListStyle(None).transform_first_chunk(200, headers, chunk, finishing)
    return body, sent["Content-Length"]


def test_page_gets_the_style_sheet_at_the_end_of_its_head() -> None:
    body, length = transformed("text/html; charset=UTF-8", PAGE)
    assert body == PAGE.replace(b"</title></head>", b"</title>" + STYLE + b"</head>")
    assert length == str(len(body))


@pytest.mark.parametrize(
    ("kind", "chunk", "finishing"),
    [
        ("application/json", PAGE, True),
        ("text/html", b"<p>no head</p>", True),
        ("text/html", PAGE, False),
    ],
)
def test_other_answers_stay_as_they_are(kind: str, chunk: bytes, finishing: bool) -> None:
    assert transformed(kind, chunk, finishing=finishing) == (chunk, str(len(chunk)))
    assert ListStyle(None).transform_chunk(chunk, finishing) == chunk


def test_style_comes_before_compression_and_only_where_there_is_a_page() -> None:
    web = SimpleNamespace(app=SimpleNamespace(transforms=[str]))
    install(web)
    assert web.app.transforms == [ListStyle, str]
    install(SimpleNamespace(app=SimpleNamespace(transforms=None)))
    install(object())
