"""Deviations of chat completions upstreams from the reference, one row each: what they send, and what it means.

Each source is an issue, a pull request or a page that reports the quirk; the bytes are reduced to what matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from addons.core.protocols.canonical.conversation import Conversation, Tool
from addons.core.protocols.canonical.events import CallKind

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a stream. `end` is the stop reason, or the code of the failure."""

    text: str = ""
    thought: str = ""
    refusal: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    end: str = "end"
    usage: tuple[int, int, int, int, int] | None = None
    """Input, cached, output, reasoning, total."""
    written: int = 0
    """Input that was written to the cache."""


@dataclass(frozen=True, slots=True)
class Quirk:
    name: str
    provider: str
    source: str
    sent: bytes
    meaning: Meaning
    answers: bool = True
    """Whether the client gets an answer: without text or a call, the turn fails instead."""


def data(value: object, name: str = "") -> bytes:
    return (f"event: {name}\n".encode() if name else b"") + b"data: %b\n\n" % orjson.dumps(value)


def chunk(delta: dict[str, Any] | None = None, finish: Any = None, **top: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return data({"object": "chat.completion.chunk", "choices": [choice], **top})


def text(value: Any, finish: Any = None, **top: Any) -> bytes:
    return chunk({"content": value}, finish, **top)


def tool(index: Any = "no", finish: Any = None, **fields: Any) -> bytes:
    """A chunk with one fragment of a call: `name` and `arguments` go inside the function."""
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    call = {"function": function, **fields, **({} if index == "no" else {"index": index})}
    return chunk({"tool_calls": [call]}, finish)


def stop(reason: str = "stop", **top: Any) -> bytes:
    return chunk({}, reason, **top) + DONE


def usage(prompt: int, completion: int, total: int, **rest: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **rest}


def used(value: dict[str, Any], **top: Any) -> bytes:
    return data({"choices": [], "usage": value, **top})


CALLED = stop("tool_calls")
ARGS = '{"path":"a"}'
OTHER = '{"path":"b"}'
READ = Meaning(calls=(("read", ARGS),), end="tool_calls")
BOTH = Meaning(calls=(("read", ARGS), ("read", OTHER)), end="tool_calls")
HI = Meaning("hi")
CUT = "stream_interrupted"
WHOLE = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}  # fmt: skip
TOO_LONG = "the request exceeds the available context size. try increasing the context size"

