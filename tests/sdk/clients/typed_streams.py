"""Validate streams with the types of the `openai` package, and read each with its stream helper.

Standard input of a call: a JSON list of streams as text. Prints the faults as JSON. Runs in an environment of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, get_args

import httpx2
from forks import serve
from openai import OpenAI
from openai.types.responses import ResponseStreamEvent

Faults = Iterator[str]


def _models() -> dict[str, Any]:
    union = get_args(ResponseStreamEvent)[0]
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)}


def _events(stream: str) -> list[dict[str, Any]]:
    lines = (line for line in stream.split("\n") if line.startswith("data: "))
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def _typed(models: dict[str, Any], event: dict[str, Any]) -> Faults:
    model = models.get(event["type"])
    if model is None:
        yield f"{event['type']} is no event of the API"
        return
    try:
        model.model_validate(_with_known_code(event))
    except ValueError as error:
        yield f"{event['type']}: {error}"


def _with_known_code(event: dict[str, Any]) -> dict[str, Any]:
    """Replace the code by a known one: the API itself sends codes that the type does not list."""
    response = event.get("response") or {}
    error = response.get("error")
    if not error or not error["code"]:
        return event
    return {**event, "response": {**response, "error": {**error, "code": "server_error"}}}


def _assemble(stream: str) -> Faults:
    """Return what the stream helper raises for an event that contradicts earlier ones."""
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, text=stream))
    with (
        httpx2.Client(transport=transport) as http,
        OpenAI(base_url="http://shim.test/v1", api_key="x", http_client=http) as client,
    ):
        try:
            with client.responses.stream(model="m", input="x") as error_reply:
                kinds = [event.type for event in error_reply]
        except Exception as error:  # noqa: BLE001  a user would see any of them
            yield f"the stream helper: {error!r}"
            return
    if kinds[-1] not in {"response.completed", "response.failed", "response.incomplete"}:
        yield f"the stream helper saw {kinds[-1]} last"


def main() -> None:
    """Validate every stream."""
    models = _models()
    faults = []
    for number, stream in enumerate(json.load(sys.stdin)):
        found = [fault for event in _events(stream) for fault in _typed(models, event)]
        faults += [f"{number}: {fault}" for fault in (*found, *_assemble(stream))]
    json.dump({"faults": faults, "kinds": sorted(models)}, sys.stdout)


if __name__ == "__main__":
    serve(main)
