"""The text of a web page, and the part of it that the model asked for. Pure.

Never runs a script or loads a part of the page. Invariant: total; any bytes give a text. Links are kept with their
addresses, so that the model can open them.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

from addons.core.web_search.call import PageRequest

LINE_CHARACTERS = 240
"""Longer lines are broken, so that a line number names a short place."""
SHOWN_LINES = 200
FOUND_PLACES, LINES_AROUND = 10, 2
_SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "iframe"})
_BLOCKS = frozenset(
    ["address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"]
)  # fmt: skip
_BLANKS = re.compile(r"[^\S\n]+")


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._url = url
        self._skipped: list[str] = []
        self._link = ""
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipped.append(tag)
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag == "a" and (target := dict(attrs).get("href")):
            self._link = _absolute(self._url, target)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            del self._skipped[self._skipped.index(tag) :]
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag == "a" and self._link:
            self.parts.append(f" ({self._link})")
            self._link = ""

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.parts.append(data.replace("\n", " "))


def _absolute(url: str, target: str) -> str:
    try:
        found = urljoin(url, target.strip())
    except ValueError:
        return ""
    return found if found.startswith(("http://", "https://")) and "#" not in target[:1] else ""


def html_text(html: str, url: str) -> str:
    """Return the readable text of an HTML page. `url` is its address, for links without one."""
    reader = _Reader(url)
    reader.feed(html)
    reader.close()
    return plain_text("".join(reader.parts))


def plain_text(text: str) -> str:
    """Return a text with single blanks, and with no more than one blank line in a row."""
    lines = [_BLANKS.sub(" ", line).strip() for line in text.splitlines()]
    kept = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    return "\n".join(kept).strip()


def page_view(text: str, wanted: PageRequest, max_characters: int) -> str:
    """Return the part of a page that was asked for, with the numbers of its lines."""
    lines = list(_numbered(text))
    if wanted.pattern:
        return _places(lines, wanted.pattern, max_characters)
    first = min(wanted.line, len(lines) - 1) if wanted.line else 0
    shown = lines[first : first + SHOWN_LINES]
    body = "\n".join(shown)[:max_characters]
    last = first + body.count("\n")
    return f"Lines {first} to {last} of {len(lines)}:\n{body}"


def _numbered(text: str) -> list[str]:
    parts = [
        line[at : at + LINE_CHARACTERS]
        for line in text.splitlines() or [""]
        for at in range(0, max(len(line), 1), LINE_CHARACTERS)
    ]
    return [f"L{number}: {part}" for number, part in enumerate(parts)]


def _places(lines: list[str], pattern: str, max_characters: int) -> str:
    sought = pattern.lower()
    found = [at for at, line in enumerate(lines) if sought in line.lower()]
    if not found:
        return f'"{pattern}" is not on the page, which has {len(lines)} lines.'
    places = [
        "\n".join(lines[max(at - LINES_AROUND, 0) : at + LINES_AROUND + 1])
        for at in found[:FOUND_PLACES]
    ]
    head = f'"{pattern}" is in {len(found)} of {len(lines)} lines:\n'
    return (head + "\n---\n".join(places))[:max_characters]
