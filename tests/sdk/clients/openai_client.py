"""Calls of the `openai` package: a call has the arguments CASE BASE_URL MODEL and prints what it received as JSON.

It runs in an environment of its own and imports nothing of this project.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import openai
from forks import serve
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import CompactedResponse, Response
from pydantic import BaseModel

ADD_ONE: Any = {
    "type": "function",
    "name": "add_one",
    "description": "Adds one.",
    "parameters": {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    },
    "strict": True,
}
NOTE: Any = {"type": "custom", "name": "note", "description": "Keeps a note."}
QUESTION: Any = {"role": "user", "content": "What is 41 + 1?"}


class Answer(BaseModel):
    """The form of a structured answer."""

    answer: int


def _summary(response: Response) -> dict[str, Any]:
    Response.model_validate(response.to_dict())
    return {
        "status": response.status,
        "text": response.output_text,
        "items": [item.type for item in response.output],
        "usage": response.usage.to_dict() if response.usage else None,
        "reason": response.incomplete_details.reason if response.incomplete_details else None,
    }


def whole(client: OpenAI, model: str) -> dict[str, Any]:
    """One answer, not streamed."""
    return _summary(client.responses.create(model=model, input="hello"))


def streamed(client: OpenAI, model: str) -> dict[str, Any]:
    """One answer, event by event."""
    kinds, text = [], ""
    last: Any = None
    for event in client.responses.create(model=model, input="hello", stream=True):
        kinds.append(event.type)
        text += event.delta if event.type == "response.output_text.delta" else ""
        last = event
    return {"kinds": kinds, "deltas": text, **_summary(last.response)}


def streamed_async(client: OpenAI, model: str) -> dict[str, Any]:
    """The same with the asynchronous client."""

    async def run() -> dict[str, Any]:
        text = ""
        async with AsyncOpenAI(base_url=client.base_url) as own:
            stream = await own.responses.create(model=model, input="hello", stream=True)
            async for event in stream:
                text += event.delta if event.type == "response.output_text.delta" else ""
        return {"deltas": text}

    return asyncio.run(run())


def helper(client: OpenAI, model: str) -> dict[str, Any]:
    """The stream helper, which assembles the response."""
    reasoning: Any = {"effort": "high", "summary": "auto"}
    with client.responses.stream(model=model, input="hello", reasoning=reasoning) as stream:
        kinds = [event.type for event in stream]
        return {"kinds": kinds, **_summary(stream.get_final_response())}


def parsed(client: OpenAI, model: str) -> dict[str, Any]:
    """Structured output, with and without streaming."""
    once = client.responses.parse(model=model, input="41 + 1?", text_format=Answer)
    with client.responses.stream(model=model, input="41 + 1?", text_format=Answer) as stream:
        again = stream.get_final_response()
    assert once.output_parsed
    assert again.output_parsed
    return {"whole": once.output_parsed.answer, "streamed": again.output_parsed.answer}


def tool_loop(client: OpenAI, model: str) -> dict[str, Any]:
    """A tool loop that sends the whole history again, as `store: false` requires."""
    history: list[Any] = [QUESTION]
    rest: Any = {
        "tools": [ADD_ONE, NOTE],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"},
    }
    kinds: list[list[str]] = []
    while True:
        with client.responses.stream(model=model, input=history, **rest) as stream:
            stream.until_done()
            response = stream.get_final_response()
        kinds.append([item.type for item in response.output])
        history += [item.to_dict(exclude_none=True) for item in response.output]
        answers = [_run(item) for item in response.output if item.type.endswith("_call")]
        if not answers:
            return {"kinds": kinds, **_summary(response)}
        history += answers


def _run(item: Any) -> dict[str, Any]:
    if item.type == "custom_tool_call":
        output = f"noted: {item.input}"
    else:
        output = str(json.loads(item.arguments)["n"] + 1)
    return {"type": f"{item.type}_output", "call_id": item.call_id, "output": output}


def chained(client: OpenAI, model: str) -> dict[str, Any]:
    """A tool loop with previous_response_id instead of the whole history."""
    tools: Any = [ADD_ONE]
    first = client.responses.create(model=model, input=[QUESTION], tools=tools)
    answers: Any = [_run(item) for item in first.output if item.type == "function_call"]
    last = client.responses.create(
        model=model, input=answers, tools=tools, previous_response_id=first.id
    )
    return {"answers": len(answers), **_summary(last)}


def compacted(client: OpenAI, model: str) -> dict[str, Any]:
    """A compaction, and a turn that continues from it."""
    compact = client.responses.compact(model=model, input=[QUESTION])
    CompactedResponse.model_validate(compact.to_dict())
    items: Any = [item.to_dict(exclude_none=True) for item in compact.output]
    last = client.responses.create(model=model, input=[*items, {"role": "user", "content": "go"}])
    return {
        "object": compact.object,
        "compacted": [item.type for item in compact.output],
        "tokens": compact.usage.total_tokens,
        **_summary(last),
    }


def refused(client: OpenAI, model: str) -> dict[str, Any]:
    """The exception of an error status, with and without streaming."""
    errors: list[dict[str, Any]] = []
    plain = client.with_options(max_retries=0)
    for stream in (True, False):
        try:
            plain.responses.create(model=model, input="hello", stream=stream)
        except openai.APIStatusError as error:
            body: Any = error.body
            error_reply = {"code": error.code, "message": body["message"]}
            wait = error.response.headers.get("retry-after")
            errors.append({"class": type(error).__name__, "wait": wait, **error_reply})
    return {"errors": errors}


def broken(client: OpenAI, model: str) -> dict[str, Any]:
    """The result of a truncated answer: its last event, or an exception."""
    last: Any = None
    for event in client.responses.create(model=model, input="hello", stream=True):
        last = event
    try:
        client.with_options(max_retries=0).responses.create(model=model, input="hello")
        error = ""
    except openai.APIStatusError as raised:
        error = type(raised).__name__
    return {"last": last.type, "code": last.response.error.code, "error": error}


CASES: dict[str, Callable[[OpenAI, str], dict[str, Any]]] = {
    one.__name__: one
    for one in (
        whole, streamed, streamed_async, helper, parsed, tool_loop, chained, compacted, refused, broken,
    )
}  # fmt: skip


def main() -> None:
    """Run one case."""
    case, base_url, model = sys.argv[1:]
    with OpenAI(base_url=base_url) as client:
        json.dump(CASES[case](client, model), sys.stdout)


if __name__ == "__main__":
    serve(main)
