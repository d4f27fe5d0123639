"""What the chunks of a chat completions answer hold besides text and reasoning: choices, usage, errors, media, citations.

Source: OpenAI API reference, "Chat Completions: usage" and "streaming" (`annotations`, `audio`), OpenRouter's "Image
Generation" (`images`); the deviations of other upstreams are rows of `tests/quirks`. Cached tokens are part of the input;
some gateways report them separately, which the total shows. Never looks at a provider's name, never estimates a count
that no field implies, never passes on image or audio bytes. Invariant: total; cached and written tokens never exceed the
input, reasoning never the output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from addons.core.json_values import JsonObject, as_int, as_object, as_str
from addons.core.protocols.canonical.events import (
    Citation,
    Event,
    Omitted,
    TextDelta,
    UnknownFields,
)
from addons.core.usage import MAX_TOKENS, Usage

MAX_DEPTH = 32
"""Nesting of content beyond this is not read: no upstream needs it, and recursion is bounded in Python."""

CACHED = ("cached_tokens", "cache_read_tokens", "cache_read_input_tokens")
CACHED_SEPARATELY = (
    "cache_read_input_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "cache_read_tokens",
)
WRITTEN = (
    "cache_write_tokens",
    "cache_creation_tokens",
    "cache_creation_input_tokens",
    "cache_write_input_tokens",
)
THOUGHT = "reasoning_tokens"
INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
THOUGHT_DETAILS = ("completion_tokens_details", "output_tokens_details")
PARTS = frozenset({THOUGHT, *INPUT_DETAILS, *THOUGHT_DETAILS, *CACHED_SEPARATELY, *WRITTEN})
"""The fields of a usage object that count a part of the input or of the output."""
CALLS_OF_A_CHOICE = 10_000
"""How far the indexes of one choice's calls are from those of the next."""
_MORE = re.compile(
    rb'"(?:content|text|refusal|reasoning|reasoning_content|reasoning_details|error)"\s*+:\s*+(?!""|null|\[\s*\])'
    rb'|"tool_calls"\s*+:\s*+\[\s*+\{|"delta"\s*+:\s*+\{[^{}]*+\Z'
)
_USAGE = re.compile(rb'"choices"\s*+:\s*+\[\s*+\]|"usage"\s*+:\s*+\{')
ERROR_FIELDS = frozenset({"base_resp", "error", "error_message", "type"})
"""The fields in which a chunk with choices may report an error."""

PICTURE, SOUND = "a picture", "sound"
PICTURE_PARTS = frozenset({"image", "image_url", "inline_data", "input_image", "output_image"})
SOUND_PARTS = frozenset({"audio", "audio_url", "input_audio", "output_audio"})
TEXT_KEYS = frozenset({"refusal", "text", "thinking"})
"""A part with one of these keys is text, which the reader passes on."""
CONTENT_FIELDS = frozenset({"annotations", "audio", "content", "function_call", "image", "images", "reasoning", "reasoning_content", "reasoning_details", "reasoning_text", "refusal", "thinking", "tool_calls"})  # fmt: skip
"""The fields of a delta that are read, here or by the reader."""
METADATA_FIELDS = frozenset({"channel", "created", "finish_reason", "id", "index", "logprobs", "model", "name", "object", "obfuscation", "padding", "provider_specific_fields", "role", "sender_name", "sender_type", "stop_reason", "token_ids", "type", "usage"})  # fmt: skip
"""Fields that describe the answer and are not part of it."""
KNOWN_FIELDS = CONTENT_FIELDS | METADATA_FIELDS


def find_usage(chunk: JsonObject, choice: JsonObject) -> Usage | None:
    """Return the usage in a chunk, from any of its known fields; None if there is none or it is all zero."""
    if "x_groq" not in chunk and "usage" not in choice and "message" not in choice:
        # nearly every chunk
        usage = chunk.get("usage")
        return read_usage(usage) if usage and isinstance(usage, dict) else None
    for holder in (chunk, chunk.get("x_groq"), choice, choice.get("message")):
        field = as_object(as_object(holder).get("usage")) if holder else {}
        if field and (usage := read_usage(field)):
            return usage
    return None


