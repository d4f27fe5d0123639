"""Calls of `openai-agents`: a call has the arguments CASE BASE_URL MODEL and prints what it received as JSON.

It runs in an environment of its own and imports nothing of this project.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from agents import Agent, ModelSettings, Runner, function_tool, set_tracing_disabled
from agents.models.openai_responses import OpenAIResponsesModel
from forks import serve
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel


class Answer(BaseModel):
    """The form of a structured answer."""

    answer: int


@function_tool
def add_one(n: int) -> str:
    """Add one."""
    return str(n + 1)


def _agent(model: OpenAIResponsesModel, **more: Any) -> Agent[Any]:
    settings = ModelSettings(reasoning=Reasoning(effort="high", summary="auto"))
    return Agent(
        name="adder",
        instructions="Use add_one.",
        tools=[add_one],
        model=model,
        model_settings=settings,
        **more,
    )


async def loop(model: OpenAIResponsesModel) -> dict[str, Any]:
    """A tool loop, not streamed."""
    result = await Runner.run(_agent(model), "What is 41 + 1?")
    return {"final": result.final_output, "items": [item.type for item in result.new_items]}


async def streamed(model: OpenAIResponsesModel) -> dict[str, Any]:
    """A tool loop, event by event."""
    result = Runner.run_streamed(_agent(model), "What is 41 + 1?")
    names = [event.name async for event in result.stream_events() if event.type == "run_item_stream_event"]  # fmt: skip
    return {"final": result.final_output, "names": names}


async def formed(model: OpenAIResponsesModel) -> dict[str, Any]:
    """A tool loop that ends with structured output."""
    result = await Runner.run(_agent(model, output_type=Answer), "What is 41 + 1?")
    return {"final": result.final_output.answer}


async def handed_off(model: OpenAIResponsesModel) -> dict[str, Any]:
    """One agent hands off to another."""
    other = Agent(name="speaker", instructions="Speak.", model=model)
    result = await Runner.run(_agent(model, handoffs=[other]), "Let the speaker answer.")
    return {"final": result.final_output, "last": result.last_agent.name}


CASES: dict[str, Callable[[OpenAIResponsesModel], Awaitable[dict[str, Any]]]] = {
    one.__name__: one for one in (loop, streamed, formed, handed_off)
}


async def main() -> None:
    """Run one case."""
    case, base_url, model = sys.argv[1:]
    set_tracing_disabled(disabled=True)
    async with AsyncOpenAI(base_url=base_url) as client:
        json.dump(await CASES[case](OpenAIResponsesModel(model, client)), sys.stdout)


if __name__ == "__main__":
    serve(lambda: asyncio.run(main()))
