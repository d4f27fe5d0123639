"""A model request as a page: what is asked of the model, turn by turn; Responses, chat completions and messages.

Never does: change a byte of it. Invariant: total; what is no model request is shown as the text or JSON that it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.values import obj, string
from addons.views.items import FOLDED_ROLES, block_of, content_text, other_part
from addons.views.page import Block, Page, compact
from addons.views.reading import Json, arguments_of, decoded, json_of
from addons.views.tools import write_tools

NEWEST = 20
"""Turns at the end that are shown at length; older ones are clipped."""
NEWEST_CHARACTERS, OLDER_CHARACTERS = 20_000, 1_500
APART = frozenset({"input", "messages", "instructions", "system", "tools", "client_metadata"})
"""Members that have a section of their own, or none."""


def write_request(page: Page, body: bytes) -> None:
    """Put a request on the page."""
    request = json_of(body)
    if not isinstance(request, dict):
        _write_other(page, body, request)
        return
    write_knobs(page, request)
    for block in opening(request):
        page.block(block)
    write_turns(page, turns_of(request))
    write_tools(page, request.get("tools"))


def write_digest(page: Page, body: bytes, shown: int = 3) -> None:
    """Put the short form on the page: the knobs, how much there is, and the newest turns."""
    request = json_of(body)
    if not isinstance(request, dict):
        _write_other(page, body, request)
        return
    write_knobs(page, request)
    turns = turns_of(request)
    tools = request.get("tools")
    count = len(tools) if isinstance(tools, list) else 0
    page.line(f"{len(turns):,} turns, {count:,} tools, {len(body):,} bytes")
    if len(turns) > shown:
        page.line(f"… {len(turns) - shown:,} earlier turns")
    for block in turns[-shown:]:
        page.block(block, OLDER_CHARACTERS)


def write_knobs(page: Page, request: Json) -> None:
    """Everything beside the conversation itself, one member a line."""
    page.line(f"model: {string(request.get('model')) or 'none named'}")
    for key, value in request.items():
        if key not in APART and key != "model":
            page.line(f"{key}: {compact(value)}")


def opening(request: Json) -> Iterator[Block]:
    """The instructions, folded."""
    for key in ("instructions", "system"):
        if text := content_text(request.get(key)):
            yield Block(f"{key.upper()} ({len(text):,} characters)", text, folded=True)


def turns_of(request: Json) -> list[Block]:
    """The conversation, oldest first."""
    said = request.get("input")
    if isinstance(said, str):
        return [Block("USER", said)]
    if isinstance(said, list):
        return [block_of(item) for item in said]
    messages = request.get("messages")
    return (
        [block for message in messages for block in _message(message)]
        if isinstance(messages, list)
        else []
    )


def write_turns(page: Page, turns: list[Block]) -> None:
    """Put the turns on the page; the newest at length."""
    for number, block in enumerate(turns, 1):
        is_new = number > len(turns) - NEWEST
        page.block(block, NEWEST_CHARACTERS if is_new else OLDER_CHARACTERS)


def _message(message: object) -> Iterator[Block]:
    """A message of chat completions or of the messages API."""
    fields = obj(message)
    role = string(fields.get("role"))
    if role == "tool":
        yield Block(
            f"RESULT · {string(fields.get('tool_call_id'))}", content_text(fields.get("content"))
        )
        return
    for key in ("reasoning_content", "reasoning"):
        if isinstance(thought := fields.get(key), str) and thought:
            yield Block("REASONING", thought)
    content = fields.get("content")
    title, folded = role.upper() or "MESSAGE", role in FOLDED_ROLES
    if isinstance(content, list):
        yield from _content_blocks(content, title, folded=folded)
    elif text := content_text(content):
        yield Block(title, text, folded=folded)
    calls = fields.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = obj(obj(call).get("function"))
        text = string(function.get("arguments"))
        title = f"CALL {string(function.get('name'))} · {string(obj(call).get('id'))}"
        yield Block(title, text, arguments_of(text))


def _content_blocks(content: list[object], title: str, *, folded: bool) -> Iterator[Block]:
    for part in content:
        fields = obj(part)
        kind = fields.get("type")
        if kind == "tool_use":
            called = f"CALL {string(fields.get('name'))} · {string(fields.get('id'))}"
            yield Block(called, value=fields.get("input"))
        elif kind == "tool_result":
            failed = " · error" if fields.get("is_error") else ""
            answered = f"RESULT · {string(fields.get('tool_use_id'))}{failed}"
            yield Block(answered, content_text(fields.get("content")))
        elif kind in {"thinking", "redacted_thinking"}:
            yield Block("REASONING", string(fields.get("thinking")) or other_part(fields))
        else:
            marked = f"{title} (cache mark)" if fields.get("cache_control") else title
            yield Block(marked, content_text([part]), folded=folded)


def _write_other(page: Page, body: bytes, value: object) -> None:
    """A prompt in plain text, or JSON of another kind."""
    if value is None:
        page.block(
            Block(f"TEXT ({len(body):,} bytes)", decoded(body[: 4 * NEWEST_CHARACTERS])),
            NEWEST_CHARACTERS,
        )
    else:
        page.outline(value)
