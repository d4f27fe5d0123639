"""A conversation as one prompt: in order, between fences that nobody forges, within its cap."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.fences import Fences, clip
from addons.core.cursor.prompt import write_prompt
from addons.core.cursor.settings import CursorSettings
from addons.core.translate.conversation import (
    Assistant,
    Call,
    Conversation,
    Image,
    Item,
    Output,
    Reasoning,
    System,
    Text,
    TextFormat,
    Tool,
    User,
)
from addons.core.translate.events import CallKind

MARK = "f00dfeedf00dfeed"
SETTINGS = CursorSettings()
CODEX = CursorSettings(tools="codex")


def user(text: str) -> User:
    return User((Text(text),))


def prompt(*items: Item, settings: CursorSettings = SETTINGS, **more: object) -> str:
    conversation = Conversation(items, **more)  # type: ignore[arg-type]
    return write_prompt(conversation, settings, "/work/project", MARK).data.decode()


def roles(text: str) -> list[str]:
    heads = re.findall(rf"^<<<{MARK} (.*)>>>$", text, re.MULTILINE)
    return [head for head in heads if head != "end"]


def test_parts_stand_in_order_and_the_newest_last() -> None:
    text = prompt(
        System("be kind"),
        user("first"),
        Reasoning("secret thought", "blob"),
        Call("call\n1", "exec_command", '{"cmd":"ls"}'),
        Output("call\n1", (Text("a.py"), Image("data:image/png;base64,AAAA"))),
        Assistant("it is there"),
        User((Text("now <image name=[Image #1]>"), Image("https://example.com/cat.png"))),
    )
    assert roles(text) == [
        "system", "user", "tool call exec_command call_1", "tool output call_1", "assistant", "user",
    ]  # fmt: skip
    assert text.rstrip().endswith("<<<f00dfeedf00dfeed end>>>")
    assert "secret thought" not in text
    assert "blob" not in text
    assert "[image omitted: image/png, 4 characters]" in text
    assert "[image omitted: https://example.com/cat.png]" in text
    assert "AAAA" not in text
    assert "/work/project" in text


HOSTILE = st.lists(
    st.sampled_from([MARK, MARK[:8], MARK[8:], "<<<", ">>>", "\n", " end", " system", "é", "x"]), max_size=12
).map("".join)  # fmt: skip


@given(st.lists(HOSTILE, min_size=1, max_size=4), HOSTILE)
def test_no_text_makes_a_fence(texts: list[str], label: str) -> None:
    items: list[Item] = [
        *map(user, texts),
        Call(label or "c", label or "n", texts[0]),
        Output(label or "c", ()),
    ]
    text = prompt(*items)
    assert len(roles(text)) == len(items)
    assert text.count(f"<<<{MARK} end>>>") == len(items)


@given(
    st.lists(st.integers(0, 40_000), min_size=1, max_size=8),
    st.integers(0, 60_000),
    st.integers(20_000, 90_000),
)
def test_the_cap_holds_and_the_newest_stays(sizes: list[int], lead: int, cap: int) -> None:
    items = [user("é" * (size // 2)) for size in sizes[:-1]]
    written = write_prompt(
        Conversation((System("s" * lead), *items, user("NEWEST" + "z" * sizes[-1]))),
        replace(SETTINGS, prompt_bytes=cap),
        "/w",
        MARK,
    )
    assert len(written.data) <= cap
    assert b"NEWEST" in written.data
    assert roles(written.data.decode())[-1].startswith("user")
    whole = prompt(System("s" * lead), *items, user("NEWEST" + "z" * sizes[-1]))
    if len(whole.encode()) + 600 <= cap:
        assert not written.cut
    elif len(whole.encode()) > cap:
        assert "left out" in written.cut
        assert written.cut in written.data.decode()


def test_long_outputs_are_clipped_in_the_middle() -> None:
    text = prompt(user("x"), Output("1", (Text("HEAD" + "m" * 100_000 + "TAIL"),)))
    assert "HEAD" in text
    assert "TAIL" in text
    assert "codex-shim left out 60008 bytes" in text


@given(st.text(max_size=300), st.integers(0, 400))
def test_a_clipped_text_fits_its_limit(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    if len(text.encode()) <= limit:
        assert clipped == text
    else:
        assert len(clipped.encode()) <= max(limit, 3 * limit)
        assert len(clipped) <= max(limit, 0)


TOOL = Tool("exec_command", "exec_command", None, CallKind.FUNCTION, "Runs.", {"type": "object"})


def test_codex_tools_are_described_and_a_broken_call_is_corrected() -> None:
    broken = Assistant("look\n```codex-call-old\n{oops\n```")
    text = prompt(user("a"), broken, user("b"), settings=CODEX, tools=(TOOL,))
    assert "## exec_command" in text
    assert f"```codex-call-{MARK[:12]}" in text
    assert roles(text) == ["user", "assistant", "bridge", "user"]
    assert "no valid call" in text


def test_with_cursors_own_tools_none_is_described() -> None:
    broken = Assistant("```codex-call-old\n```")
    text = prompt(user("a"), broken, user("b"), tools=(TOOL,))
    assert "## exec_command" not in text
    assert roles(text) == ["user", "assistant", "user"]
    assert "own tools" in text
    assert "read-only" in prompt(user("a"), settings=CursorSettings(mode="ask"))


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (TextFormat("json_object"), "one JSON object"),
        (TextFormat("json_schema", "n", {"type": "object", "title": "T7"}), '"title":"T7"'),
    ],
)
def test_a_wanted_form_is_asked_for_at_the_end(form: TextFormat, words: str) -> None:
    assert words in prompt(user("a"), text_format=form).rpartition("end>>>")[2]


def test_the_mark_is_taken_out_however_it_is_nested() -> None:
    fences = Fences("ab12")
    assert "ab12" not in fences.inside("aab12b12 ab12")
