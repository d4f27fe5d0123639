"""The request of a turn with pictures is a prefix of the request of its continuation, whatever happens to descriptions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import orjson
from hypothesis import given
from hypothesis import strategies as st

from addons.adapters.vision.descriptions import PictureDescriptions
from addons.adapters.vision.store import Failure, PictureTexts
from addons.core.protocols.responses.description import Answered
from addons.core.providers.vision import Vision
from addons.core.routes import OneStepPlan, Route
from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Plan, Prepare, Send, Step, UpstreamRequest
from tests.boundary.vision_line import answer, picture, png, text, user

URLS = (*(png(shade) for shade in range(3)), "https://e.x/a.png", "data:image/png;base64,@@")
PARTS = st.sampled_from([text("hi"), *map(picture, URLS)])
TURNS = st.lists(st.lists(PARTS, max_size=3), min_size=1, max_size=5)
OUTCOMES = st.lists(st.sampled_from(["described", "refused", "empty_answer"]), max_size=8)
ORIGIN = Origin("http", "127.0.0.1", 9)


class Disk:
    """The file of texts, in memory."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.notes: dict[Failure, str] = {}

    def descriptions(self, digests: Collection[str]) -> Mapping[str, str]:
        return {one: self.texts[one] for one in digests if one in self.texts}

    def failures(self) -> Mapping[Failure, str]:
        return self.notes

    def keep(self, digest: str, text: str) -> str:
        return self.texts.setdefault(digest, text)

    def keep_failure(self, failure: Failure, text: str) -> None:
        self.notes.setdefault(failure, text)


def route(slug: str, vision: str = "") -> Route:
    return Route(slug, slug, "p", slug, {}, lambda *_: cast("Plan", None), vision=vision)


def sent_by(request: ClientRequest, _: Route) -> Plan:
    return OneStepPlan(cast("Step", Send(UpstreamRequest(ORIGIN, "POST", "/", (), request.body))))  # type: ignore[arg-type]


async def sent(known: PictureDescriptions, items: Sequence[object], thread: bytes) -> list[object]:
    """Return the input that goes to the model that takes no pictures."""
    body = orjson.dumps({"model": "blind", "input": items})
    request = ClientRequest("POST", "/v1/responses", ((b"thread-id", thread),), body)
    make = Vision(lambda _: route("eyes"), known).maker(sent_by, "eyes")
    step = make(request, route("blind", vision="eyes")).start()
    if isinstance(step, Prepare):
        await step.work()
        step = step.then()
    assert isinstance(step, Send)
    return cast("list[object]", orjson.loads(step.request.body)["input"])


@given(TURNS, OUTCOMES, st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4)))
def test_history_is_a_prefix_of_its_continuation(
    turns: Sequence[Sequence[object]],
    outcomes: list[str],
    restarts: set[int],
    others: set[int],
) -> None:
    async def run() -> None:
        paid: list[str] = []

        async def ask_model(_slug: str, url: str, *_: bytes) -> Answered:
            paid.append(url)
            outcome = outcomes[len(paid) - 1] if len(paid) <= len(outcomes) else "described"
            number = len(paid)
            return Answered(f"seen {number}") if outcome == "described" else Answered("", outcome, f"no {number}")  # fmt: skip

        disk = cast("PictureTexts", Disk())
        known = PictureDescriptions(ask_model, disk)
        history: list[object] = []
        before: list[object] = []
        for at, parts in enumerate(turns):
            if at in restarts:
                known = PictureDescriptions(ask_model, disk)
            if at in others:
                await sent(known, [user(*map(picture, URLS))], b"other")
            history.append(user(*cast("list[dict[str, object]]", parts)))
            now = await sent(known, history, b"t1")
            assert now[: len(before)] == before
            assert not any(url in str(now) for url in URLS)
            before = now
            history.append(answer("understood"))
        assert "data:image/png;base64,@@" not in paid

    asyncio.run(run())
