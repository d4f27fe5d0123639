"""The example of docs/add-a-provider.md works as written, and its translator keeps the rules of the page."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.events import (
    CallKind,
    Event,
    Failed,
    Stopped,
    ToolCallDelta,
    ToolCallStart,
)
from addons.core.protocols.responses.request import read_request
from addons.core.secrets import Origin
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from docs.examples.ollama_native.translator import reader, write_request
from tests.conformance import check, parse
from tests.e2e.shim import Shim
from tests.fakes.http_messages import Answer, Send
from tests.fakes.http_server import HttpServer
from tests.histories import CUSTOM, FUNCTION, NAMESPACE, Item, extensions, request_of, requests
from tests.shim_cli.run import environment
from tests.support.codex_client import Posted, request

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/add-a-provider.md").read_text()
EXAMPLE = (ROOT / "docs/examples/ollama_native/translator.py").read_text()
RUN = "from shim_cli.app import main; main()"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_python_blocks_are_in_the_example() -> None:
    _entry, *shown = blocks("python")
    assert len(shown) == 2
    assert [block for block in shown if block not in EXAMPLE] == []


def test_named_files_exist() -> None:
    named = set(re.findall(r"`((?:addons|tests)/[\w/.]+)`|\]\(([\w/.]+)\)", PAGE))
    paths = [ROOT / inside if inside else ROOT / "docs" / link for inside, link in named]
    assert len(paths) > 6
    assert [path for path in paths if not path.exists()] == []


# --- the documented steps, in a copy of the package ------------------------------------------------------


def lines(*objects: object) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in objects)


def chunk(content: str = "", **fields: object) -> dict[str, object]:
    return {"message": {"role": "assistant", "content": content, **fields}, "done": False}


def call_chunk(name: str) -> dict[str, object]:
    return chunk(tool_calls=[{"function": {"name": name, "arguments": {"cmd": "ls"}}}])


DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
STREAMS = [
    lines(chunk("hel"), chunk("lo"), DONE),
    lines(chunk(thinking="hm"), chunk("a"), call_chunk("mcp__srv__add_one"), DONE),
    lines(chunk("a"), {**DONE, "done_reason": "length"}),
    lines(chunk("a"), {"error": "out of memory"}),
    lines(chunk("a")),
    b"<html>",
]
STREAM_NAMES = ["text", "call", "length", "error", "cut", "html"]
HEADERS = ((b"content-type", b"application/x-ndjson"),)


@dataclass
class Checkout:
    """A copy of the package to which the documented protocol was added, and its user's environment."""

    folder: Path
    env: Mapping[str, str]

    def run(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python code in the copy."""
        return subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments],
            env=dict(self.env),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )


def write_entry(path: Path, entry: str) -> None:
    """Insert the registry entry after the last one."""
    source = path.read_text()
    end = "\n\n    def __new__"
    assert source.count(end) == 1
    path.write_text(source.replace(end, f"\n{entry.rstrip()}{end}"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder, home = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("home")
    for name in ("addons", "shim_cli", "docs/examples"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    [copy, _check] = blocks("sh")
    subprocess.run(shlex.split(copy), cwd=folder, check=True, timeout=10)
    write_entry(folder / "addons/core/upstream/protocol.py", blocks("python")[0])
    return Checkout(folder, environment(home, {"PYTHONPATH": str(folder)}))


class FakeOllama(HttpServer):
    """Answers every request with the same bytes."""

    def __init__(self) -> None:
        super().__init__(lambda _: Answer((Send(self.body),), headers=HEADERS))
        self.body = b""


@pytest.fixture(scope="module")
def ollama(checkout: Checkout) -> Iterator[FakeOllama]:
    """A fake Ollama on loopback; the documented row points to it."""
    with FakeOllama() as server:
        settings = Path(checkout.env["HOME"]) / ".codex-shim" / "models.json"
        settings.parent.mkdir()
        [row] = blocks("json")
        settings.write_text(row.replace("127.0.0.1:11434", f"127.0.0.1:{server.port}"))
        yield server


@pytest.fixture(scope="module")
def shim(
    checkout: Checkout, ollama: FakeOllama, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shim]:
    """The copy, serving."""
    assert ollama.port
    running = Shim(checkout.env, tmp_path_factory.mktemp("shim") / "log")
    running._command = [sys.executable, "-P", "-c", RUN, "serve", "--port", str(running.port)]
    with running:
        yield running


def test_list_and_doctor_show_the_new_protocol(checkout: Checkout, ollama: FakeOllama) -> None:
    _copy, check_commands = blocks("sh")
    shown = ""
    for command in check_commands.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "codex-shim"
        shown += checkout.run(RUN, *arguments).stdout
    assert "local-qwen" in shown
    assert f"ollama-native at http://127.0.0.1:{ollama.port}" in shown


@pytest.mark.parametrize("stream", STREAMS, ids=STREAM_NAMES)
def test_turn_goes_through_the_new_protocol(shim: Shim, ollama: FakeOllama, stream: bytes) -> None:
    ollama.body = stream
    turn = Posted(shim.port, request("local-qwen", tools=[NAMESPACE]))
    turn.join(30)
    assert (turn.status, turn.broke) == (200, False)
    last = parse(turn.answer)[-1]
    assert last == check(turn.answer)
    assert (last["type"] == "response.completed") == (b'"done":true' in stream)
    sent = ollama.requests[-1]
    assert sent.path == "/api/chat"
    assert json.loads(sent.body)["model"] == "qwen3"
    if b"add_one" in stream:
        [call] = [item for item in last["response"]["output"] if item["type"] == "function_call"]
        assert (call["namespace"], call["name"]) == ("mcp__srv", "add_one")
        assert last["response"]["usage"]["total_tokens"] == 10


def test_route_table_offers_the_new_model_only(shim: Shim) -> None:
    assert shim.slugs() == ["local-qwen"]


def test_views_show_an_answer_of_the_new_protocol(checkout: Checkout) -> None:
    code = """
        import sys
        from addons.views.answers import write_answer
        from addons.views.page import Page
        for body in sys.argv[1:]:
            page = Page()
            write_answer(page, body.encode())
            print("=====", page.text())
    """
    whole = lines(chunk(thinking="Hm."), chunk("Hello."), call_chunk("exec_command"), DONE)
    broken = lines(chunk("Hel"), {"error": "out of memory"})
    bodies = [whole.decode(), broken.decode(), "no answer"]
    done = checkout.run(textwrap.dedent(code), *bodies)
    assert done.returncode == 0, done.stderr
    shown, failed, other = done.stdout.split("=====")[1:]
    assert "Hello." in shown
    assert "CALL exec_command" in shown
    assert "usage: in 7 · out 3" in shown
    assert "Hel" in failed
    assert "out of memory" in failed
    assert "TEXT (9 bytes)" in other


# --- the rules of a translator ---------------------------------------------------------------------------


def target(port: int = 11434) -> Target:
    origin = Origin("http", "127.0.0.1", port)
    return Target("qwen", "Qwen", "ollama-native", "qwen3", Protocol.CHAT, origin, "/api/chat")


def conversation(payload: dict[str, object]) -> Conversation:
    found = read_request(payload, target().reasoning_scope)
    assert isinstance(found, Conversation)
    return found


def read(*reads: bytes) -> list[Event]:
    tools = conversation({"input": "hi", "tools": [FUNCTION, NAMESPACE]})
    reading = reader(tools, target())
    return [*(event for data in reads for event in reading.feed(data)), *reading.finish()]


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 400), max_size=6))
def test_any_split_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert read(*(stream[a:b] for a, b in pairwise(edges))) == read(stream)


@given(st.sampled_from(STREAMS), st.integers(0, 400))
def test_cut_answer_fails(stream: bytes, at: int) -> None:
    *_, last = read(stream[:at])
    assert isinstance(last, Stopped) == (b'"done":true' in stream and at >= len(stream) - 1)
    assert isinstance(last, Stopped | Failed)


@given(st.lists(st.binary(max_size=30) | st.sampled_from(STREAMS), max_size=4))
@example([b"1"])
def test_any_bytes_end_exactly_once(reads: list[bytes]) -> None:
    ends = [event for event in read(*reads) if isinstance(event, Stopped | Failed)]
    assert len(ends) == 1


@given(requests())
def test_every_request_is_written(payload: dict[str, object]) -> None:
    body = write_request(conversation(payload), target())
    assert isinstance(body, bytes)
    assert all(message["role"] for message in orjson.loads(body)["messages"])


@given(extensions())
def test_history_is_a_prefix_of_its_extension(pair: tuple[list[Item], list[Item]]) -> None:
    bodies = [write_request(conversation(request_of(items)), target()) for items in pair]
    short, long = (orjson.loads(body)["messages"] for body in bodies if isinstance(body, bytes))
    assert long[: len(short)] == short


def test_patch_is_passed_as_text_in_both_directions() -> None:
    patch = "*** Begin Patch\n*** End Patch"
    call: Item = {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": patch}
    history = conversation({"input": [{"role": "user", "content": "hi"}, call], "tools": [CUSTOM]})
    body = write_request(history, target())
    assert isinstance(body, bytes)
    [sent] = orjson.loads(body)["messages"][1]["tool_calls"]
    assert sent["function"]["arguments"] == {"input": patch}
    start, text, *_ = reader(history, target()).feed(lines(chunk(tool_calls=[sent]), DONE))
    assert start == ToolCallStart(0, "call_2_0", "apply_patch", None, CallKind.CUSTOM)
    assert text == ToolCallDelta(0, patch)
