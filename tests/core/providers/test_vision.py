"""Plans of a row whose pictures another model describes, without any socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson
import pytest
import zstandard

from addons.core.codex.threads import PICTURE, SUB_AGENT, USER
from addons.core.errors import SSE_HEADERS, Problem
from addons.core.limits import Limits
from addons.core.protocols.responses import described_pictures
from addons.core.protocols.responses.described_pictures import (
    UNREADABLE,
    Picture,
    Place,
    pictures_in,
)
from addons.core.providers.vision import (
    FOREIGN,
    TOO_LATE,
    Ask,
    Described,
    DescriptionPlan,
    NoDescriptions,
    Vision,
    takes_pictures,
    vision_problem,
)
from addons.core.routes import OneStepPlan, Route
from addons.core.secrets import Origin
from addons.core.turn import (
    Answer,
    ClientRequest,
    EndsWithTurn,
    Fault,
    FaultKind,
    Head,
    Plan,
    Prepare,
    Relay,
    Send,
    Step,
    UpstreamRequest,
)
from addons.core.upstream.repair_items import picture_digest
from tests.boundary.vision_line import picture, png, text, user
from tests.support.engine import Plain

ORIGIN = Origin("http", "127.0.0.1", 9)
FAULT = Fault(FaultKind.RESET, "gone")


@dataclass
class Echo:
    """A plan that sends the body that it got."""

    request: ClientRequest
    answers: Step | None = None

    def start(self) -> Step:
        return self.answers or self._send(self.request.body)

    def on_head(self, head: Head) -> Step:
        return Relay(replace(head, headers=SSE_HEADERS), Plain())

    def on_body(self, head: Head, body: bytes) -> Step:
        return self._send(body) if head.status < 500 else Relay(head, Plain())

    def on_fault(self, fault: Fault) -> Step:
        return self._send(fault.detail.encode())

    def _send(self, body: bytes) -> Send:
        return Send(UpstreamRequest(ORIGIN, "POST", "/", (), body))


@dataclass
class Known:
    """Descriptions that a test knows."""

    texts: dict[Place, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    asked: list[Ask] = field(default_factory=list)
    failure: str = ""

    def known(self, thread: bytes, picture: Picture) -> str | None:
        assert thread == b"t1"
        return self.texts.get(picture[:2])

    async def describe(self, ask: Ask) -> Described:
        self.asked.append(ask)
        texts = {one[:2]: self.found[one.url] for one in ask.pictures if one.url in self.found}
        return Described(texts, len(texts), self.failure)


@dataclass
class Setup:
    """A row `blind` whose pictures `eyes` describes."""

    descriptions: Known = field(default_factory=Known)
    eyes: Route | None = None
    own: Step | None = None
    """The first step of the row's plan, if it is another than to send."""
    may_use_login: bool = True
    is_row: bool = True
    made: list[ClientRequest] = field(default_factory=list)

    def plan(self, *items: object, agent: str = USER, coding: str = "", **more: object) -> Plan:
        body = orjson.dumps({"model": "blind", "input": list(items)})
        headers = [(b"thread-id", b"t1"), (b"originator", b"codex"), *more.pop("headers", [])]  # type: ignore[misc]
        if coding:
            body = zstandard.compress(body)
            headers.append((b"Content-Encoding", coding.encode()))
        request = ClientRequest("POST", "/v1/responses", tuple(headers), body, **more)  # type: ignore[arg-type]
        request.notes.agent = agent
        eyes = self.eyes or route("eyes")
        shared = Vision(
            lambda slug: eyes if slug == eyes.slug else None,
            self.descriptions,
            lambda: self.may_use_login,
            lambda _: self.is_row,
            Limits(),
        )
        return shared.maker(self.make, "eyes")(request, route("blind", vision="eyes"))

    def make(self, request: ClientRequest, _: Route) -> Plan:
        self.made.append(request)
        return Echo(request, self.own)


def route(
    slug: str, *, vision: str = "", modalities: object = ("text", "image"), hidden: str = ""
) -> Route:
    entry = {"input_modalities": modalities}
    make = OneStepPlan(Answer(Problem(400, "c", "m").reply()))
    return Route(slug, slug, "p", slug, entry, lambda *_: make, hidden, vision=vision)


def sent(step: Step) -> str:
    assert isinstance(step, Send)
    return step.request.body.decode()


def prepared(plan: Plan) -> Step:
    step = plan.start()
    assert isinstance(step, Prepare)
    asyncio.run(step.work())  # type: ignore[arg-type]
    return step.then()


def test_turn_without_pictures_is_the_turn_of_the_row() -> None:
    for items in (["hi"], [user(text("an image_url of mine"))], [user(text("hi"))]):
        setup = Setup()
        assert (
            sent(setup.plan(*items).start())
            == orjson.dumps({"model": "blind", "input": items}).decode()
        )
        assert len(setup.made) == 1
        assert setup.descriptions.asked == []


def test_maker_without_a_model_is_the_maker_of_the_row() -> None:
    make = Setup().make
    assert Vision(lambda _: None, NoDescriptions()).maker(make, "") is make


def test_known_pictures_are_replaced_at_once() -> None:
    setup = Setup()
    plan = setup.plan(user(picture(png())))
    (one,) = pictures_in({"input": [user(picture(png()))]})
    setup.descriptions.texts[one[:2]] = "a red button"
    assert '"text":"a red button"' in sent(plan.start())
    assert len(setup.made) == 1


def test_each_picture_is_digested_once_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    digested: list[str] = []

    def digest(url: str) -> str:
        digested.append(url)
        return picture_digest(url)

    monkeypatch.setattr(described_pictures, "picture_digest", digest)
    setup = Setup(Known(found={png(): "a red button"}))
    assert "a red button" in sent(prepared(setup.plan(user(picture(png())))))
    assert digested == [png()]


