"""Deviations of messages upstreams from the reference, one row each: what they send, and what it means.

Each source is an issue, a pull request or a page that reports the quirk; the bytes are reduced to what matters.
"""

from __future__ import annotations

import orjson

from tests.core.protocols.messages.streams import (
    STOP,
    closed,
    delta,
    end,
    opened,
    sse,
    start,
    stopping,
    text,
    thinking,
    tool,
)
from tests.quirks.chat_quirks import Meaning, Quirk

CALL = (("shell", '{"command": "ls"}'),)
LS = '{"command": "ls"}'
OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}

QUIRKS = (
    Quirk(
        "a turn as documented: thinking, text, a call, usage at both ends",
        "Anthropic",
        "https://platform.claude.com/docs/en/build-with-claude/streaming",
        start(input_tokens=10, cache_read_input_tokens=100, cache_creation_input_tokens=5)
        + thinking("Hm.")
        + text("On ", "it.", index=1)
        + tool('{"command"', ': "ls"}', index=2)
        + end("tool_use", output_tokens=20),
        Meaning("On it.", "Hm.", calls=CALL, end="tool_calls", usage=(115, 100, 20, 0, 135), written=5),
    ),
    Quirk(
        "overloaded inside a 200 stream",
        "Anthropic",
        "envoyproxy/ai-gateway#2698",
        start() + text("Half") + sse("error", error=OVERLOADED),
        Meaning("Half", end="rate_limit_exceeded"),
    ),
    Quirk(
        "an error before anything else, with details",
        "Vertex",
        "anthropics/anthropic-sdk-typescript#346",
        sse("error", error={"details": None, **OVERLOADED}),
        Meaning(end="rate_limit_exceeded"),
    ),
    Quirk(
        "vertex_event between the documented events",
        "Vertex",
        "vercel/ai#13576",
        start(input_tokens=3) + sse("vertex_event", usage={"x": 1}) + text("Hi") + end(),
        Meaning("Hi", usage=(3, 0, 0, 0, 3)),
    ),
    Quirk(
        "the stream is cut inside a call, the connection closes cleanly",
        "Bedrock Anthropic",
        "BerriAI/litellm#32159",
        start() + tool('{"command": "rm -rf bui', stop=False),
        Meaning(end="stream_interrupted"),
    ),
    Quirk(
        "a guardrail intervenes, with stopSequences instead of stop_sequence",
        "Bedrock Anthropic",
        "langchain-ai/langchain-aws#937",
        start() + text("No") + sse(
            "message_delta", delta={"stop_reason": "guardrail_intervened", "stopSequences": None}
        ) + STOP,
        Meaning("No", end="content_filter"),
    ),
    Quirk(
        "counts only in the metrics of the last event",
        "Bedrock Anthropic",
        "BerriAI/litellm#34373",
        start() + text("Hi") + stopping("end_turn") + sse(
            "message_stop",
            **{"amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 5, "outputTokenCount": 7, "invocationLatency": 900,
                "cacheReadInputTokenCount": 100, "cacheWriteInputTokenCount": 20,
            }},
        ),
        Meaning("Hi", usage=(125, 100, 7, 0, 132), written=20),
    ),
    Quirk(
        "usage beside the metrics of the last event",
        "Bedrock Anthropic",
        "BerriAI/litellm#36878",
        start() + text("Hi") + stopping("end_turn") + sse(
            "message_stop",
            usage={"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100},
            **{"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 7}},
        ),
        Meaning("Hi", usage=(105, 100, 7, 0, 112)),
    ),
    Quirk(
        "all counts in message_delta, none in message_start",
        "Bedrock Anthropic",
        "maximhq/bifrost#5811",
        start() + text("Hi")
        + end(input_tokens=5, output_tokens=7, cache_creation_input_tokens=20),
        Meaning("Hi", usage=(25, 0, 7, 0, 32), written=20),
    ),
    Quirk(
        "written to two caches of different life",
        "Anthropic",
        "https://platform.claude.com/docs/en/build-with-claude/prompt-caching",
        start(input_tokens=5, cache_creation={
            "ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30,
        }) + text("Hi") + end(output_tokens=7),
        Meaning("Hi", usage=(55, 0, 7, 0, 62), written=50),
    ),
    Quirk(
        "a length stop loses message_delta and message_stop",
        "Bifrost",
        "maximhq/bifrost#6081",
        start() + text("So far"),
        Meaning("So far", end="stream_interrupted"),
    ),
    Quirk(
        "a tool_use block without the fields that newer ones have, and an event without type",
        "Bedrock Anthropic",
        "anthropics/anthropic-sdk-csharp#149",
        start() + b'data: {"usage": {}}\n\n' + tool(LS) + end("tool_use"),
        Meaning(calls=CALL, end="tool_calls"),
    ),
    Quirk(
        "max_tokens inside a call: the block stops all the same",
        "Anthropic",
        "mezmo/aura#591",
        start() + tool('{"command": "l') + end("max_tokens"),
        Meaning(end="length"),
    ),
    Quirk(
        "max_tokens before the first argument: no call with empty arguments",
        "Anthropic",
        "gsd-build/gsd-2#2670",
        start() + tool() + end("max_tokens"),
        Meaning(end="length"),
    ),
    Quirk(
        "the arguments stop in the middle and the reason says tool_use",
        "Anthropic",
        "anthropics/claude-code#19143",
        start() + tool('{"command": "l', stop=False) + end("tool_use"),
        Meaning(end="tool_calls"),
    ),
    Quirk(
        "redacted thinking is kept for the next turn",
        "Anthropic",
        "BerriAI/litellm#9058",
        start() + opened(0, "redacted_thinking", data="ZGF0YQ==") + closed(0) + text("Hi", index=1) + end(),
        Meaning("Hi"),
    ),
    Quirk(
        "thinking is omitted by default: a signature without text",
        "Anthropic",
        "anomalyco/opencode#22852",
        start() + thinking() + text("Hi", index=1) + end(),
        Meaning("Hi"),
    ),
    Quirk(
        "two blocks of thinking, each with its own signature",
        "Anthropic",
        "agentscope-ai/agentscope#2494",
        start() + thinking("One.", signature="b25l") + thinking("Two.", index=1, signature="dHdv")
        + tool(LS, index=2) + end("tool_use"),
        Meaning(thought="One.Two.", calls=CALL, end="tool_calls"),
    ),
    Quirk(
        "pause_turn is an end: the shim does not continue the turn",
        "Anthropic",
        "https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons",
        start() + text("So far.") + end("pause_turn"),
        Meaning("So far."),
    ),
    Quirk(
        "the context window is full",
        "Anthropic",
        "https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons#model-context-window-exceeded",
        start() + text("So far") + end("model_context_window_exceeded"),
        Meaning("So far", end="length"),
    ),
    Quirk(
        "refusal",
        "Anthropic",
        "google/adk-python#5394",
        start() + text("I") + end("refusal"),
        Meaning("I", end="refusal"),
    ),
    Quirk(
        "zero tokens in message_start, the real ones in message_delta",
        "GLM",
        "zai-org/GLM-5#139",
        start(input_tokens=0, output_tokens=0) + text("OK")
        + end(input_tokens=14, output_tokens=3, cache_read_input_tokens=2),
        Meaning("OK", usage=(16, 2, 3, 0, 19)),
    ),
    Quirk(
        "the same counts at both ends are not added up",
        "Anthropic",
        "envoyproxy/ai-gateway#2239",
        start(input_tokens=14, output_tokens=1) + text("OK") + end(input_tokens=14, output_tokens=3),
        Meaning("OK", usage=(14, 0, 3, 0, 17)),
    ),
    Quirk(
        "input_tokens 0 in message_start",
        "SGLang",
        "sgl-project/sglang#20678",
        start(input_tokens=0, output_tokens=0) + text("OK") + end(input_tokens=123, output_tokens=45),
        Meaning("OK", usage=(123, 0, 45, 0, 168)),
    ),
    Quirk(
        "network_error as a stop reason",
        "GLM",
        "earendil-works/pi#2313",
        start() + text("Half") + end("network_error"),
        Meaning("Half", end="rate_limit_exceeded"),
    ),
    Quirk(
        "thinking without a signature",
        "DeepSeek",
        "QuantumNous/new-api#4763",
        start() + opened(0, "thinking", thinking="") + delta(0, "thinking_delta", thinking="Hm.")
        + closed(0) + text("Hi", index=1) + end(),
        Meaning("Hi", "Hm."),
    ),
    Quirk(
        "thinking without a signature before a call",
        "Kimi",
        "NousResearch/hermes-agent#17510",
        start() + thinking("Hm.", signature="") + tool(LS, index=1) + end("tool_use"),
        Meaning(thought="Hm.", calls=CALL, end="tool_calls"),
    ),
    Quirk(
        "end_turn although a tool is called, and an empty text block before it",
        "LiteLLM",
        "BerriAI/litellm#34692",
        start() + opened(0, "text", text="") + closed(0) + tool(LS, index=1) + end("end_turn"),
        Meaning(calls=CALL, end="tool_calls"),
    ),
    Quirk(
        "empty input_json_delta inside a text block",
        "LiteLLM",
        "BerriAI/litellm#29286",
        start() + opened(0, "text", text="") + delta(0, "input_json_delta", partial_json="")
        + delta(0, "text_delta", text="Hi") + closed(0) + end(),
        Meaning("Hi"),
    ),
    Quirk(
        "the whole input is in content_block_start and no delta comes",
        "relays",
        "inflaborg/ccrelay#119",
        start() + opened(0, "tool_use", id="t", name="shell", input={"command": "ls"}) + closed(0)
        + end("tool_use"),
        Meaning(calls=(("shell", '{"command":"ls"}'),), end="tool_calls"),
    ),
    Quirk(
        "no message_stop, but the stop reason came",
        "MiniMax",
        "tombii/better-ccflare#344",
        start() + text("Hi") + stopping("end_turn", output_tokens=2),
        Meaning("Hi", usage=(0, 0, 2, 0, 2)),
    ),
    Quirk(
        "message_stop is cut inside its frame",
        "relays",
        "sudoprivacy/sudocode#576",
        start() + text("Hi") + stopping("end_turn") + b'event: message_stop\ndata: {"type":"m',
        Meaning("Hi"),
    ),
    Quirk(
        "the stream ends without a stop reason",
        "relays",
        "ranxianglei/billion-context#239",
        start() + text("Half of the concl"),
        Meaning("Half of the concl", end="stream_interrupted"),
    ),
    Quirk(
        "the reasoning comes in two blocks around text, as interleaved thinking",
        "MiniMax",
        "NousResearch/hermes-agent#85251",
        start() + thinking("A.") + text("Hi", index=1) + thinking("B.", index=2) + tool(LS, index=3)
        + end("tool_use"),
        Meaning("Hi", "A.B.", calls=CALL, end="tool_calls"),
    ),
    Quirk(
        "call ids with characters that the protocol does not have",
        "relays",
        "BlockRunAI/ClawRouter#17",
        start() + tool(LS, call_id="functions.shell:0") + end("tool_use"),
        Meaning(calls=CALL, end="tool_calls"),
    ),
    Quirk(
        "server tools are run upstream: noted, not delivered",
        "Anthropic",
        "https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool",
        start() + opened(0, "server_tool_use", id="s", name="web_search", input={})
        + delta(0, "input_json_delta", partial_json='{"query": "x"}') + closed(0)
        + opened(1, "web_search_tool_result", tool_use_id="s", content=[]) + closed(1)
        + opened(2, "text", text="", citations=[])
        + delta(2, "citations_delta", citation={"url": "https://a.test"})
        + delta(2, "text_delta", text="Found.") + closed(2) + end(),
        Meaning("Found."),
    ),
    Quirk(
        "the whole answer as one JSON document",
        "LiteLLM",
        "BerriAI/litellm#38153",
        orjson.dumps(
            {
                "type": "message",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    {"type": "text", "text": "Hi"},
                    {"type": "tool_use", "id": "t", "name": "shell", "input": {"command": "ls"}},
                ],
                "stop_reason": "tool_use",
                "usage": {"input_tokens": 3, "output_tokens": 4},
            }
        ),
        Meaning("Hi", "Hm.", calls=(("shell", '{"command":"ls"}'),), end="tool_calls", usage=(3, 0, 4, 0, 7)),
    ),
    Quirk(
        "nothing is read after message_stop, even if the connection stays open",
        "relays",
        "earendil-works/pi#5592",
        start() + text("Hi") + stopping("end_turn") + STOP + sse("ping") + text("no"),
        Meaning("Hi"),
    ),
    Quirk(
        "thinking, and then nothing",
        "Anthropic",
        "LiveBench/LiveBench#425",
        start() + thinking("Hm.") + end("end_turn"),
        Meaning(thought="Hm."),
        answers=False,
    ),
    Quirk(
        "an empty text block and nothing else",
        "Anthropic",
        "https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons#empty-responses-with-end-turn",
        start() + opened(0, "text", text="") + closed(0) + end("end_turn"),
        Meaning(),
        answers=False,
    ),
    Quirk(
        "a call as an invoke tag in the text, behind a stray word",
        "Anthropic",
        "anthropics/claude-code#77061",
        start() + text("On it.\n\ncount\n<invoke na", 'me="shell">\n<parameter name="command">ls</parameter>\n</invoke>')
        + end("end_turn"),
        Meaning("On it.\n\ncount\n", calls=CALL, end="tool_calls"),
    ),
    Quirk(
        "think tags in a text block",
        "MiniMax",
        "earendil-works/pi#7155",
        start() + text("<thi", "nk>Hm.", "</think>\n", "Hi") + end(),
        Meaning("Hi", "Hm."),
    ),
    Quirk(
        "raw line breaks in the arguments",
        "GLM",
        "MoonshotAI/kimi-cli#1378",
        start() + tool('{"command": "ls\n', '-l"}') + end("tool_use"),
        Meaning(calls=(("shell", '{"command": "ls\\n-l"}'),), end="tool_calls"),
    ),
    Quirk(
        "a backslash before a character of another alphabet: passed on",
        "Anthropic",
        "anthropics/claude-code#79339",
        start() + tool('{"command": "\\로"}') + end("tool_use"),
        Meaning(calls=(("shell", '{"command": "\\로"}'),), end="tool_calls"),
    ),
)  # fmt: skip