def read_usage(usage: JsonObject) -> Usage | None:
    """Return the usage of one usage object; None if it is all zero."""
    cached, written, thought = (0, 0, 0) if PARTS.isdisjoint(usage) else _parts(usage)
    prompt = count(usage, "prompt_tokens", "input_tokens")
    if not prompt:
        prompt = cached + count(usage, "prompt_cache_miss_tokens")
    completion = count(usage, "completion_tokens", "output_tokens")
    total = count(usage, "total_tokens")
    if not max(total, prompt + completion):
        return None
    tokens_in = prompt
    if cached or written:
        tokens_in += _cached_separately(usage, prompt, cached, written)
    # Gemini and xAI count reasoning only in the total.
    tokens_out = max(completion, total - tokens_in)
    thought = thought or tokens_out - completion
    cached = min(cached, tokens_in)
    written = min(written, tokens_in - cached)
    return Usage(
        tokens_in, cached, tokens_out, min(thought, tokens_out), tokens_in + tokens_out, written
    )


def _parts(usage: JsonObject) -> tuple[int, int, int]:
    """Return the cached and the written tokens of the input, and the reasoning tokens of the output."""
    details = _details(usage, *INPUT_DETAILS)
    cached = count(details, *CACHED) or count(usage, *CACHED_SEPARATELY)
    written = count(details, *WRITTEN) or count(usage, *WRITTEN)
    thought = count(_details(usage, *THOUGHT_DETAILS), THOUGHT) or count(usage, THOUGHT)
    return cached, written, thought


def _cached_separately(usage: JsonObject, prompt: int, cached: int, written: int) -> int:
    """Return how many cached and written tokens the input does not contain yet."""
    separate = cached + written
    completion = count(usage, "completion_tokens", "output_tokens")
    more = count(usage, "total_tokens") - prompt - completion
    thought = count(_details(usage, *THOUGHT_DETAILS), THOUGHT)
    for part in (separate, cached, written):
        if part and more in {part, part + thought}:
            return part
    # The input of Anthropic's counts holds no cached tokens.
    anthropic = count(usage, "cache_read_input_tokens") or count(
        usage, "cache_creation_input_tokens"
    )
    is_anthropic = "prompt_tokens" not in usage and "total_tokens" not in usage
    return separate if anthropic and (is_anthropic or anthropic > prompt) else 0


def _details(usage: JsonObject, *keys: str) -> JsonObject:
    for key in keys:
        if found := as_object(usage.get(key)):
            return found
    return {}


def count(usage: JsonObject, *keys: str) -> int:
    """Return the first positive number among these fields, else 0."""
    if not usage:
        return 0
    for key in keys:
        if key in usage:
            value = usage[key]
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                return int(min(value, MAX_TOKENS))
    return 0


def find_error(chunk: JsonObject, name: str) -> object | None:
    """Return the error in a chunk of a 200 stream, or None.

    Known forms: the object of OpenAI and OpenRouter, that of older vLLM, the `detail` of FastAPI, the bare `code` and
    `message` of DashScope, the `base_resp` of MiniMax, and the `error_message` of DeepInfra.
    """
    if not name and "choices" in chunk and ERROR_FIELDS.isdisjoint(chunk):
        # nearly every chunk
        return chunk if chunk.get("object") == "error" else None
    if chunk.get("error") or chunk.get("error_message"):
        return chunk
    if (status := as_object(chunk.get("base_resp"))) and count(status, "status_code"):
        return {"code": status["status_code"], "message": status.get("status_msg")}
    if name == "error" or chunk.get("object") == "error" or chunk.get("type") == "error":
        return chunk
    # Named events are not errors: gateways report progress and prices in them.
    if name or "choices" in chunk:
        return None
    coded = "code" in chunk and "message" in chunk
    return chunk if coded or chunk.get("detail") else None


