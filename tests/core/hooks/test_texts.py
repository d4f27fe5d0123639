"""Which strings of items and events are texts."""

from __future__ import annotations

from typing import Any

from addons.core.hooks.texts import map_arguments, map_texts

ITEMS: list[Any] = [
    {"type": "message", "id": "x", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
    {"type": "message", "role": "user", "content": "x"},
    {"type": "function_call", "name": "x", "call_id": "x", "arguments": '{"cmd": "x", "list": ["x", 1]}'},
    {"type": "function_call_output", "call_id": "x", "output": [{"type": "input_text", "text": "x"}]},
    {"type": "custom_tool_call", "name": "x", "input": "x"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}], "encrypted_content": "x"},
    {"type": "local_shell_call", "action": {"type": "exec", "command": ["x", "x"]}},
    {"type": "unknown", "somewhere": {"deep": "x"}},
    {"type": "message", "content": [{"type": "input_image", "image_url": "x", "detail": "x"}]},
]  # fmt: skip


def found(value: object) -> str:
    """Return a changed value, in short form."""
    return repr(map_texts(value, lambda text: text.replace("x", "TEXT")))


def test_texts_are_changed_and_names_are_not() -> None:
    texts = [found(item).count("TEXT") for item in ITEMS]
    assert texts == [1, 1, 2, 1, 1, 1, 2, 1, 0]
    for item, name in ((ITEMS[0], "id"), (ITEMS[2], "call_id"), (ITEMS[4], "name"), (ITEMS[5], "encrypted_content")):  # fmt: skip
        assert f"'{name}': 'x'" in found(item)


def test_unchanged_values_are_the_same_objects() -> None:
    assert map_texts(ITEMS, lambda text: text) is ITEMS
    changed: Any = map_texts(ITEMS, lambda text: text.replace("TEXT", "y"))
    assert changed is ITEMS


def test_each_item_is_changed_alone() -> None:
    changed: Any = map_texts(ITEMS, str.upper)
    assert [map_texts(item, str.upper) for item in ITEMS] == changed


def test_strings_inside_of_arguments_are_texts_in_their_own_escapes() -> None:
    swap = {"a@b.c": 'say "hi"\n'}.get
    changed = map_arguments('{"to": "a@b.c", "n": 1.50, "a@b.c": "k"}', lambda text: swap(text) or text)  # fmt: skip
    assert changed == '{"to":"say \\"hi\\"\\n","n":1.5,"a@b.c":"k"}'
    assert map_arguments('{"to": "\\u0061@b.c"}', lambda text: swap(text) or text).startswith('{"to":"say')  # fmt: skip
    unchanged = '{ "n": 1.50 }'
    assert map_arguments(unchanged, lambda text: text) is unchanged
    assert map_arguments("no JSON a", str.upper) == "NO JSON A"


def test_arguments_keep_integers_of_any_size_and_texts_that_are_no_json() -> None:
    assert map_arguments('{"n":12345678901234567890123,"t":"a"}', str.upper) == (
        '{"n":12345678901234567890123,"t":"A"}'
    )
    assert map_arguments("a\ud800", str.upper) == "A\ud800"
