"""Write a model request to a page, item by item, for the Responses, chat completions and messages protocols.

Never does: change the request. Invariant: total; a body that is not a model request is shown as JSON or text.
"""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.json_values import JsonObject, as_object, as_str
from addons.views.items import FOLDED_ROLES, block_of, content_text, part_label
from addons.views.json_input import arguments_of, decoded, json_of
from addons.views.page import Block, Page, compact
from addons.views.tools import write_tools

RECENT_ITEMS = 20
"""Items at the end with the higher limit."""
RECENT_CHARACTERS, OLDER_CHARACTERS = 20_000, 1_500
HAVE_SECTIONS = frozenset(
    {"input", "messages", "instructions", "system", "tools", "client_metadata"}
)
"""Members that are not listed among the options."""


def write_request(page: Page, body: bytes) -> None:
    """Write a request to the page."""
    request = json_of(body)
    if not isinstance(request, dict):
        _write_other(page, body, request)
        return
    write_options(page, request)
    for block in instructions_of(request):
        page.block(block)
    write_items(page, items_of(request))
    write_tools(page, request.get("tools"))


def write_digest(page: Page, body: bytes, shown: int = 3) -> None:
    """Write the short form to the page: the options, the size, and the last `shown` items."""
    request = json_of(body)
    if not isinstance(request, dict):
        _write_other(page, body, request)
        return
    write_options(page, request)
    items = items_of(request)
    tools = request.get("tools")
    count = len(tools) if isinstance(tools, list) else 0
    page.line(f"{len(items):,} items, {count:,} tools, {len(body):,} bytes")
    if len(items) > shown:
        page.line(f"… {len(items) - shown:,} earlier items")
    for block in items[-shown:]:
        page.block(block, OLDER_CHARACTERS)


def write_options(page: Page, request: JsonObject) -> None:
    """Write the model and the members other than the conversation, one a line."""
    page.line(f"model: {as_str(request.get('model')) or 'not named'}")
    for key, value in request.items():
        if key not in HAVE_SECTIONS and key != "model":
            page.line(f"{key}: {compact(value)}")


def instructions_of(request: JsonObject) -> Iterator[Block]:
    """Yield the instructions as folded blocks."""
    for key in ("instructions", "system"):
        if text := content_text(request.get(key)):
            yield Block(f"{key.upper()} ({len(text):,} characters)", text, folded=True)


def items_of(request: JsonObject) -> list[Block]:
    """Return the items of the conversation, oldest first."""
    items = request.get("input")
    if isinstance(items, str):
        return [Block("USER", items)]
    if isinstance(items, list):
        return [block_of(item) for item in items]
    messages = request.get("messages")
    return (
        [block for message in messages for block in _message(message)]
        if isinstance(messages, list)
        else []
    )


def write_items(page: Page, items: list[Block]) -> None:
    """Write the items to the page. Older ones are clipped earlier."""
    for number, block in enumerate(items, 1):
        is_recent = number > len(items) - RECENT_ITEMS
        page.block(block, RECENT_CHARACTERS if is_recent else OLDER_CHARACTERS)


def _message(message: object) -> Iterator[Block]:
    """Yield the blocks of a message of chat completions or of the messages protocol."""
    fields = as_object(message)
    role = as_str(fields.get("role"))
    if role == "tool":
        yield Block(
            f"RESULT · {as_str(fields.get('tool_call_id'))}", content_text(fields.get("content"))
        )
        return
    for key in ("reasoning_content", "reasoning"):
        if isinstance(reasoning := fields.get(key), str) and reasoning:
            yield Block("REASONING", reasoning)
    content = fields.get("content")
    title, folded = role.upper() or "MESSAGE", role in FOLDED_ROLES
    if isinstance(content, list):
        yield from _content_blocks(content, title, folded=folded)
    elif text := content_text(content):
        yield Block(title, text, folded=folded)
    calls = fields.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = as_object(as_object(call).get("function"))
        text = as_str(function.get("arguments"))
        title = f"CALL {as_str(function.get('name'))} · {as_str(as_object(call).get('id'))}"
        yield Block(title, text, arguments_of(text))


def _content_blocks(content: list[object], title: str, *, folded: bool) -> Iterator[Block]:
    for part in content:
        fields = as_object(part)
        kind = fields.get("type")
        if kind == "tool_use":
            call = f"CALL {as_str(fields.get('name'))} · {as_str(fields.get('id'))}"
            yield Block(call, value=fields.get("input"))
        elif kind == "tool_result":
            failed = " · error" if fields.get("is_error") else ""
            result = f"RESULT · {as_str(fields.get('tool_use_id'))}{failed}"
            yield Block(result, content_text(fields.get("content")))
        elif kind in {"thinking", "redacted_thinking"}:
            yield Block("REASONING", as_str(fields.get("thinking")) or part_label(fields))
        else:
            cached = f"{title} (cache mark)" if fields.get("cache_control") else title
            yield Block(cached, content_text([part]), folded=folded)


def _write_other(page: Page, body: bytes, value: object) -> None:
    """Write a body that is not a JSON object: text, or another JSON value."""
    if value is None:
        page.block(
            Block(f"TEXT ({len(body):,} bytes)", decoded(body[: 4 * RECENT_CHARACTERS])),
            RECENT_CHARACTERS,
        )
    else:
        page.outline(value)
