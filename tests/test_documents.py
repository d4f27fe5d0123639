"""Every file, test and link that a document names exists; the pre-commit hooks call recipes of the Justfile."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.test_justfile import recipes

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "certs/*.md", "docs/examples/*.py")
    for path in ROOT.glob(pattern)
)
FOLDERS = "addons|shim_cli|tests|scripts|benchmarks|docs|certs"
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)(?:::\w+)?`")
FILE_OF_A_COMMAND = re.compile(rf"(?<![\w/`])((?:{FOLDERS})/[\w/.-]+\.\w+)")
LINK = re.compile(r"\]\(([^)#]*)(?:#([\w-]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def paths_in(text: str) -> set[str]:
    return set(PATH.findall(text)) | set(FILE_OF_A_COMMAND.findall(text))


def anchors(page: Path) -> set[str]:
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path, root: Path = ROOT) -> list[str]:
    broken = []
    for target, anchor in LINK.findall((root / document).read_text()):
        if target.startswith(("http:", "https:")):
            continue
        page = (root / document.parent / target) if target else root / document
        if not page.exists() or (anchor and anchor not in anchors(page)):
            broken.append(f"{target}#{anchor}")
    return broken


CURRENT = [document for document in DOCUMENTS if document.name != "CHANGELOG.md"]
"""The changelog also names files of the past."""


@pytest.mark.parametrize("document", CURRENT, ids=str)
def test_every_named_path_exists(document: Path) -> None:
    text = (ROOT / document).read_text()
    assert sorted(name for name in paths_in(text) if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    assert broken_links(document) == []


def is_well_formed(address: str) -> bool:
    """Return whether an address of the web is complete: https, a host name with a dot, and nothing that a link ends with."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    return (
        parts.scheme == "https"
        and re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", host) is not None
        and not re.search(r"[\s<>\"'`]|[.,;:]$", address)
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_to_the_web_are_well_formed(document: Path) -> None:
    links = re.findall(r"\]\((https?:[^)]*)\)", (ROOT / document).read_text())
    assert [address for address in links if not is_well_formed(address)] == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.com/a#b", True),
        ("http://example.com/", False),
        ("https://example", False),
        ("https://example.com/a.", False),
        ("https://exa mple.com/", False),
    ],
)
def test_form_of_an_address_is_judged(address: str, expected: bool) -> None:
    assert is_well_formed(address) is expected


def test_the_architecture_page_names_the_files_of_a_turn() -> None:
    turn = (ROOT / "docs/architecture.md").read_text().partition("## Life of a turn")[2]
    steps = re.findall(r"^\d+\. \*\*", turn.partition("### States")[0], re.MULTILINE)
    assert len(steps) == 14
    assert len(paths_in(turn)) > 30


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see `addons/core/gone.py`", {"addons/core/gone.py"}),
        ("`tests/core/test_turn.py::test_x`", {"tests/core/test_turn.py"}),
        ("uv run pytest tests/shim_cli/test_app.py", {"tests/shim_cli/test_app.py"}),
        ("`/v1/responses`, `addons.core.turn`, https://example.com/docs/page.html", set()),
    ],
)
def test_paths_in_text_are_recognised(text: str, found: set[str]) -> None:
    assert paths_in(text) == found


def test_hooks_call_recipes_of_the_justfile() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    called = re.findall(r"^ +entry: just ([\w-]+)$", hooks, re.MULTILINE)
    assert called == ["check", "test"]
    assert set(called) <= set(recipes())
