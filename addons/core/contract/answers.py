"""Scripted answers of a model, as events of the Responses API, for a client that is watched.

Never does: hold an id that two events of one answer share by accident. Invariant: each answer ends with one terminal
event. Source: the event stream that Codex 0.133 to 0.171 reads (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from addons.core.contract.events import PROBED_EVENTS
from addons.core.json_values import JsonDict

Event = JsonDict
Answer = tuple[Event, ...]


def message(text: str) -> Event:
    """Return an item with a text of the assistant."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content}


def reasoning(text: str) -> Event:
    """Return an item with a reasoning summary and content that only its upstream can read."""
    summary = [{"type": "summary_text", "text": text}]
    return {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "b3BhcXVl"}


def function_call(name: str, arguments: JsonDict, namespace: str = "", number: int = 1) -> Event:
    """Return an item that calls a function of the client."""
    call: Event = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": name}  # fmt: skip
    if namespace:
        call["namespace"] = namespace
    return call | {"arguments": orjson.dumps(arguments).decode()}


def custom_call(name: str, text: str, number: int = 1) -> Event:
    """Return an item that calls a tool whose input is plain text."""
    return {"type": "custom_tool_call", "id": f"ctc_{number}", "call_id": f"call_c{number}", "name": name, "input": text}  # fmt: skip


def script(text: str, number: int = 1) -> Event:
    """Return an item that runs a script with the tools of a responses-lite model."""
    return custom_call("exec", text, number) | {"namespace": "functions"}


def answer(*items: Event, tokens: int = 100) -> Answer:
    """Return an answer with these items. `tokens` is what it says it used in all."""
    usage = {
        "input_tokens": tokens - 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens,
    }
    response = {"id": "resp_1", "object": "response", "output": [], "usage": usage}
    events: list[Event] = [{"type": "response.created", "response": {"id": "resp_1"}}]
    for index, item in enumerate(items):
        events += (
            {"type": f"response.output_item.{state}", "output_index": index, "item": item}
            for state in ("added", "done")
        )
    return (*events, {"type": "response.completed", "response": response})


def probes() -> Answer:
    """Return an answer with every event that a client may read or ignore."""
    whole = answer(message("Done."))
    return (whole[0], *(_probe(name) for name in PROBED_EVENTS if name != "error"), *whole[1:])


def _probe(name: str) -> Event:
    places = {"output_index": 0, "content_index": 0, "summary_index": 0, "item_id": "msg_1"}
    return {"type": name, "delta": "", "text": "", **places}


def as_stream(events: Iterable[Event]) -> bytes:
    """Return the events as a body of type `text/event-stream`."""
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), orjson.dumps(event))
        for event in events
    )
