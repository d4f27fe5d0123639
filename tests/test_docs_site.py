"""The docs site has every document, and what a page loads from another server is found. CI builds the site."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from scripts.docs_site import CONFIG, copy_documents, loaded_from_elsewhere
from tests.readme import DOCUMENTS, ROOT
from tests.test_documents import broken_links


def pages(navigation: object) -> set[str]:
    """Return the files that a navigation names."""
    if isinstance(navigation, str):
        return {navigation}
    entries = navigation.values() if isinstance(navigation, dict) else navigation
    assert isinstance(entries, (list, type({}.values())))
    return set().union(*map(pages, entries))


def test_navigation_names_every_document() -> None:
    named = pages(tomllib.loads((ROOT / CONFIG).read_text())["project"]["nav"])
    decisions = {document.name for document in DOCUMENTS if "/decisions/0" in document.name}
    assert named == {document.name for document in DOCUMENTS} - decisions | {
        "CHANGELOG.md",
        "tests/field/LOG.md",
    }


def test_copied_documents_have_every_file_that_they_link_to(tmp_path: Path) -> None:
    copy_documents(tmp_path)
    copied = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.md")]
    assert len(copied) > 20
    assert [(name, broken) for name in copied if (broken := broken_links(name, tmp_path))] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<script src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ("<img alt=x src=//img.example/a.png>", ["//img.example/a.png"]),
        ('<link href="https://f.example/c.css" rel="stylesheet">', ["https://f.example/c.css"]),
        ("@font-face { src: url(https://f.example/a.woff2) }", ["https://f.example/a.woff2"]),
        ('@import "https://f.example/c.css";', ["https://f.example/c.css"]),
        ('<a href="https://example.com/">a link</a>', []),
        ('<link rel="canonical" href="https://example.com/">', []),
        ('<img src="pictures/a.svg"><script src="../assets/a.js"></script>', []),
    ],
)
def test_files_of_other_servers_are_found(text: str, found: list[str]) -> None:
    assert list(loaded_from_elsewhere(text)) == found
