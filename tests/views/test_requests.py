"""Model requests of every protocol as pages."""

from __future__ import annotations

import orjson
import pytest

from addons.views.page import Page
from addons.views.requests import write_digest, write_request
from tests.fakes.model_upstream import Json
from tests.views.samples import CHAT_REQUEST, MESSAGES_REQUEST, RESPONSES_REQUEST


def page_of(request: Json | bytes) -> str:
    page = Page()
    write_request(page, request if isinstance(request, bytes) else orjson.dumps(request))
    return page.text()


def digest_of(request: Json) -> str:
    page = Page()
    write_digest(page, orjson.dumps(request))
    return page.text()


def test_responses_request_is_shown_item_by_item() -> None:
    text = page_of(RESPONSES_REQUEST)

    assert text.startswith('model: fast\nstream: true\nreasoning: {"effort":"medium"}\n')
    for block in (
        "DEVELOPER\n  Be brief.",
        "USER\n  Fix the\n  bug\n  [input_image: image/png 26 characters]",
        "REASONING\n  Think.\n  [encrypted: 40 characters]",
        "CALL mcp__srv.add_one · call_1\n  n: 41",
        "RESULT · call_1\n  42",
        "CALL apply_patch · call_2\n  *** Begin Patch\n  +x",
        "RESULT · call_2\n  Done",
        "SOMETHING_NEW\n  weight: 3",
    ):
        assert f"\n\n{block}\n" in text


def test_instructions_are_folded() -> None:
    text = page_of(RESPONSES_REQUEST)

    assert "INSTRUCTIONS (4,807 characters)" in text
    assert "4,207 characters omitted" in text
    assert "THE END" in text


def test_tools_are_a_table() -> None:
    text = page_of(RESPONSES_REQUEST)

    assert text.split("TOOLS (4)\n")[1].splitlines() == [
        "  exec_command      function    cmd*, tty  Runs a command.",
        "  apply_patch       custom      (grammar)",
        "  mcp__srv.add_one  function",
        "  web_search        web_search",
    ]


@pytest.mark.parametrize("request_", [CHAT_REQUEST, MESSAGES_REQUEST], ids=["chat", "messages"])
def test_upstream_protocols_are_shown_alike(request_: Json) -> None:
    text = page_of(request_)

    assert "You are a coding agent." in text
    assert "USER\n  Fix the bug" in text
    assert "REASONING\n  First a list." in text
    assert "\n  n: 41" in text
    assert "  42" in text
    assert "TOOLS (1)\n  add_one" in text


def test_chat_call_and_result_have_the_same_id() -> None:
    text = page_of(CHAT_REQUEST)

    assert "CALL add_one · call_1\n  n: 41\n\nRESULT · call_1\n  42" in text


def test_messages_show_errors_images_and_cache_marks() -> None:
    text = page_of(MESSAGES_REQUEST)

    assert "CALL add_one · toolu_1\n  n: 41" in text
    assert "RESULT · toolu_1 · error\n  42" in text
    assert "USER\n  [image: image/png 4 characters]" in text
    assert "USER (cache mark)\n  Go on" in text


def test_digest_shows_the_newest_items_and_counts_the_rest() -> None:
    text = digest_of(RESPONSES_REQUEST)

    assert "8 items, 4 tools" in text
    assert "… 5 earlier items" in text
    assert "RESULT · call_2\n  Done" in text
    assert "Be brief." not in text


def test_newest_items_of_a_long_history_are_not_clipped() -> None:
    items = [{"role": "user", "content": f"<{n}>" + "x" * 4000 + f"</{n}>"} for n in range(60)]

    text = page_of({"model": "m", "input": items})

    assert text.count("characters omitted") == 40
    assert "<59>" + "x" * 4000 + "</59>" in text


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"plain prompt\nof cursor", "TEXT (22 bytes)\n  plain prompt\n  of cursor"),
        (b'["a"]', "- a"),
        (b'{"model": 5, "input": {"a": 1}}', "model: not named"),
        (b'{"input": "hello"}', "USER\n  hello"),
        (b'{"input": [7, null, {"type": ["x"]}]}', "ITEM"),
        (b'{"messages": [1, {"role": 2, "tool_calls": [3]}]}', "CALL "),
        (b"", "TEXT (0 bytes)"),
        (b"\xff\xfe", "TEXT (2 bytes)"),
    ],
)
def test_body_that_is_no_model_request_is_shown_unchanged(body: bytes, shown: str) -> None:
    assert shown in page_of(body)
