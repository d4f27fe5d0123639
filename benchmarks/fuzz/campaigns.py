"""The fuzz campaigns and the properties of every input. A campaign gets a `Random` and tries one input.

Never does: catch exceptions of the code under test. Invariant: equal seeds try equal inputs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import orjson

from addons.core.codex.config_block import ConfigBlockError, install, remove
from addons.core.codex.provider_config import config_for, token_in_file
from addons.core.errors import Problem
from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.chat import request as chat
from addons.core.protocols.messages import request as messages
from addons.core.protocols.request_body import find_model, parse_body
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.protocols.responses.request import read_request
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.protocols.responses.stream_translator import StreamTranslator
from addons.core.protocols.sse import SseReader
from addons.core.secrets import Origin
from addons.core.settings.models_file import parse_models
from addons.core.settings.root import parse_settings
from addons.core.turn import Fault, FaultKind
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from benchmarks.fuzz.mutate import mutated, mutated_value, split_into_reads
from tests.conformance import check
from tests.faults import healthy
from tests.faults.oracle import terminals

Campaign = Callable[[Random], None]

CUT = Fault(FaultKind.CUT, "the connection was cut")
CALL = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"sh","arguments":"{}"}}]},"finish_reason":null}]}\n\n'
TOOL = healthy.sse(
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "sh", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_stop", "index": 2},
)  # fmt: skip
STREAMS = {
    "chat": (healthy.CHAT.all, healthy.CHAT.begin + CALL + healthy.CHAT.end, healthy.CHAT.error, healthy.CHAT.whole),
    "messages": (healthy.MESSAGES.all, healthy.MESSAGES.begin + TOOL + healthy.MESSAGES.end, healthy.MESSAGES.error, healthy.MESSAGES.whole),
    "responses": (healthy.RESPONSES.all, healthy.RESPONSES.begin + healthy.RESPONSES.error),
}  # fmt: skip
PROTOCOLS = {"chat": (Protocol.CHAT, chat), "messages": (Protocol.MESSAGES, messages)}
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


def target(protocol: Protocol) -> Target:
    """Return an upstream of this protocol."""
    return Target("row", "Row", "fake", "m", protocol, Origin("https", "up.example", 443), "/v1/x")


def sse(rng: Random) -> None:
    """Any division of a stream into reads gives the same events, and nothing raises."""
    corpus = [one for streams in STREAMS.values() for one in streams]
    data = mutated(rng.choice(corpus), corpus, rng)
    whole, parts = SseReader(5000), SseReader(5000)
    at_once = whole.feed(data)
    piecewise = [block for part in split_into_reads(data, rng) for block in parts.feed(part)]
    if not (whole.too_large or parts.too_large):
        assert (at_once, whole.finish()) == (piecewise, parts.finish())


def translated(name: str) -> Campaign:
    """For any upstream stream, the client's stream is valid and has one terminal event."""
    protocol, module = PROTOCOLS[name]
    aim = target(protocol)

    def campaign(rng: Random) -> None:
        data = mutated(rng.choice(STREAMS[name]), STREAMS[name], rng)
        emitter = Emitter("resp_1", 1, "m", {}, rng.choice(list(Client)))
        reader = module.reader(Conversation(()), aim)
        translator = StreamTranslator(reader, emitter, lambda _: None)
        out = [emitter.open(), *(translator.feed(part) for part in split_into_reads(data, rng))]
        out.append(translator.fail(CUT) if rng.random() < 0.3 else translator.finish())
        assert translator.terminal
        assert translator.feed(data) + translator.finish() + translator.fail(CUT) == b""
        check(b"".join(out))

    return campaign


def watched(rng: Random) -> None:
    """A native stream is passed unchanged and always ends with a terminal event."""
    corpus = STREAMS["responses"]
    data = mutated(rng.choice(corpus), corpus, rng)
    watcher = StreamObserver(100_000)
    parts = split_into_reads(data, rng)
    passed = b"".join(watcher.feed(part) for part in parts)
    closing = watcher.fail(CUT) if rng.random() < 0.3 else watcher.finish()
    assert passed == data
    assert watcher.terminal
    assert watcher.finish() == b""
    watcher.summarize()
    if closing and closing != b"\n\n":
        assert terminals(closing) == 1


def requests(rng: Random) -> None:
    """Any client request is written in each protocol as one JSON object, or rejected with a message."""
    payload = REQUEST
    for _ in range(rng.choice((1, 2, 4))):
        changed = mutated_value(payload, rng)
        payload = changed if isinstance(changed, dict) else payload
    parsed = parse_body(json.dumps(payload).encode(), None, 1_000_000)
    if isinstance(parsed, Problem):
        assert 400 <= parsed.status < 500
        return
    for protocol, module in PROTOCOLS.values():
        aim = target(protocol)
        conversation = read_request(parsed.payload, aim.reasoning_scope)
        if isinstance(conversation, Problem):
            assert 400 <= conversation.status < 500
            continue
        body = module.write_request(conversation, aim)
        if not isinstance(body, Problem):
            assert isinstance(orjson.loads(body), dict)


def bodies(rng: Random) -> None:
    """Any bytes name a model or are rejected."""
    corpus = (orjson.dumps(REQUEST), b'{"model":"m"}', orjson.dumps(SETTINGS))
    data = mutated(rng.choice(corpus), corpus, rng)
    encoding = rng.choice((None, None, b"identity", b"zstd", b"gzip", b"br", b"x"))
    found = find_model(data, encoding, 50_000)
    assert isinstance(found, str | Problem)
    parse_body(data, encoding, 50_000)


def settings(rng: Random) -> None:
    """Any models.json can be parsed."""
    value = SETTINGS
    for _ in range(rng.choice((1, 2, 4))):
        changed = mutated_value(value, rng)
        value = changed if isinstance(changed, dict) else value
    data = json.dumps(value).encode()
    if rng.random() < 0.3:
        data = mutated(data, (data,), rng)
    parse_settings(data, "models.json", {})
    parse_models(data, "models.json")


CONFIG = config_for("gpt-5.5", 8765, "/state/catalog.json", token_in_file("t0ken"))


def config(rng: Random) -> None:
    """Any config.toml is rejected with a message, or restored to the byte."""
    text = mutated(rng.choice(CONFIGS), CONFIGS, rng).decode("utf-8", "replace")
    remove(text)
    try:
        wired = install(text, CONFIG)
    except ConfigBlockError:
        return
    taken = remove(wired)
    before = remove(text)
    assert taken.text == before.text
    assert install(wired, CONFIG) == wired


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
"""Name → campaign and its percentage of all inputs. The HTTP listener has the rest."""