def test_new_pictures_are_described_first_and_the_body_is_plain() -> None:
    setup = Setup(Known(found={png(): "a red button"}))
    plan = setup.plan(user(picture(png())), coding="zstd")
    body = sent(prepared(plan))
    assert '"text":"a red button"' in body
    assert "image" not in body
    assert [name for name, _ in setup.made[-1].headers] == [b"thread-id", b"originator"]
    (ask,) = setup.descriptions.asked
    assert (ask.slug, ask.thread, ask.root, len(ask.pictures)) == ("eyes", b"t1", b"t1", 1)


def test_picture_that_took_too_long_is_a_note() -> None:
    assert TOO_LATE in sent(prepared(Setup().plan(user(picture(png())))))


def test_unreadable_picture_is_a_note_and_costs_nothing() -> None:
    setup = Setup()
    body = sent(setup.plan(user(picture("data:image/png;base64,@@"))).start())
    assert UNREADABLE in body
    assert setup.descriptions.asked == []


def test_model_that_cannot_describe_is_named_in_the_note() -> None:
    cases: Sequence[tuple[Setup, str]] = [
        (Setup(eyes=route("eyes", modalities=["text"])), "takes no pictures itself"),
        (Setup(eyes=route("eyes", vision="other")), "takes no pictures itself"),
        (Setup(eyes=route("eyes", hidden="it is switched off")), "it is switched off"),
        (Setup(eyes=route("ears")), "is no model"),
        (Setup(is_row=False, may_use_login=False), FOREIGN[:40]),
    ]
    for setup, reason in cases:
        assert reason in sent(setup.plan(user(picture(png()))).start())
        assert setup.descriptions.asked == []
    assert isinstance(Setup(may_use_login=False).plan(user(picture(png()))).start(), Prepare)


def test_turn_that_cannot_be_sent_has_nothing_described() -> None:
    refusal = Answer(Problem(400, "c", "no key").reply())
    assert Setup(own=refusal).plan(user(picture(png()))).start() is refusal


def test_request_for_a_description_is_never_described_itself() -> None:
    assert "input_image" in sent(Setup().plan(user(picture(png())), agent=PICTURE).start())


def test_notice_is_for_the_user_of_a_stream_alone() -> None:
    delta = b'data: {"type":"response.output_text.delta","delta":"x"}\n\n'
    opening = (
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n'
    )
    for agent, shown in ((USER, True), (SUB_AGENT, True), ("title", False)):
        plan = Setup(Known(found={png(): "x"}, failure="B failed.")).plan(
            user(picture(png())), agent=agent
        )
        prepared(plan)
        step = plan.on_head(Head(200))
        assert isinstance(step, Relay)
        out = step.translator.feed(opening) + step.translator.feed(delta)
        assert (
            b"A picture was described by eyes, because blind takes none. B failed." in out
        ) is shown
    quiet = Setup().plan(user(text("hi")))
    quiet.start()
    assert type(getattr(quiet.on_head(Head(200)), "translator", None)) is Plain


def test_row_decides_about_faults_and_bodies() -> None:
    plan = Setup().plan(user(text("hi")))
    plan.start()
    assert sent(plan.on_fault(FAULT)) == "gone"
    assert sent(plan.on_body(Head(400), b"again")) == "again"


def test_why_a_model_cannot_describe() -> None:
    assert vision_problem("blind", "eyes", route("eyes")) == ""
    assert "is the row itself" in vision_problem("blind", "b", route("blind"))
    assert takes_pictures(Route("s", "s", "p", "m", {}, Setup().make))
    assert not takes_pictures(route("s", modalities="image"))


def test_description_without_its_picture_is_refused() -> None:
    whole = b'{"image_url":"x"}'
    body = orjson.dumps({"model": "eyes", "input": []})
    plan = DescriptionPlan(Echo(ClientRequest("POST", "/", (), whole)))
    assert sent(plan.start()) == whole.decode()
    assert isinstance(plan.on_head(Head(200)), Relay)
    assert sent(plan.on_body(Head(400), b'{"type":"image"}')) == '{"type":"image"}'
    for step in (
        DescriptionPlan(Echo(ClientRequest("POST", "/", (), body))).start(),
        plan.on_body(Head(400), b'{"error":{"message":"no pictures here"}}'),
        plan.on_fault(FAULT),
    ):
        assert isinstance(step, Answer)
        assert b"The picture was refused by the model that should describe it" in step.reply.body
    refused = plan.on_body(Head(400), b'{"error":{"message":"no pictures here"}}')
    assert b"no pictures here" in str(refused).encode()


def test_process_that_serves_nobody_describes_nothing() -> None:
    nothing = NoDescriptions()
    nothing.known(b"", Picture("d", 0, "u"))
    assert asyncio.run(nothing.describe(Ask("s", b"", b"", ()))) == Described({})


@dataclass
class Told(Echo):
    """A plan that notes how often it was told of the end of its turn."""

    ends: int = 0

    def ended(self) -> None:
        self.ends += 1


def test_plans_of_the_row_are_told_of_the_end() -> None:
    made: list[Told] = []

    def make(request: ClientRequest, _: Route) -> Plan:
        made.append(Told(request))
        return made[-1]

    setup = Setup()
    setup.make = make  # type: ignore[method-assign]
    plan = setup.plan(user(picture(png())))
    prepared(plan)
    assert isinstance(plan, EndsWithTurn)
    plan.ended()
    assert [one.ends for one in made] == [1, 1]
    description = DescriptionPlan(made[0])
    description.ended()
    assert made[0].ends == 2
