"""Gives the comment the width of mitmweb's list: a style sheet of our own in its page.

mitmweb gives the column of the path what is left of the width, and the comment 150 pixels, aligned to the right. No
option changes that. Never does: change another answer of mitmweb. Invariant: without the page that it expects, mitmweb
looks as it comes.
"""

from __future__ import annotations

from collections.abc import MutableMapping

END_OF_HEAD = b"</head>"
STYLE = b"""<style>
.flow-table .col-comment, .flow-table td.col-comment { width: auto; text-align: left; }
.flow-table .col-time { width: 70px; padding-right: 6px; }
.flow-table th.col-time { text-align: right; }
</style>"""


class ListStyle:
    """An output transform of Tornado: mitmweb makes one for each request."""

    def __init__(self, request: object) -> None:
        """Take what Tornado passes."""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: MutableMapping[str, str],
        chunk: bytes,
        finishing: bool,  # noqa: FBT001  Tornado's signature
    ) -> tuple[int, MutableMapping[str, str], bytes]:
        """Return the page with the style sheet, and any other answer as it is."""
        is_page = finishing and headers.get("Content-Type", "").startswith("text/html")
        if is_page and END_OF_HEAD in chunk:
            chunk = chunk.replace(END_OF_HEAD, STYLE + END_OF_HEAD, 1)
            headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:  # noqa: ARG002, FBT001  Tornado's signature
        """Return the next part of an answer as it is."""
        return chunk


def install(master: object) -> None:
    """Style the page of a master that has one. The transform comes before the one that compresses."""
    transforms = getattr(getattr(master, "app", None), "transforms", None)
    if isinstance(transforms, list):
        transforms.insert(0, ListStyle)