# fmt: off
CALLS = [
    Quirk("no index", "Gemini", "THU-MAIC/OpenMAIC#1556", tool(id="call_297140", type="function", name="read", arguments=ARGS) + CALLED, READ),
    Quirk("no index, arguments in pieces", "Gemini", "open-webui/computer#224", tool(id="c", name="read", arguments='{"path"') + tool(arguments=':"a"}') + stop(), READ),
    Quirk("no index, two calls", "Gemini", "openai/openai-python#2806", tool(id="c", name="read", arguments=ARGS) + tool(id="d", name="read", arguments=OTHER) + stop(), BOTH),
    Quirk("no index, empty id and type later", "Gemini", "AstrBotDevs/AstrBot#6661", tool(id="c", name="read", arguments="", type="function") + tool(id="", type="", arguments=ARGS) + CALLED, READ),
    Quirk("no index on any chunk", "Ollama", "ollama/ollama#7881", tool(id="call_1", name="read", arguments=ARGS) + tool(id="call_2", name="read", arguments=OTHER) + stop(), BOTH),
    Quirk("index 0 for every call", "Ollama", "ollama/ollama#15457", tool(0, id="c", name="read", arguments=ARGS) + tool(0, id="d", name="read", arguments=OTHER) + CALLED, BOTH),
    Quirk("index 0 for every call, in pieces", "Ollama", "LibreChat-AI/agents#260", tool(0, id="c", name="read", arguments=ARGS[:4]) + tool(0, arguments=ARGS[4:]) + tool(0, id="d", name="read", arguments=OTHER[:4]) + tool(0, arguments=OTHER[4:]) + CALLED, BOTH),
    Quirk("index 0, another tool", "Ollama", "huggingface/smolagents#1958", tool(0, id="c", name="read", arguments=ARGS) + tool(0, id="d", name="list", arguments="{}") + CALLED, Meaning(calls=(("read", ARGS), ("list", "{}")), end="tool_calls")),
    Quirk("index null", "relays", "chatanywhere/GPT_API_free#254", tool(None, id="c", type="function", name="read", arguments="") + tool(None, arguments=ARGS) + CALLED, READ),
    Quirk("text between calls of the same index", "Dynamo", "ai-dynamo/dynamo#4723", tool(0, id="c", name="read", arguments=ARGS) + text("\n") + tool(0, id="d", name="read", arguments=OTHER) + CALLED, Meaning("\n", calls=BOTH.calls, end="tool_calls")),
    Quirk("the name on every chunk", "NVIDIA NIM", "NousResearch/hermes-agent#8259", tool(0, id="c", name="read", arguments="") + tool(0, name="read", arguments=ARGS[:5]) + tool(0, name="read", arguments=ARGS[5:]) + CALLED, READ),
    Quirk("name and id on every chunk", "MiniMax", "AstrBotDevs/AstrBot#7735", tool(0, id="c", name="read", arguments=ARGS[:5]) + tool(0, id="c", name="read", arguments=ARGS[5:]) + CALLED, READ),
    Quirk("the whole name again", "Fireworks", "NousResearch/hermes-agent#8094", tool(0, id="c", name="browser_navigate") + tool(0, name="browser_navigate") + tool(0, arguments=ARGS) + CALLED, Meaning(calls=(("browser_navigate", ARGS),), end="tool_calls")),
    Quirk("the name in pieces", "Gemini", "continuedev/continue#5849", tool(0, id="c", name="edit_ex") + tool(0, name="isting_file") + tool(0, arguments=ARGS) + CALLED, Meaning(calls=(("edit_existing_file", ARGS),), end="tool_calls")),
    Quirk("all arguments once more at the end", "OpenAI", "open-webui/open-webui#22235", tool(0, id="c", name="read", arguments=ARGS[:5]) + tool(0, arguments=ARGS[5:]) + tool(0, name="read", arguments=ARGS) + CALLED, READ),
    Quirk("{} before the arguments", "Bedrock", "openai/openai-agents-js#712", tool(0, id="c", name="read", arguments="{}") + tool(0, arguments=ARGS) + CALLED, READ),
    Quirk("no arguments: an empty string", "Bedrock", "Kilo-Org/cloud#4753", tool(0, id="c", name="snapshot", arguments="") + CALLED, Meaning(calls=(("snapshot", ""),), end="tool_calls")),
    Quirk("no arguments: {} after an empty string", "OpenAI", "Kilo-Org/cloud#4753", tool(0, id="c", name="snapshot", arguments="") + tool(0, arguments="{}") + CALLED, Meaning(calls=(("snapshot", "{}"),), end="tool_calls")),
    Quirk("empty id and name after the first chunk", "Qwen", "spring-projects/spring-ai#4790", tool(0, id="call_8589", name="read", arguments="") + tool(0, id="", name="", arguments=ARGS[:6]) + tool(0, id="", name="", arguments="") + tool(0, id="", name="", arguments=ARGS[6:]) + CALLED, READ),
    Quirk("id and name, then arguments", "vLLM", "garudust-org/garudust-agent#16", tool(0, id="c", type="function", name="read") + tool(0, arguments=ARGS) + CALLED, READ),
    Quirk("no id at all", "vLLM", "vllm-project/vllm#18412", tool(0, name="read", arguments=ARGS[:5]) + tool(0, arguments=ARGS[5:]) + CALLED, READ),
    Quirk("arguments as an object", "llama.cpp", "ggml-org/llama.cpp#20198", tool(0, id="c", name="read", arguments={"path": "a"}) + CALLED, READ),
    Quirk("the name as id of each call", "Ollama", "microsoft/agent-framework#6788", tool(0, id="read", name="read", arguments=ARGS) + tool(1, id="read", name="read", arguments=OTHER) + CALLED, BOTH),
    Quirk("an empty name on later chunks", "LM Studio", "lmstudio-ai/lmstudio-bug-tracker#649", tool(0, id="c", type="function", name="read", arguments="") + tool(0, type="function", name="", arguments=ARGS[:3]) + tool(0, type="function", name="", arguments=ARGS[3:]) + CALLED, READ),
    Quirk("all arguments in one chunk", "LM Studio", "lmstudio-ai/lmstudio-bug-tracker#1868", tool(0, id="c", name="read", arguments=ARGS) + CALLED, READ),
    Quirk("the call in the chunk that finishes", "GLM", "jeremychone/rust-genai#199", tool(0, "tool_calls", id="c", name="read", arguments=ARGS) + DONE, READ),
    Quirk("the last piece in the chunk that finishes", "vLLM", "vllm-project/vllm-ascend#8862", tool(0, id="c", name="read", arguments=ARGS[:-1]) + tool(0, "tool_calls", arguments="}") + DONE, READ),
    Quirk("finish_reason on a chunk before the last call", "Gemini", "BerriAI/litellm#31634", tool(0, "tool_calls", id="c", name="read", arguments=ARGS) + tool(1, "tool_calls", id="d", name="read", arguments=OTHER) + DONE, BOTH),
    Quirk("calls that interleave", "Qwen", "QwenLM/Qwen-Agent#943", tool(0, id="c", name="read", arguments=ARGS[:4]) + tool(1, id="d", name="read", arguments=OTHER[:4]) + tool(0, arguments=ARGS[4:]) + tool(1, arguments=OTHER[4:]) + CALLED, BOTH),
    Quirk("fragments belong to the last call", "OCI", "oracle/langchain-oracle#253", tool(id="c", name="read", arguments="") + tool(arguments=ARGS) + tool(id="d", name="read", arguments="") + tool(arguments=OTHER) + CALLED, BOTH),
    Quirk("a fragment with nothing but a signature", "Gemini", "open-webui/computer#224", tool(id="c", name="read", arguments=ARGS) + tool(extra_content={"google": {"thought_signature": "s"}}) + stop(), READ),
    Quirk("stop although it calls", "Gemini", "googleapis/python-genai#2868", tool(0, id="c", name="read", arguments=ARGS) + stop(), READ),
    Quirk("stop although it calls, gpt-4o", "OpenAI", "ollama/ollama#7963", tool(0, id="c", name="read", arguments="") + tool(0, arguments=ARGS) + stop(), READ),
    Quirk("stop in a chunk of its own", "Ollama", "BerriAI/litellm#35663", tool(0, id="c", name="read", arguments=ARGS) + text("") + stop(), READ),
    Quirk("stop for a named tool", "vLLM", "vllm-project/vllm#9209", tool(0, id="c", name="read", arguments=ARGS) + stop(), READ),
    Quirk("end_turn", "Ollama", "BerriAI/litellm#12481", tool(0, id="c", name="read", arguments=ARGS) + stop("end_turn"), READ),
    Quirk("a custom tool call", "OpenAI", "OpenAI API reference: Create chat completion, tool_calls", chunk({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "read", "input": ARGS}}]}) + CALLED, READ),
    Quirk("legacy function_call", "OpenAI", "OpenAI API reference: Chat completion chunk object, function_call", chunk({"function_call": {"name": "read", "arguments": ""}}) + chunk({"function_call": {"arguments": ARGS}}) + stop("function_call"), READ),
    Quirk("no index, two calls at once", "Mistral", "comet-ml/opik#8363", chunk({"tool_calls": [{"id": "c", "function": {"name": "read", "arguments": ARGS}}, {"id": "d", "function": {"name": "read", "arguments": OTHER}}]}, "tool_calls") + DONE, BOTH),
    Quirk("each call whole in one chunk", "Mistral", "microsoft/semantic-kernel#6316", tool(0, id="c", name="read", arguments=ARGS) + tool(1, "tool_calls", id="d", name="read", arguments=OTHER) + DONE, BOTH),
    Quirk("index 0 and no id", "Mistral", "langchain-ai/langchain#38673", tool(0, name="read", arguments=ARGS[:4]) + tool(0, arguments=ARGS[4:]) + CALLED, READ),
    Quirk("no finish_reason after a call", "NVIDIA NIM", "earendil-works/pi#6226", tool(0, id="c", name="read", arguments=ARGS) + DONE, Meaning(end=CUT)),
    Quirk("a call cut by the output limit", "OpenAI", "14790897/MiqroForge-Desktop#1100", tool(0, id="c", name="read", arguments=ARGS[:5]) + stop("length"), Meaning(end="length")),
]
ENDS = [
    Quirk("finish_reason is empty until the end", "SGLang", "sgl-project/sglang#3912", text("h", "") + text("i", "") + stop(), HI),
    Quirk("finish_reason is empty until the end", "Ollama", "ollama/ollama#4357", text("hi", "") + text("", "stop") + DONE, HI),
    Quirk("finish_reason is the word null", "KoboldCpp", "PowerShell/AIShell#350", text("h", "null") + text("i", "stop") + DONE, HI),
    Quirk("finish_reason is left out", "Bedrock", "danny-avila/LibreChat#5563", data({"choices": [{"index": 0, "delta": {"content": "hi"}}]}) + stop(), HI),
    Quirk("text in the chunk that finishes", "vLLM", "vllm-project/vllm#36944", text("h") + text("i", "length") + DONE, Meaning("hi", end="length")),
    Quirk("sensitive", "GLM", "promptfoo/promptfoo#9905", text("h") + stop("sensitive"), Meaning("h", end="content_filter")),
    Quirk("network_error", "GLM", "promptfoo/promptfoo#9905", text("h") + stop("network_error"), Meaning("h", end="rate_limit_exceeded")),
    Quirk("model_context_window_exceeded", "GLM", "mozilla-ai/any-llm#1200", text("hi") + stop("model_context_window_exceeded"), Meaning("hi", end="length")),
    Quirk("error without a message", "OpenRouter", "OpenRouterTeam/openrouter-examples#67", data({"choices": [{"finish_reason": "error", "native_finish_reason": "MALFORMED_FUNCTION_CALL", "message": {"role": "assistant", "content": None}}]}), Meaning(end="rate_limit_exceeded")),
    Quirk("error as finish_reason", "Mistral", "mistralai/client-python#74", text("h") + stop("error"), Meaning("h", end="rate_limit_exceeded")),
    Quirk("never a finish_reason", "OpenCode Zen", "anomalyco/opencode#43882", text("hi") + DONE, Meaning("hi", end=CUT)),
    Quirk("never a finish_reason nor [DONE]", "Nebius", "openai/openai-node#1292", text("hi"), Meaning("hi", end=CUT)),
    Quirk("finish_reason null to the end", "relays", "earendil-works/pi#4558", text("hi") + chunk({}) + DONE, Meaning("hi", end=CUT)),
    Quirk("a plain line, then a clean end", "DeepSeek", "tetsuo-ai/agenc-core#2492", chunk({"reasoning_content": "hm"}) + b"upstream error: read ECONNRESET\n", Meaning(thought="hm", end=CUT)),
    Quirk("[DONE] without its blank line", "llama.cpp", "darshi1337/apogee#139", chunk({"role": "assistant", "content": None}) + text("hi") + chunk({}, "stop") + b"data: [DONE]", HI),
    Quirk("no [DONE]", "relays", "open-octo/octo-agent#910", text("hi") + chunk({}, "stop"), HI),
    Quirk("thinking, then stop", "DeepSeek", "openclaw/openclaw#91604", chunk({"reasoning_content": "all done"}) + stop(), Meaning(thought="all done"), answers=False),
]
ERRORS = [
    Quirk("error beside empty choices", "OpenRouter", "diegosouzapw/OmniRoute#8210", data({"choices": [], "error": {"code": 502, "message": "Worker local total request limit reached (33/32)"}}), Meaning(end="server_error")),
    Quirk("error beside a finish_reason error", "OpenRouter", "damianvtran/local-operator#223", text("h") + chunk({"content": ""}, "error", error={"code": 429, "message": "Rate limit exceeded", "metadata": {"error_type": "rate_limit"}}) + DONE, Meaning("h", end="rate_limit_exceeded")),
    Quirk("error inside the choice", "OpenRouter", "genkit-ai/genkit#6079", data({"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "Provider disconnected"}}]}), Meaning(end="server_error")),
    Quirk("too long, reported in the stream", "OpenRouter", "dcdpr/jp#978", data({"choices": [], "error": {"code": 400, "message": "prompt is too long: 1284668 tokens > 1000000 maximum"}}), Meaning(end="context_length_exceeded")),
    Quirk("an error line, no [DONE]", "DashScope", "open-octo/octo-agent#910", text("h") + data({"error": {"message": "backend is gone", "type": "server_error"}}), Meaning("h", end="server_error")),
    Quirk("tool_use_failed", "Groq", "langchain4j/langchain4j#2585", data({"error": {"message": "Failed to call a function. Please adjust your prompt.", "type": "invalid_request_error", "code": "tool_use_failed", "failed_generation": "…", "status_code": 400}}), Meaning(end="invalid_prompt")),
    Quirk("an event of the name error", "Groq", "groq/groq-python#119", data({"error": {"message": "over capacity", "type": "internal_server_error"}}, "error"), Meaning(end="rate_limit_exceeded")),
    Quirk("error, then [DONE]", "vLLM", "BerriAI/litellm#40578", data({"error": {"message": "queue is full", "type": "InternalServerError", "code": 503}}) + DONE, Meaning(end="rate_limit_exceeded")),
    Quirk("error before the first token", "vLLM", "vllm-project/vllm#40986", data({"error": {"object": "error", "message": "Internal server error", "type": "InternalServerError", "code": 500}}) + DONE, Meaning(end="server_error")),
    Quirk("too long, with HTTP 200", "llama.cpp", "ggml-org/llama.cpp#14566", data({"error": {"code": 400, "message": TOO_LONG, "type": "invalid_request_error"}}) + DONE, Meaning(end="context_length_exceeded")),
    Quirk("a field error: instead of data:", "llama.cpp", "coddy-project/coddy-agent#106", b"error: " + orjson.dumps({"code": 400, "message": TOO_LONG, "type": "invalid_request_error"}) + b"\n\n" + DONE, Meaning(end="context_length_exceeded")),
    Quirk("error as JSON without data:", "Lemonade", "lemonade-sdk/lemonade#2826", orjson.dumps({"error": {"code": 400, "message": "request (19185 tokens) exceeds the available context size (16384 tokens)"}}), Meaning(end="context_length_exceeded")),
    Quirk("a bare error object of no capacity", "Mistral", "continuedev/continue#6185", data({"object": "error", "message": "Service tier capacity exceeded for this model.", "type": "invalid_request_error", "param": None, "code": None}), Meaning(end="rate_limit_exceeded")),
    Quirk("a bare error object of its rate", "Mistral", "raycast/extensions#31107", data({"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": None, "code": "1300", "raw_status_code": 429}), Meaning(end="rate_limit_exceeded")),
    Quirk("a guardrail's error inside the stream", "LiteLLM", "BerriAI/litellm#39748", text("h") + data({"error": {"message": "blocked", "type": "None", "param": "None", "code": "500"}}) + DONE, Meaning("h", end="server_error")),
]
SHAPES = [
    Quirk("first chunk has no choices", "Azure", "Azure/azure-sdk-for-go#21086", data({"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}) + text("hi") + stop(), HI),
    Quirk("a choice without a delta", "Azure", "microsoft/autogen#6465", text("hi") + data({"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 44}}], "usage": None}) + stop(), HI),
    Quirk("filter results after the end", "Azure", "langchain-ai/langchain#18977", text("hi") + chunk({}, "stop") + data({"choices": [{"finish_reason": None, "index": 0, "content_filter_results": {}}]}) + DONE, HI),
    Quirk("comments keep it alive", "OpenRouter", "openai/openai-go#227", b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" + text("亚") + stop(), Meaning("亚")),
    Quirk("events of other names", "Hermes", "janhq/jan#8392", data({"tool": "x", "message": "running"}, "hermes.tool.progress") + text("hi") + stop(), HI),
    Quirk("payloads that are no chunks", "relays", "Kilo-Org/kilocode#12771", text("hi") + data({"type": "billing.summary", "cost": 1}) + stop(), HI),
    Quirk("no blank after data:", "DashScope", "karthink/gptel#592", (chunk({"reasoning_content": "Okay"}) + text("hi") + stop()).replace(b"data: ", b"data:"), Meaning("hi", "Okay")),
    Quirk("stream is ignored", "JSON only", "tinyhumansai/tinyagents#56", orjson.dumps(WHOLE), HI),
    Quirk("JSON with [DONE] after it", "9router", "decolua/9router#3492", orjson.dumps(WHOLE) + b"\n\n" + DONE, HI),
    Quirk("an empty role", "MiniMax", "Th0rgal/sandboxed.sh#142", chunk({"role": "", "content": "hi"}) + stop(), HI),
    Quirk("the whole message once more", "MiniMax", "ENTERPILOT/GoModel#1068", text("hi") + data({**WHOLE, "usage": usage(3, 2, 5)}) + DONE, Meaning("hi", usage=(3, 0, 2, 0, 5))),
    Quirk("other choices", "OpenAI", "openai/openai-agents-js#1303", text("hi") + data({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]}) + stop(), HI),
    Quirk("a refusal", "OpenAI", "OpenAI API reference: Chat completion chunk object, refusal", chunk({"refusal": "I can"}) + chunk({"refusal": "not"}) + stop(), Meaning(refusal="I cannot")),
]
THOUGHTS = [
    Quirk("content is a list with thinking", "Mistral", "BerriAI/litellm#16272", chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}) + chunk({"content": [{"type": "text", "text": "hi"}]}) + stop(), Meaning("hi", "hm")),
    Quirk("an empty thought between two texts", "Mistral", "mistralai/client-python#252", chunk({"content": [{"type": "text", "text": "h"}]}) + chunk({"content": [{"type": "thinking", "thinking": []}]}) + chunk({"content": [{"type": "text", "text": "i"}]}) + stop(), HI),
    Quirk("reasoning", "vLLM", "strands-agents/harness-sdk#2191", chunk({"reasoning": "hm"}) + text("hi") + stop(), Meaning("hi", "hm")),
    Quirk("reasoning and reasoning_content", "vLLM", "vllm-project/vllm#34030", chunk({"reasoning": "hm", "reasoning_content": "hm"}) + text("hi") + stop(), Meaning("hi", "hm")),
    Quirk("reasoning and reasoning_details", "OpenRouter", "jeremychone/rust-genai#298", chunk({"content": "", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]}) + text("hi") + stop(), Meaning("hi", "hm")),
    Quirk("reasoning_details alone", "OpenRouter", "earendil-works/pi#988", chunk({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}) + text("hi") + stop(), Meaning("hi", "hm")),
    Quirk("an empty reasoning_content beside text", "Qwen", "spring-projects/spring-ai#4790", chunk({"content": "hi", "reasoning_content": ""}) + stop(), HI),
]
USAGES = [
    Quirk("usage after the end, no choices", "OpenAI", "xinnan-tech/xiaozhi-esp32-server#734", text("hi") + chunk({}, "stop") + used(usage(10, 5, 15, prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 3})) + DONE, Meaning("hi", usage=(10, 4, 5, 3, 15))),
    Quirk("usage chunk lacks choices", "ATOM", "ROCm/ATOM#1711", text("hi") + chunk({}, "stop") + data({"usage": usage(1, 2, 3)}) + DONE, Meaning("hi", usage=(1, 0, 2, 0, 3))),
    Quirk("usage inside the choice", "Kimi", "earendil-works/pi#2017", text("hi") + data({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage(8, 2, 10)}]}) + DONE, Meaning("hi", usage=(8, 0, 2, 0, 10))),
    Quirk("cached_tokens on top", "Kimi", "promptfoo/promptfoo#10132", text("hi", "stop", usage=usage(1800, 2, 1802, cached_tokens=1792)) + DONE, Meaning("hi", usage=(1800, 1792, 2, 0, 1802))),
    Quirk("prompt_cache_hit_tokens", "DeepSeek", "earendil-works/pi#3880", text("hi", "stop", usage=usage(100, 2, 102, prompt_cache_hit_tokens=20, prompt_cache_miss_tokens=80)) + DONE, Meaning("hi", usage=(100, 20, 2, 0, 102))),
    Quirk("reasoning beside completion", "xAI", "Wei-Shaw/sub2api#5771", text("hi", "stop") + used(usage(10120, 1499, 14428, prompt_tokens_details={"cached_tokens": 128}, completion_tokens_details={"reasoning_tokens": 2809})) + DONE, Meaning("hi", usage=(10120, 128, 4308, 2809, 14428))),
    Quirk("cache_write_tokens", "OpenRouter", "0xPlaygrounds/rig#1807", text("hi") + chunk({}, "stop") + used(usage(900, 2, 902, prompt_tokens_details={"cached_tokens": 300, "cache_write_tokens": 500})) + DONE, Meaning("hi", usage=(900, 300, 2, 0, 902), written=500)),
    Quirk("cache_creation_input_tokens on top", "LiteLLM", "langchain-ai/langchain-litellm#54", text("hi", "stop") + used(usage(900, 2, 902, prompt_tokens_details={"cached_tokens": 300}, cache_creation_input_tokens=500)) + DONE, Meaning("hi", usage=(900, 300, 2, 0, 902), written=500)),
    Quirk("usage under x_groq", "Groq", "vercel/ai#1651", text("hi") + chunk({}, "stop", x_groq={"id": "req_01", "usage": usage(23, 19, 42, queue_time=0.075)}) + DONE, Meaning("hi", usage=(23, 0, 19, 0, 42))),
    Quirk("usage on every chunk", "relays", "alfredapp/openai-workflow#52", text("h", usage=usage(1061, 22, 1083)) + text("i", "stop", usage=usage(1061, 24, 1085)) + DONE, Meaning("hi", usage=(1061, 0, 24, 0, 1085))),
    Quirk("usage beside finish_reason", "Together", "mlflow/mlflow#11557", text("hi", "length", usage=usage(17, 200, 217)) + DONE, Meaning("hi", end="length", usage=(17, 0, 200, 0, 217))),
    Quirk("usage before an empty chunk", "xAI", "BerriAI/litellm#17136", text("hi") + chunk({}, "stop", usage=usage(5, 2, 7)) + data({"choices": []}) + DONE, Meaning("hi", usage=(5, 0, 2, 0, 7))),
]
CITED = {"type": "url_citation", "url_citation": {"url": "https://a.test", "title": "A", "content": "…", "start_index": 0, "end_index": 2}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
EXTRA_FIELDS = [
    Quirk("annotations after the text", "OpenRouter", "Effect-TS/effect#7128", text("hi") + chunk({"content": "", "annotations": [CITED]}) + stop(), HI),
    Quirk("annotations behind the stop", "OpenAI", "OpenAI API reference: Chat completion object, annotations", text("hi", "stop") + chunk({"annotations": [CITED, CITED]}) + DONE, HI),
    Quirk("annotations before any text", "relays", "OpenAI API reference: Chat completion object, annotations", chunk({"annotations": [CITED]}) + text("hi") + stop(), HI),
    Quirk("images beside the text", "OpenRouter", "https://openrouter.ai/docs/features/multimodal/image-generation", text("hi") + chunk({"content": "", "images": [PICTURE]}) + stop(), HI),
    Quirk("a picture and nothing else", "OpenRouter", "https://openrouter.ai/docs/features/multimodal/image-generation", data({"choices": [{"message": {"content": None, "images": [PICTURE]}, "finish_reason": "stop"}]}) + DONE, Meaning()),
    Quirk("audio with a transcript", "OpenAI", "OpenAI API reference: Chat completion object, audio", chunk({"audio": {"id": "a", "transcript": "h"}}) + chunk({"audio": {"data": "AAAA"}}) + chunk({"audio": {"transcript": "i"}}) + stop(), HI),
]
SHELL = '{"command": "git status"}'
TOOLS = tuple(
    Tool(name, name, None, CallKind.FUNCTION, "", {"type": "object", "properties": {key: {"type": "string"}}})
    for name, key in (("shell", "command"), ("read", "path"))
)
DECLARED = Conversation((), tools=TOOLS)
"""What the request of each quirk declares."""
RAN = Meaning(calls=(("shell", SHELL),), end="tool_calls")
RAN_AFTER = Meaning("On it.\n", calls=RAN.calls, end="tool_calls")
HERMES = f'<tool_call>\n{{"name": "shell", "arguments": {SHELL}}}\n</tool_call>'
LEAKS = [
    Quirk("a call as XML", "Qwen", "NousResearch/hermes-agent#83023", text("On it.\n<tool") + text(HERMES[5:]) + stop(), RAN_AFTER),
    Quirk("call markers in the content of a stream", "Kimi", "vllm-project/vllm#31207", text("<|tool_calls_section_begin|><|tool_call_begin|>functions.shell:0") + text("<|tool_call_argument_begin|>" + SHELL + "<|tool_call_end|><|tool_calls_section_end|>") + stop(), RAN),
    Quirk("call markers without their section", "Bedrock", "vllm-project/vllm#31207", text("<|tool_call_begin|> functions.shell:0 <|tool_call_argument_begin|> " + SHELL + " <|tool_call_end|>") + stop(), RAN),
    Quirk("a call with key and value tags", "GLM", "unslothai/unsloth#5624", text("<tool_call>shell\n<arg_key>command</arg_key>\n<arg_value>git ") + text("status</arg_value>\n</tool_call>") + stop(), RAN),
    Quirk("a call with parameter tags", "Qwen", "peonist-ai/halogen-flash-server#84", text("<tool_call>\n<function=shell>\n<parameter=command>\ngit status\n</parameter>\n</function>\n</tool_call>") + stop(), RAN),
    Quirk("a call in DeepSeek's markers", "DeepSeek", "unslothai/unsloth#5624", text("<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>shell<\uff5ctool\u2581sep\uff5c>" + SHELL) + text("<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>") + stop(), RAN),
    Quirk("tool calls in DSML", "DeepSeek", "TokenRhythm/opensquilla#985", text('<\uff5cDSML\uff5ctool_calls>\n<\uff5cDSML\uff5cinvoke name="shell">\n<\uff5cDSML\uff5cparameter name="command" string="true">git') + text(" status</\uff5cDSML\uff5cparameter>\n</\uff5cDSML\uff5cinvoke>\n</\uff5cDSML\uff5ctool_calls>") + stop(), RAN),
    Quirk("invoke in its own wrapper", "MiniMax", "NousResearch/hermes-agent#27834", text('<minimax:tool_call>\n  <invoke name="shell">\n    <parameter name="command">git status</parameter>\n  </invoke>\n</minimax:tool_call>') + stop(), RAN),
    Quirk("a name and ARGS", "Mistral", "raullenchai/Rapid-MLX#1071", text("[TOOL_CALLS]shell[AR") + text("GS]" + SHELL) + stop(), RAN),
    Quirk("a list of calls", "Mistral", "ml-explore/mlx-lm#1374", text('[TOOL_CALLS] [{"name": "shell", "arguments": ' + SHELL + "}]") + stop(), RAN),
    Quirk("a call without arguments", "GLM", "osaurus-ai/vmlx-swift#228", text("<tool_call>read</tool_call>") + stop(), Meaning(calls=(("read", "{}"),), end="tool_calls")),
    Quirk("a template tag in the name of a call", "GLM", "fw-ai-external/python-sdk#119", tool(0, id="c", name="read</arg_value>", arguments="{}") + CALLED, Meaning(calls=(("read", "{}"),), end="tool_calls")),
    Quirk("a file that shows a tool_call tag", "MiMo", "NousResearch/hermes-agent#47967", text("It says:\n\n<tool_call>\n   ...\n</tool_call>") + stop(), Meaning("It says:\n\n<tool_call>\n   ...\n</tool_call>")),
    Quirk("an invoke tag alone behind a stray word", "Claude", "anthropics/claude-code#77061", text('On it.\n\ncount\n<invoke name="shell">\n<parameter name="command">git status</parameter>\n</invoke>') + stop(), Meaning("On it.\n\ncount\n", calls=RAN.calls, end="tool_calls")),
    Quirk("the whole answer is the JSON of a call", "AIRI", "moeru-ai/airi#2459", text('{"name": "shell", ') + text('"arguments": ' + SHELL + "}") + stop(), RAN),
    Quirk("a call of an undeclared tool stays text", "Qwen", "moeru-ai/airi#2459", text(HERMES.replace("shell", "nobody")) + stop(), Meaning(HERMES.replace("shell", "nobody"))),
    Quirk("a call in a code fence stays text", "Qwen", "moeru-ai/airi#2459", text("```\n" + HERMES) + text("\n```") + stop(), Meaning("```\n" + HERMES + "\n```")),
    Quirk("a call that is cut stays text", "Qwen", "vllm-project/vllm#40911", text(HERMES[:40]) + stop(), Meaning(HERMES[:40])),
]
TAGS = [
    Quirk("think tags in the content", "MiniMax", "andrewyng/openworker#111", text("<th") + text("ink>\nhm") + text("\n</thi") + text("nk>\n\nhi") + stop(), Meaning("hi", "hm")),
    Quirk("think tags, and nothing else", "Qwen", "ollama/ollama#17097", text("<think>\nI should call a tool") + stop(), Meaning(thought="I should call a tool"), answers=False),
    Quirk("a closing tag before the text", "Qwen", "open-webui/open-webui#9808", chunk({"reasoning_content": "hm"}) + text("</think>") + text("\n\nhi") + stop(), Meaning("hi", "hm")),
    Quirk("the opening tag is in the prompt, whole answer in one chunk", "Perplexity", "perplexityai/api-discussion#177", text("hm\n</think>\n\nhi") + stop(), Meaning("hi", "hm")),
    Quirk("tags later in the text stay text", "Qwen", "continuedev/continue#3832", text("Write <think>") + text(" and </think> around it") + stop(), Meaning("Write <think> and </think> around it")),
    Quirk("Thought tags", "Marco-o1", "open-webui/open-webui#7398", text("<Thought>\nhm\n</Thou") + text("ght>\nhi") + stop(), Meaning("hi", "hm")),
    Quirk("a closing tag before the text, and no reasoning", "MiniMax", "anomalyco/opencode#3555", chunk({"content": "</think>\nI'm", "reasoning_content": ""}) + text(" here") + stop(), Meaning("I'm here")),
    Quirk("the opening tag is in the prompt", "MLX", "cubist38/mlx-openai-server#179", text("The user says hi.") + text("\n</think>\n") + text("Hi!") + stop(), Meaning("The user says hi.Hi!")),
]
NOTHING = [
    Quirk("stop, and no content", "Ollama", "ollama/ollama#17097", chunk({"role": "assistant", "content": ""}) + stop(), Meaning(), answers=False),
    Quirk("STOP with empty content", "Gemini", "BerriAI/litellm#24462", chunk({"content": None}, "STOP") + DONE, Meaning(), answers=False),
    Quirk("blank content", "StepFun", "openclaw/openclaw#91403", text("\n\n") + stop(), Meaning("\n\n"), answers=False),
    Quirk("reasoning and empty tool_calls", "DeepSeek", "anomalyco/opencode#41469", chunk({"reasoning_content": "hm", "tool_calls": []}) + stop("tool_calls"), Meaning(thought="hm", end="tool_calls"), answers=False),
    Quirk("a call inside the reasoning only", "Halogen", "peonist-ai/halogen-flash-server#84", chunk({"reasoning_content": HERMES}) + stop(), Meaning(thought=HERMES), answers=False),
]


def args(value: str, reason: str = "tool_calls") -> bytes:
    return tool(0, id="c", name="read", arguments=value[:9]) + tool(0, arguments=value[9:]) + stop(reason)


BROKEN = [
    Quirk("raw line breaks and tabs", "Gemini", "rhesis-ai/rhesis#2488", args('{"path":"a\n\tb"}'), Meaning(calls=(("read", '{"path":"a\\n\\tb"}'),), end="tool_calls")),
    Quirk("a trailing comma", "HuggingChat", "huggingface/chat-ui#1229", args('{"path":"a",}'), READ),
    Quirk("escaped line breaks outside of strings", "Qwen", "OpenHands/software-agent-sdk#2488", args('{"path":"a"\\n\\n}'), READ),
    Quirk("an unknown escape is passed on", "Claude", "anthropics/claude-code#79339", args('{"path":"\\로"}'), Meaning(calls=(("read", '{"path":"\\로"}'),), end="tool_calls")),
    Quirk("arguments encoded twice", "vLLM", "vllm-project/vllm#54964", args('"{\\"path\\":\\"a\\"}"'), READ),
    Quirk("a code fence around the arguments", "Kimi", "MoonshotAI/kimi-cli#1378", args('```json\n{"path":"a"}\n```'), READ),
    Quirk("unescaped quotes are passed on", "Kimi", "vllm-project/vllm#41739", args('{"path": "{"key": "value"}"'), Meaning(calls=(("read", '{"path": "{"key": "value"}"'),), end="tool_calls")),
    Quirk("a missing quote is passed on", "Kimi", "MoonshotAI/kimi-cli#2165", args('{"path": "a", description": "b"}'), Meaning(calls=(("read", '{"path": "a", description": "b"}'),), end="tool_calls")),
    Quirk("two objects that differ are passed on", "Kimi", "MoonshotAI/kimi-cli#1378", args(ARGS + OTHER), Meaning(calls=(("read", ARGS + OTHER),), end="tool_calls")),
]
LATE_USAGES = [
    Quirk("usage behind [DONE]", "relays", "duolahypercho/codex-router#343", text("hi") + stop() + used(usage(10, 5, 15)), Meaning("hi", usage=(10, 0, 5, 0, 15))),
    Quirk("cached tokens beside prompt_tokens", "Bedrock", "Portkey-AI/gateway#1211", text("hi", "stop") + used(usage(368, 19, 10923, cache_read_input_tokens=10536)) + DONE, Meaning("hi", usage=(10904, 10536, 19, 0, 10923))),
    Quirk("cached and written tokens beside prompt_tokens", "Portkey", "Portkey-AI/gateway#1754", text("hi", "stop") + used(usage(10, 5, 815, cache_read_input_tokens=500, cache_creation_input_tokens=300)) + DONE, Meaning("hi", usage=(810, 500, 5, 0, 815), written=300)),
    Quirk("Anthropic's fields on a chat endpoint", "Copilot", "ericc-ch/copilot-api#88", text("hi", "stop") + used({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 500}) + DONE, Meaning("hi", usage=(510, 500, 5, 0, 515))),
    Quirk("null usage on every chunk but the last", "SGLang", "sgl-project/sglang#3387", text("hi", usage=None) + chunk({}, "stop", usage=None) + used(usage(3, 2, 5)) + DONE, Meaning("hi", usage=(3, 0, 2, 0, 5))),
    Quirk("hits and misses without prompt_tokens", "DeepSeek", "https://api-docs.deepseek.com/guides/kv_cache", text("hi", "stop", usage={"prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 80, "completion_tokens": 2, "total_tokens": 102}) + DONE, Meaning("hi", usage=(100, 20, 2, 0, 102))),
]
# fmt: on
QUIRKS = (
    CALLS
    + ENDS
    + ERRORS
    + SHAPES
    + THOUGHTS
    + USAGES
    + EXTRA_FIELDS
    + LEAKS
    + TAGS
    + NOTHING
    + BROKEN
    + LATE_USAGES
)
