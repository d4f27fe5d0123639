"""The text of a web page, and the part of it that the model asked for. Pure.

Never runs a script or loads a part of the page. Invariant: total; any characters give a text, in a time that is proportional
to their number: the parser of the standard library takes hours for some pages. Links are kept with their addresses, so that
the model can open them.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin

from addons.core.web_search.call import PageRequest

LINE_CHARACTERS = 240
"""Longer lines are broken, so that a line number names a short place."""
SHOWN_LINES = 200
MAX_CHARACTERS = 4 * 1024 * 1024
"""How much text a page may have. Relative links make it longer than the page."""
LINK_CHARACTERS = 2000
"""Longer links are left out."""
FOUND_PLACES, LINES_AROUND = 10, 2
_SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "iframe"})
_BLOCKS = frozenset(
    ["address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul"]
)  # fmt: skip
_NESTED = frozenset({"template", "svg"})
"""What is skipped with elements of the same name inside of it. The others hold text."""
_BORDERS = {name: re.compile(rf"<(?P<end>/)?{name}(?=[\s/>])", re.IGNORECASE) for name in _SKIPPED}
_TAG_BEGIN = re.compile(r"</?[a-zA-Z]")
_TAG = re.compile(
    r"""<(?P<end>/)?(?P<name>[a-zA-Z][^\s/>]*+)(?P<attributes>(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+)>"""
)
_ATTRIBUTE = re.compile(r"""([^\s=/>]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>]*+)))?+""")
_BLANKS = re.compile(r"[^\S\n]+")


class _Reader:
    """Reads a page once, from beginning to end: no part of a page is searched again, however it is nested."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._link = ""
        self._size = 0
        self.parts: list[str] = []

    def read(self, html: str) -> None:
        """Read a whole page. Text behind a tag or comment without an end is no text, as in a browser."""
        at = 0
        while at < len(html) and self._size < MAX_CHARACTERS:
            begin = html.find("<", at)
            if begin != at:
                begin = begin if begin >= 0 else len(html)
                self._add(unescape(html[at:begin]).replace("\n", " "))
                at = begin
            elif tag := _TAG.match(html, at):
                at = self._tag(html, tag)
            else:
                at = self._no_tag(html, at)

    def _add(self, text: str) -> None:
        self._size += len(text)
        self.parts.append(text)

    def _no_tag(self, html: str, at: int) -> int:
        """Read what begins like a tag and is none. Return where it ends."""
        if html.startswith("<!--", at):
            return _behind(html, "-->", at + 2)
        if html.startswith(("<!", "<?"), at):
            return _behind(html, ">", at)
        if _TAG_BEGIN.match(html, at):
            return len(html)
        self._add("<")
        return at + 1

    def _tag(self, html: str, tag: re.Match[str]) -> int:
        """Read a tag, and what is skipped with it. Return where that ends."""
        name, is_end = tag["name"].lower(), bool(tag["end"])
        if name in _SKIPPED and not is_end:
            return _behind_element(html, name, tag.end())
        if name in _BLOCKS:
            self._add("\n")
        elif name == "a" and is_end:
            self._add(f" ({self._link})" if self._link else "")
            self._link = ""
        elif name == "a":
            self._link = _absolute(self._url, _href(tag["attributes"]))
        return tag.end()


def _behind(html: str, end: str, at: int) -> int:
    found = html.find(end, at)
    return found + len(end) if found >= 0 else len(html)


def _behind_element(html: str, name: str, at: int) -> int:
    """Return where an element ends whose content is skipped. `at` is where its content begins."""
    depth = 1
    for border in _BORDERS[name].finditer(html, at):
        # the text of a script ends at the first end tag, whatever it holds
        depth += -1 if border["end"] else name in _NESTED
        if depth == 0:
            return _behind(html, ">", border.end())
    return len(html)


def _href(attributes: str) -> str:
    for found in _ATTRIBUTE.finditer(attributes):
        if found[1].lower() == "href":
            return unescape(found[2] or found[3] or found[4] or "")
    return ""


def _absolute(url: str, target: str) -> str:
    target = target.strip()
    if not target or target.startswith("#"):
        return ""
    try:
        found = urljoin(url, target)
    except ValueError:
        return ""
    is_usual = found.startswith(("http://", "https://")) and len(found) <= LINK_CHARACTERS
    return found if is_usual else ""


def html_text(html: str, url: str) -> str:
    """Return the readable text of an HTML page. `url` is its address, for links without one."""
    reader = _Reader(url)
    reader.read(html)
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