class ExtraFields:
    """Citations, images, audio and unknown fields of one answer.

    Citations are passed on, and audio as its transcript. Everything else is reported once, as `Omitted`.
    """

    __slots__ = ("_cited", "_omitted", "_unknown")

    def __init__(self) -> None:
        self._cited: set[Citation] = set()
        self._omitted: dict[str, Omitted] = {}
        self._unknown = UnknownFields()

    def feed(self, delta: JsonObject) -> Iterator[Event]:
        """Return the events of a delta; keep what cannot be passed on for `finish`."""
        yield from self._citations(delta.get("annotations"))
        if delta.get("images") or delta.get("image"):
            self._omit_media(PICTURE)
        if isinstance(content := delta.get("content"), list | dict):
            self._scan_parts(content, 0)
        if audio := as_object(delta.get("audio")):
            yield from self._audio(audio)
        for name, value in delta.items():
            if value and name not in KNOWN_FIELDS:
                self._omit_unknown("field", name)

    def finish(self) -> Iterator[Event]:
        """Return what was not passed on."""
        yield from self._omitted.values()
        self._omitted.clear()

    def _citations(self, annotations: object) -> Iterator[Event]:
        for annotation in annotations if isinstance(annotations, list) else ():
            citation = _citation(as_object(annotation))
            if not citation.url:
                self._omit_unknown("annotation", as_str(as_object(annotation).get("type")))
            elif citation not in self._cited:
                self._cited.add(citation)
                yield citation

    def _scan_parts(self, content: object, depth: int) -> None:
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, list) and depth < MAX_DEPTH:
                self._scan_parts(part, depth + 1)
            elif isinstance(part, dict) and part and not TEXT_KEYS & part.keys():
                self._omit_part(as_str(part.get("type")))

    def _omit_part(self, kind: str) -> None:
        if kind in PICTURE_PARTS:
            self._omit_media(PICTURE)
        elif kind in SOUND_PARTS:
            self._omit_media(SOUND)
        else:
            self._omit_unknown("part", kind)

    def _audio(self, audio: JsonObject) -> Iterator[Event]:
        if transcript := as_str(audio.get("transcript")):
            yield TextDelta(transcript)
        if audio.get("data"):
            self._omit_media(SOUND)

    def _omit_media(self, kind: str) -> None:
        note = f"[The answer contains {kind}, which codex-shim cannot pass on.]"
        self._omitted[kind] = Omitted(f"{kind} in the answer", note)

    def _omit_unknown(self, what: str, name: str) -> None:
        self._omitted |= {omitted.what: omitted for omitted in self._unknown.report(what, name)}


def _citation(annotation: JsonObject) -> Citation:
    """Return the citation of an annotation; its `url` is empty if it does not cite a page."""
    value = as_object(annotation.get("url_citation")) or annotation
    offsets = [as_int(value.get(key)) for key in ("start_index", "end_index")]
    return Citation(as_str(value.get("url")), as_str(value.get("title")), *offsets)


def first_choice(choices: object) -> JsonObject:
    """Return the first choice: the request asks for only one."""
    for choice in choices if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            break
        if choice.get("index") in (0, None):
            return choice
    return {}


def chunks_of_document(answer: JsonObject) -> Iterator[JsonObject]:
    """Return an answer as chunks. Copilot gives its text and each call a choice of its own."""
    yield answer
    choices = answer.get("choices")
    if not (first := first_choice(choices)) or not isinstance(choices, list):
        return
    has_text = bool(as_object(first.get("message")).get("content"))
    for at, choice in enumerate(choices):
        message = as_object(as_object(choice).get("message"))
        calls = [_numbered(call, at * CALLS_OF_A_CHOICE) for call in call_fragments(message)]
        content = None if has_text else message.get("content")
        if choice is first or not (calls or content):
            # another version of the answer
            continue
        has_text = has_text or bool(content)
        yield {
            "choices": [{**choice, "index": 0, "delta": {"content": content, "tool_calls": calls}}]
        }


def _numbered(call: JsonObject, offset: int) -> JsonObject:
    index = call.get("index")
    return {**call, "index": offset + index} if isinstance(index, int) else call


def call_fragments(delta: JsonObject) -> Iterator[JsonObject]:
    """Return the fragments of calls in a delta or a message."""
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else [calls]:
        if isinstance(call, dict):
            yield call
    if legacy := as_object(delta.get("function_call")):
        yield {"index": 0, "function": legacy}


def may_continue(data: bytes) -> bool:
    """Return whether a chunk without its end may hold more of the answer, or an error, and not only counts."""
    return _MORE.search(data) is not None


def holds_usage(data: bytes) -> bool:
    """Return whether a chunk without its end is the one with the usage."""
    return _USAGE.search(data) is not None
