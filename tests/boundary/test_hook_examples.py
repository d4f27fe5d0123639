"""The files of docs/examples/hooks do what they say, loaded as docs/hooks.md shows, and the page names them all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from addons.hooks import API_VERSION, End, Event, Turn
from tests.boundary.hook_turns import answers, error_of, events, native, sent_to, types
from tests.boundary.surfaces import Home, Running, running
from tests.readme import Document, code_in
from tests.support.client import Response
from tests.support.waiting import LONGEST

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "hooks"
PAGE = Document("docs/hooks.md")
CODEX = b"originator: codex_exec"
ADDRESSES = ("jo.doe@example.com", "mary+x@sub.example.org")


def load(proxy: Running, *names: str) -> None:
    proxy.master.options.update(codex_shim_hook=[str(FOLDER / name) for name in names])


def message(text: str, role: str = "user") -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


async def ask(proxy: Running, *items: dict[str, Any], **fields: object) -> Response:
    asked = {"model": "gpt-5.5", "stream": True, "input": list(items), **fields}
    return await proxy.post(orjson.dumps(asked), CODEX)


def in_folder(folder: Path) -> dict[str, Any]:
    return message(f"<environment_context>\n  <cwd>{folder}</cwd>\n</environment_context>")


def answer_in_pieces(text: str, arguments: str) -> bytes:
    """Return an answer with a text and a call, each in deltas of one character."""
    said = {**message(text, "assistant"), "id": "m1"}
    call = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "shell", "arguments": arguments}  # fmt: skip
    at = {"item_id": "m1", "output_index": 0, "content_index": 0}
    call_at = {"item_id": "f1", "output_index": 1}
    parts = [{"type": "response.output_text.delta", **at, "delta": one} for one in text]
    call_parts = [
        {"type": "response.function_call_arguments.delta", **call_at, "delta": one}
        for one in arguments
    ]
    return native(
        *parts,
        {"type": "response.output_text.done", **at, "text": text},
        {"type": "response.output_item.done", "output_index": 0, "item": said},
        *call_parts,
        {"type": "response.function_call_arguments.done", **call_at, "arguments": arguments},
        {"type": "response.output_item.done", "output_index": 1, "item": call},
    ).replace(b'"output":[]', b'"output":' + orjson.dumps([said, call]))


async def test_addresses_are_masked_and_put_back_wherever_they_are_split(home: Home) -> None:
    home.log_in()
    first, second = ADDRESSES
    text, arguments = "Ask <email-1> or <email-2>, not <email", '{"to": "<email-2>", "cc": ["<email-1>"]}'  # fmt: skip
    home.backend.scripts[:] = [answers(answer_in_pieces(text, arguments))]
    history = [message(f"write to {first}, {second} and {first}")]
    longer = [*history, message(f"I ask {first}", "assistant"), message("also new@example.com")]
    async with running(home) as proxy, asyncio.timeout(LONGEST):
        load(proxy, "mask_email.py")
        got = await ask(proxy, *history, instructions="Be brief.")
        await ask(proxy, *longer, instructions="Be brief.")
    short, long = [orjson.loads(body)["input"] for body in sent_to(home)]
    assert short[0]["content"][0]["text"] == "write to <email-1>, <email-2> and <email-1>"
    assert long[:1] == short
    assert long[-1]["content"][0]["text"] == "also <email-3>"
    real = f"Ask {first} or {second}, not <email"
    found = events(got.body)
    joined = {
        kind: "".join(e["delta"] for e in found if e["type"] == f"response.{kind}.delta")
        for kind in ("output_text", "function_call_arguments")
    }
    called = {"to": second, "cc": [first]}
    assert joined["output_text"] == real
    assert orjson.loads(joined["function_call_arguments"]) == called
    by_type = {event["type"]: event for event in found}
    assert by_type["response.output_text.done"]["text"] == real
    assert orjson.loads(by_type["response.function_call_arguments.done"]["arguments"]) == called
    said, call = by_type["response.completed"]["response"]["output"]
    assert said["content"][0]["text"] == real
    assert orjson.loads(call["arguments"]) == called
    assert [e["item"] for e in found if e["type"] == "response.output_item.done"] == [said, call]


async def test_other_examples(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.log_in()
    monkeypatch.setenv("HOME", str(home.folder))
    push = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "shell", "arguments": '{"cmd": "git add . && git push -f origin main"}'}  # fmt: skip
    done = {"type": "response.output_item.done", "output_index": 0, "item": push}
    fetch = {**done, "item": {**push, "arguments": '{"cmd": "git fetch; echo push main"}'}}
    home.backend.scripts[:] = [answers(native(fetch))]
    async with running(home) as proxy, asyncio.timeout(LONGEST):
        load(proxy, "refuse_push.py")
        assert types(await ask(proxy))[-1] == "response.completed"
        home.backend.scripts[:] = [answers(native(done))]
        refused = await ask(proxy)
        assert types(refused) == ["response.created", "response.failed"]
        assert "The hook refuse_push.py refused this turn: the model wants to push to main." in error_of(refused)["message"]  # fmt: skip
        assert b"git push" not in refused.body

        load(proxy, "pin_model.py")
        before = len(sent_to(home))
        pinned = await ask(proxy, in_folder(home.folder / "private" / "a"))
        assert types(pinned)[-1] == "response.completed"
        assert len(sent_to(home)) == before
        await ask(proxy, in_folder(home.folder / "work"))
        await ask(proxy, in_folder(home.folder), model="gpt-5.5")
        assert len(sent_to(home)) == before + 2

        load(proxy, "house_rule.py")
        await ask(proxy, instructions="Be brief.")
        await ask(proxy, message("hi"))
        await ask(proxy, message("hi"), message("ho"))
        (with_instructions, short, long) = map(orjson.loads, sent_to(home)[-3:])
        assert with_instructions["instructions"].startswith("Be brief.\n\nHouse rule: ")
        assert short["input"][0]["role"] == "developer"
        assert long["input"][: len(short["input"])] == short["input"]

        load(proxy, "log_turns.py", "refuse_push.py")
        await ask(proxy, in_folder(home.folder))
        home.backend.scripts[:] = [answers(native())]
        await ask(proxy, in_folder(home.folder))
    lines = (home.folder / "codex-turns.jsonl").read_bytes().splitlines()
    refusal, line = map(orjson.loads, lines)
    assert (refusal["outcome"], line["outcome"]) == ("refused", "complete")
    assert line["folder"] == str(home.folder)
    assert line["asked"] == line["model"] == "gpt-5.5"


def test_page_names_the_examples_and_what_hooks_see() -> None:
    files = [name for cells in PAGE.rows("file") for name in code_in(cells[0])]
    assert sorted(files) == sorted(path.name for path in FOLDER.glob("*.py"))
    for heading, kind in (("field of `Turn`", Turn), ("field of `Event`", Event), ("field of `End`", End)):  # fmt: skip
        named = {name for cells in PAGE.rows(heading) for name in code_in(cells[0])}
        own = {name for name in dir(kind) if not name.startswith("_")}
        functions = {
            name for name in own if callable(getattr(kind, name, None)) and name != "state"
        }
        assert named == own - functions - {"block"}, heading
    assert f"API_VERSION = {API_VERSION}" in PAGE.text


async def test_hook_of_the_page_runs(home: Home) -> None:
    home.log_in()
    (block,) = PAGE.blocks("python")
    (home.folder / "codex_shim_hooks.py").write_text(block.text)
    async with running(home) as proxy, asyncio.timeout(LONGEST):
        proxy.master.options.update(codex_shim_hook=[str(home.folder / "codex_shim_hooks.py")])
        await ask(proxy, instructions="Be brief.")
    (sent,) = map(orjson.loads, sent_to(home))
    assert sent["instructions"] == "Be brief.\n\nHouse rule: answer in English."
