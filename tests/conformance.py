"""An independent checker of Responses streams: names the rule of the API that a stream breaks.

It shares no code with the shim, so that a mistake is not made twice. Source: OpenAI API reference, "Responses:
streaming events", and what strict SDK clients throw on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

TERMINALS = {"response.completed", "response.incomplete", "response.failed"}
ITEM_PREFIX = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "custom_tool_call": "ctc_",
    "local_shell_call": "lsh_",
}
# prefix of the delta and done events → (key of the complete text, key of the index inside the item)
STREAMS = {
    "response.output_text": ("text", "content_index"),
    "response.refusal": ("refusal", "content_index"),
    "response.reasoning_summary_text": ("text", "summary_index"),
    "response.function_call_arguments": ("arguments", ""),
    "response.custom_tool_call_input": ("input", ""),
}
PARTS = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}
PART_TEXT = {"output_text": "text", "refusal": "refusal", "summary_text": "text"}
RESPONSE_KEYS = (
    "id",
    "object",
    "created_at",
    "status",
    "model",
    "output",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "instructions",
    "temperature",
    "metadata",
    "usage",
    "error",
    "incomplete_details",
)


def parse(stream: bytes) -> list[dict[str, Any]]:
    """Parse the events of a stream."""
    assert stream.endswith(b"\n\n"), "the stream ends between two events"
    events = []
    for block in stream.decode().strip("\n").split("\n\n"):
        lines = block.split("\n")
        assert len(lines) == 2, f"an event line and a data line: {block[:200]!r}"
        name = re.fullmatch(r"event: (\S+)", lines[0])
        data = re.fullmatch(r"data: (\{.*\})", lines[1])
        assert name, f"an event line: {lines[0]!r}"
        assert data, f"a data line that is an object: {lines[1][:200]!r}"
        event = json.loads(data[1])
        assert event["type"] == name[1], "the event line names the type"
        events.append(event)
    return events


@dataclass
class _Part:
    text: str = ""
    annotations: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False
    done: dict[str, Any] | None = None


@dataclass
class _Item:
    added: dict[str, Any]
    parts: list[_Part] = field(default_factory=list)
    arguments: _Part = field(default_factory=_Part)
    done: dict[str, Any] | None = None


class Checker:
    """Checks events one by one. `items` are keyed by output_index."""

    def __init__(self) -> None:
        self.items: dict[int, _Item] = {}
        self.last: dict[str, Any] | None = None
        self.announced: dict[str, Any] = {}

    def take(self, number: int, event: dict[str, Any]) -> None:
        kind = event["type"]
        assert self.last is None, f"nothing follows the terminal event, not even {kind}"
        assert event["sequence_number"] == number, "sequence numbers rise by one from 0"
        opening = ["response.created", "response.in_progress"]
        if number < len(opening):
            assert kind == opening[number], f"the stream opens with {opening}, not {kind}"
            self._opening(event["response"])
        elif kind in TERMINALS:
            self._terminal(event)
        else:
            self._inside(kind, event)

    def _opening(self, response: dict[str, Any]) -> None:
        self._response(response)
        assert response["status"] == "in_progress", "an opened response is in progress"
        assert response["output"] == [], "nothing is in the output yet"
        self.announced = self.announced or response
        assert response == self.announced, "created and in_progress announce the same"

    def _response(self, response: dict[str, Any]) -> None:
        for key in RESPONSE_KEYS:
            assert key in response, f"a response has {key}"
        assert response["object"] == "response", "object is response"
        assert isinstance(response["created_at"], int), "created_at is an integer"
        assert response["id"].startswith("resp_"), "a response's id begins with resp_"
        usage = response["usage"]
        if usage is not None:
            counts = [usage[key] for key in ("input_tokens", "output_tokens", "total_tokens")]
            inside = usage["input_tokens_details"]
            counts += [inside["cached_tokens"], inside["cache_write_tokens"]]
            counts.append(usage["output_tokens_details"]["reasoning_tokens"])
            assert all(type(count) is int for count in counts), "usage is integers"

    def _inside(self, kind: str, event: dict[str, Any]) -> None:
        if kind == "response.output_item.added":
            self._added(event)
            return
        item = self.items.get(event["output_index"])
        assert item, f"{kind} belongs to an item that was added"
        assert item.done is None, f"{kind} comes before its item is done"
        if kind == "response.output_item.done":
            self._done(item, event["item"])
            return
        assert event["item_id"] == item.added["id"], f"{kind} names its item"
        if kind == "response.output_text.annotation.added":
            self._annotation(item, event)
            return
        stem, _, step = kind.rpartition(".")
        if stem in PARTS:
            self._part(item, stem, step, event)
        else:
            assert stem in STREAMS, f"{kind} is an event of the API"
            self._stream(item, stem, step, event)

    def _added(self, event: dict[str, Any]) -> None:
        item, index = event["item"], event["output_index"]
        assert index == len(self.items), "items take the next output_index"
        prefix = ITEM_PREFIX[item["type"]]
        assert item["id"].startswith(prefix), f"the id of a {item['type']} begins with {prefix}"
        assert len(item["id"]) <= 64, "an id has at most 64 characters"
        taken = {other.added["id"] for other in self.items.values()}
        assert item["id"] not in taken, "an item's id is its own"
        assert item.get("status", "in_progress") == "in_progress", "an added item is in progress"
        for key in ("content", "summary", "arguments", "input", "action"):
            assert not item.get(key), f"an added item has no {key} yet"
        self.items[index] = _Item(item)

    def _part(self, item: _Item, stem: str, step: str, event: dict[str, Any]) -> None:
        _, index_key = PARTS[stem]
        index, part = event[index_key], event["part"]
        text = part[PART_TEXT[part["type"]]]
        if step == "added":
            assert index == len(item.parts), f"parts take the next {index_key}"
            assert all(other.done for other in item.parts), "one part is open at a time"
            assert text == "", "an added part is empty"
            item.parts.append(_Part())
            return
        assert step == "done", f"{stem}.{step} is an event of the API"
        assert index == len(item.parts) - 1, "the part that is done is the open one"
        assert item.parts[index].ended, "the text of a part is done before the part"
        assert item.parts[index].done is None, "a part is done once"
        assert text == item.parts[index].text, "a part is what its deltas said"
        given = part.get("annotations", [])
        assert given == item.parts[index].annotations, "annotations are those that were added"
        item.parts[index].done = part

    def _annotation(self, item: _Item, event: dict[str, Any]) -> None:
        assert event["content_index"] == len(item.parts) - 1, "an annotation is of the open part"
        part, annotation = item.parts[-1], event["annotation"]
        assert not part.ended, "an annotation comes before its text is done"
        assert event["annotation_index"] == len(part.annotations), (
            "annotations take the next annotation_index"
        )
        assert annotation["type"] == "url_citation", "an annotation is a citation"
        for key, kind in (("url", str), ("title", str), ("start_index", int), ("end_index", int)):
            assert type(annotation[key]) is kind, f"{key} of a citation is a {kind.__name__}"
        part.annotations.append(annotation)

    def _stream(self, item: _Item, stem: str, step: str, event: dict[str, Any]) -> None:
        key, index_key = STREAMS[stem]
        part = item.arguments
        if index_key:
            assert event[index_key] == len(item.parts) - 1, f"{stem}.{step} is of the open part"
            part = item.parts[-1]
        assert not part.ended, f"{stem}.{step} comes before its text is done"
        if step == "delta":
            assert event["delta"], "a delta says something"
            part.text += event["delta"]
            return
        assert step == "done", f"{stem}.{step} is an event of the API"
        assert event[key] == part.text, f"{stem}.done is what its deltas said"
        part.ended = True

    def _done(self, item: _Item, done: dict[str, Any]) -> None:
        for key in ("id", "type", "call_id", "name", "namespace", "role"):
            assert done.get(key) == item.added.get(key), f"{key} of an item does not change"
        assert done.get("status", "completed") in {"completed", "incomplete"}, "an item ends"
        CHECKS[done["type"]](item, done)
        item.done = done

    def _terminal(self, event: dict[str, Any]) -> None:
        response = event["response"]
        status = event["type"].removeprefix("response.")
        self._response(response)
        assert response["status"] == status, "a terminal response has the event's status"
        assert bool(response["error"]) == (status == "failed"), "a failed one, alone, has an error"
        assert bool(response["incomplete_details"]) == (status == "incomplete"), (
            "and so its details"
        )
        same = set(RESPONSE_KEYS) - {"status", "output", "usage", "error", "incomplete_details"}
        for key in same:
            assert response[key] == self.announced[key], f"{key} is what was announced"
        if status != "failed":
            assert all(item.done for item in self.items.values()), "every item is done"
        done = [item.done for _, item in sorted(self.items.items()) if item.done]
        assert response["output"] == done, "the output is the items that are done"
        self.last = event


def _check_message(item: _Item, done: dict[str, Any]) -> None:
    assert done["content"] == [part.done for part in item.parts], "content is the parts done"
    assert done["content"], "a message says something"
    assert done["role"] == "assistant", "the assistant speaks"


def _check_reasoning(item: _Item, done: dict[str, Any]) -> None:
    assert done["summary"] == [part.done for part in item.parts], "summary is the parts done"
    assert done["summary"] or done["encrypted_content"], "reasoning holds something"


def _check_function(item: _Item, done: dict[str, Any]) -> None:
    assert item.arguments.ended, "the arguments are done before the call"
    assert done["arguments"] == item.arguments.text, "the arguments are what the deltas said"
    # A model may write arguments that are no JSON; they are delivered as it wrote them.
    assert done["arguments"], "a call has arguments"
    assert done["call_id"], "a call has a call_id"
    assert done["name"], "a call has a name"


def _check_custom(item: _Item, done: dict[str, Any]) -> None:
    assert item.arguments.ended, "the input is done before the call"
    assert done["input"] == item.arguments.text, "the input is what the deltas said"
    assert done["call_id"], "a call has a call_id"
    assert done["name"], "a call has a name"


def _check_local_shell(_item: _Item, done: dict[str, Any]) -> None:
    assert done["call_id"], "a call has a call_id"
    assert done["action"]["type"] == "exec", "a local shell call executes"


CHECKS = {
    "message": _check_message,
    "reasoning": _check_reasoning,
    "function_call": _check_function,
    "custom_tool_call": _check_custom,
    "local_shell_call": _check_local_shell,
}


def check(stream: bytes) -> dict[str, Any]:
    """Check a complete stream. Return its terminal event; raise an AssertionError that names the broken rule."""
    checker = Checker()
    for number, event in enumerate(parse(stream)):
        checker.take(number, event)
    assert checker.last, "a stream ends with one terminal event"
    return checker.last
