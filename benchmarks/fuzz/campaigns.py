"""What is fuzzed, and what has to hold for each input. A campaign gets a `Random` and tries one input.

Never does: catch what the code under test raises. Invariant: equal seeds try equal inputs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import orjson

from addons.core.codex_block import CannotWireError, unwire, wire
from addons.core.codex_provider import config_of, token_in_file
from addons.core.credential import Origin
from addons.core.errors import Problem
from addons.core.models_file import parse_models
from addons.core.settings import parse_settings
from addons.core.target import Target
from addons.core.translate import chat, messages
from addons.core.translate.conversation import Conversation, Dialects
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.reading import read_request
from addons.core.translate.stream import StreamTranslator
from addons.core.turn import Fault, FaultKind
from addons.core.wire.peek import find_model, peek_model
from addons.core.wire.responses import Watcher
from addons.core.wire.sse import SseReader
from benchmarks.fuzz.mutate import mutated, other_value, reads
from tests.conformance import check
from tests.faults import speech
from tests.faults.oracle import terminals

Campaign = Callable[[Random], None]

CUT = Fault(FaultKind.CUT, "it broke off")
CALL = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"sh","arguments":"{}"}}]},"finish_reason":null}]}\n\n'
TOOL = speech.sse(
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "sh", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_stop", "index": 2},
)  # fmt: skip
STREAMS = {
    "chat": (speech.CHAT.all, speech.CHAT.begin + CALL + speech.CHAT.end, speech.CHAT.error, speech.CHAT.whole),
    "messages": (speech.MESSAGES.all, speech.MESSAGES.begin + TOOL + speech.MESSAGES.end, speech.MESSAGES.error, speech.MESSAGES.whole),
    "responses": (speech.RESPONSES.all, speech.RESPONSES.begin + speech.RESPONSES.error),
}  # fmt: skip
DIALECTS = {"chat": (Dialects.CHAT, chat), "messages": (Dialects.MESSAGES, messages)}
REQUEST: dict[str, object] = {
    "model": "m",
    "instructions": "Be brief.",
    "stream": True,
    "temperature": 0.5,
    "reasoning": {"effort": "high", "summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}},
    "tool_choice": "auto",
    "tools": [
        {"type": "function", "name": "sh", "description": "d", "parameters": {"type": "object", "properties": {}}},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "namespace", "name": "mcp", "tools": [{"type": "function", "name": "one", "parameters": {}}]},
    ],
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "x"}]},
        {"role": "user", "content": "hi"},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "g"},
        {"type": "function_call", "call_id": "c1", "name": "sh", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "ok"}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "*** Begin Patch"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]},
    ],
}  # fmt: skip
SETTINGS: dict[str, object] = {
    "limits": {"stall_seconds": 60, "body_bytes": 1000},
    "aliases": {"mine": "gpt-5.5"},
    "chatgpt": {"credential": "client", "fallback": ["a"]},
    "models": [
        {"model": "m", "provider": "anthropic", "api_key": "k", "base_url": "https://x.example/v1", "extra_headers": {"a": "b"}},
        {"model": "n", "provider": "openai", "api_key_env": "K", "thinking": "high", "price": {"input": 1, "output": 2}},
        {"model": "o", "auth_command": ["echo", "x"], "fallback": "m", "max_context_limit": 9000, "extra_body": {"a": {"b": 1}}},
    ],
}  # fmt: skip
CONFIGS = (
    b'model = "gpt-5.5"\n# mine\n[tui]\nx = 1\n',
    b'"model" = "a"\nmodel_provider = \'x\'\r\n[model_providers.x]\nname = "X"\nbase_url = "http://h"\n',
    b'notify = [\n  \'a\', # ]\n  "b",\n]\n[projects."/a b/#c"]\ntrust_level = "trusted"\n',
    b'instructions = """\n[not.a.table]\n"""\n[model_providers]\ncodex_shim = { name = "old" }\n',
    b"[[hooks]]\na = 1979-05-27T07:32:00Z\n[mcp_servers.x.env]\nK = '''v'''\n",
)


def target(dialect: Dialects) -> Target:
    """An upstream of this dialect."""
    return Target("row", "Row", "fake", "m", dialect, Origin("https", "up.example", 443), "/v1/x")


def sse(rng: Random) -> None:
    """However a stream is cut into reads, the same events come out; nothing raises."""
    corpus = [one for streams in STREAMS.values() for one in streams]
    data = mutated(rng.choice(corpus), corpus, rng)
    whole, parts = SseReader(5000), SseReader(5000)
    at_once = whole.feed(data)
    piecewise = [block for part in reads(data, rng) for block in parts.feed(part)]
    if not (whole.too_large or parts.too_large):
        assert (at_once, whole.finish()) == (piecewise, parts.finish())


def translated(name: str) -> Campaign:
    """Whatever an upstream sends, the client's stream keeps every rule and has one terminal event."""
    dialect, module = DIALECTS[name]
    aim = target(dialect)

    def campaign(rng: Random) -> None:
        data = mutated(rng.choice(STREAMS[name]), STREAMS[name], rng)
        emitter = Emitter("resp_1", 1, "m", {}, rng.choice(list(Client)))
        reader = module.reader(Conversation(()), aim)
        translator = StreamTranslator(reader, emitter, lambda _: None)
        out = [emitter.open(), *(translator.feed(part) for part in reads(data, rng))]
        out.append(translator.fail(CUT) if rng.random() < 0.3 else translator.finish())
        assert translator.terminal
        assert translator.feed(data) + translator.finish() + translator.fail(CUT) == b""
        check(b"".join(out))

    return campaign


