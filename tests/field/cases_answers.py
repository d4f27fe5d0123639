"""Section 3 of the field cases: answers whose form is easily misread."""

from __future__ import annotations

from typing import Any

from tests.boundary.row_turns import START, block, chunk, delta, sse
from tests.field.rig import DONE, Case, Hangs, chat_call, chat_stream, chat_text

ROW = {"model": "m"}
EMPTY, CUT = "empty_answer", "stream_interrupted"
COUNTED = {
    "prompt_tokens": 368,
    "completion_tokens": 19,
    "total_tokens": 10923,
    "cache_read_input_tokens": 10536,
}


def answers(case: str, answer: Any, **expected: Any) -> Case:
    return Case(case, ROW, answers=(answer,), **expected)


THOUGHT = ["<thi", "nk>let me", " see</th", "ink>\n\n", "done"]
BROKEN = {
    "line-break": ('{"command":"a\nb\tc"}', {"command": "a\nb\tc"}),
    "comma": ('{"command":"ls",}', {"command": "ls"}),
    "fence": ('```json\n{"command":"ls"}\n```', {"command": "ls"}),
    "twice": ('{"command":"ls"}{"command":"ls"}', {"command": "ls"}),
    "single": ("{'command':'ls'}", {"command": "ls"}),
}
UNREPAIRED = '{"command": ls -la "x}'

CASES = [
    answers("c29", chat_text(*THOUGHT), text="done", reasoning="let me see"),
    answers("c29-letters", chat_text(*"<think>hm</think>ok"), text="ok", reasoning="hm"),
    answers("c29-later", chat_text("Use the <think> tag."), text="Use the <think> tag.", reasoning=""),
    answers("c31", chat_stream({"role": "assistant", "content": ""}), code=EMPTY),
    answers("c31-space", chat_text(" \n"), code=EMPTY),
    answers("c31-reasoning", chat_stream({"reasoning_content": "hm", "tool_calls": []}), code=EMPTY),
    answers("c31-call-inside", chat_stream({"reasoning_content": '<tool_call>{"name":"shell","arguments":{"command":"ls"}}</tool_call>'}), code=EMPTY),
    *(answers(f"c32-{name}", chat_call(sent), calls=(("shell", expected),)) for name, (sent, expected) in BROKEN.items()),
    answers("c32-python", chat_call('{"command": "ls", "deep": True, "none": None}'), calls=(("shell", {"command": "ls", "deep": True, "none": None}),)),
    answers("c32-hopeless", chat_call(UNREPAIRED), calls=(("shell", UNREPAIRED),)),
    answers("c32-cut", chat_call('{"command":"rm -rf bui', finish=None, done=False), code=CUT),
    answers("c33", chat_call('"{\\"command\\":\\"ls\\"}"'), calls=(("shell", {"command": "ls"}),)),
    answers("c34", Hangs(sse(chunk({"content": "ok"}), chunk(finish="stop"))), text="ok"),
    answers("c35", Hangs(sse(chunk({"content": "ok"}), chunk(finish="stop")) + DONE + sse({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})),
            text="ok", usage={"input": 7, "output": 3}),
    answers("c36", chat_text("ok", usage=COUNTED), usage={"input": 10904, "output": 19, "cached": 10536}),
    Case("messages-no-stop", {"model": "claude-sonnet-5", "provider": "anthropic"},
         answers=(sse(START, block(0, "text", text=""), delta(0, "text_delta", text="half"), {"type": "content_block_stop", "index": 0}, {"type": "message_stop"}),), code=CUT),
]  # fmt: skip