def watched(rng: Random) -> None:
    """A native stream passes byte for byte, and has a terminal event at the end, whatever it was."""
    corpus = STREAMS["responses"]
    data = mutated(rng.choice(corpus), corpus, rng)
    watcher = Watcher(100_000)
    parts = reads(data, rng)
    passed = b"".join(watcher.feed(part) for part in parts)
    closing = watcher.fail(CUT) if rng.random() < 0.3 else watcher.finish()
    assert passed == data
    assert watcher.terminal
    assert watcher.finish() == b""
    watcher.report()
    if closing and closing != b"\n\n":
        assert terminals(closing) == 1


def requests(rng: Random) -> None:
    """Whatever a client asks for, it is written in each dialect as one JSON object, or refused in words."""
    payload = REQUEST
    for _ in range(rng.choice((1, 2, 4))):
        changed = other_value(payload, rng)
        payload = changed if isinstance(changed, dict) else payload
    peek = peek_model(json.dumps(payload).encode(), None, 1_000_000)
    if isinstance(peek, Problem):
        assert 400 <= peek.status < 500
        return
    for dialect, module in DIALECTS.values():
        aim = target(dialect)
        conversation = read_request(peek.payload, aim.lineage)
        if isinstance(conversation, Problem):
            assert 400 <= conversation.status < 500
            continue
        body = module.write_request(conversation, aim)
        if not isinstance(body, Problem):
            assert isinstance(orjson.loads(body), dict)


def bodies(rng: Random) -> None:
    """Any bytes name a model, or are refused."""
    corpus = (orjson.dumps(REQUEST), b'{"model":"m"}', orjson.dumps(SETTINGS))
    data = mutated(rng.choice(corpus), corpus, rng)
    encoding = rng.choice((None, None, b"identity", b"zstd", b"gzip", b"br", b"x"))
    found = find_model(data, encoding, 50_000)
    assert isinstance(found, str | Problem)
    peek_model(data, encoding, 50_000)


def settings(rng: Random) -> None:
    """Any models.json gives settings and rows, and quotes no key."""
    value = SETTINGS
    for _ in range(rng.choice((1, 2, 4))):
        changed = other_value(value, rng)
        value = changed if isinstance(changed, dict) else value
    data = json.dumps(value).encode()
    if rng.random() < 0.3:
        data = mutated(data, (data,), rng)
    parse_settings(data, "models.json", {})
    parse_models(data, "models.json")


CONFIG = config_of("gpt-5.5", 8765, "/state/catalog.json", token_in_file("t0ken"))


def config(rng: Random) -> None:
    """Any config.toml is refused in words, or comes back to the byte."""
    text = mutated(rng.choice(CONFIGS), CONFIGS, rng).decode("utf-8", "replace")
    unwire(text)
    try:
        wired = wire(text, CONFIG)
    except CannotWireError:
        return
    taken = unwire(wired)
    before = unwire(text)
    assert taken.text == before.text
    assert wire(wired, CONFIG) == wired


CAMPAIGNS: dict[str, tuple[Campaign, int]] = {
    "sse": (sse, 30),
    "chat": (translated("chat"), 14),
    "messages": (translated("messages"), 14),
    "responses": (watched, 14),
    "requests": (requests, 8),
    "bodies": (bodies, 10),
    "settings": (settings, 5),
    "config.toml": (config, 3),
}
"""Name → campaign and its share of all inputs, in hundredths. The HTTP front has the rest."""
