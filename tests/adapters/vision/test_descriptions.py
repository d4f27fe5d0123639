"""Which pictures are asked for, when, and what is remembered: with a model that a test plays."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from addons.adapters.vision import descriptions
from addons.adapters.vision.descriptions import PictureDescriptions
from addons.adapters.vision.own_port import NOT_REACHED
from addons.adapters.vision.store import PictureTexts
from addons.core.protocols.responses.described_pictures import Picture
from addons.core.protocols.responses.description import Answered
from addons.core.providers.vision import Ask
from tests.support.waiting import settle, until

TEXT = '<picture described-by="eyes">\nseen {}\n</picture>'


@dataclass
class Model:
    """The model that describes. It answers when the gate is open."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0
    cancelled: int = 0
    answered: Answered | Exception | None = None

    async def __call__(self, slug: str, url: str, thread: bytes, root: bytes) -> Answered:
        assert (slug, root, thread[:1]) in (("eyes", b"r", b"t"), ("eyes", b"r", b""))
        self.asked.append(url)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if isinstance(self.answered, Exception):
            raise self.answered
        return self.answered or Answered(f"seen {url}")


def pictures(*names: str) -> list[Picture]:
    return [Picture(name, names[:at].count(name), name) for at, name in enumerate(names)]


def ask(*names: str, thread: bytes = b"t1") -> Ask:
    return Ask("eyes", thread, b"r", pictures(*names))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pictures.sqlite"


def made(model: Model, path: Path) -> PictureDescriptions:
    return PictureDescriptions(model, PictureTexts(path))


def opened(answered: Answered | Exception | None = None) -> Model:
    model = Model(answered=answered)
    model.gate.set()
    return model


def waiting(known: PictureDescriptions) -> int:
    """Return how many turns wait for the picture `a`."""
    return known._jobs["a"].waiting if "a" in known._jobs else 0


async def test_each_picture_is_asked_for_once_at_most_four_at_a_time(path: Path) -> None:
    model = Model()
    known = made(model, path)
    names = ["a", "b", "c", "d", "e", "f", "a"]
    describing = asyncio.ensure_future(known.describe(ask(*names)))
    await until(lambda: model.running == descriptions.MAX_AT_ONCE)
    await settle()
    model.gate.set()
    found = await describing
    assert (sorted(model.asked), model.most) == (["a", "b", "c", "d", "e", "f"], 4)
    assert found.texts["a", 1] == found.texts["a", 0] == TEXT.format("a")
    assert (found.described, found.failure) == (6, "")
    assert known.known(b"other", pictures("b")[0]) == TEXT.format("b")


async def test_last_turn_that_leaves_ends_the_request(path: Path) -> None:
    model = Model()
    known = made(model, path)
    turns = [asyncio.ensure_future(known.describe(ask("a"))) for _ in range(2)]
    await until(lambda: waiting(known) == 2 and model.running == 1)
    turns[0].cancel()
    await until(lambda: waiting(known) == 1)
    assert model.running == 1
    turns[1].cancel()
    await until(lambda: model.cancelled == 1)
    model.gate.set()
    assert (await known.describe(ask("a"))).described == 1
    assert model.asked == ["a", "a"]


async def test_turn_that_stays_gets_the_description_that_another_asked_for(path: Path) -> None:
    model = Model()
    known = made(model, path)
    first, second = (asyncio.ensure_future(known.describe(ask("a"))) for _ in range(2))
    await until(lambda: waiting(known) == 2 and model.running == 1)
    first.cancel()
    await until(lambda: waiting(known) == 1)
    model.gate.set()
    assert (await second).texts == {("a", 0): TEXT.format("a")}
    assert model.asked == ["a"]


async def test_failure_is_remembered_for_its_place_in_its_thread(path: Path) -> None:
    failing = made(opened(Answered("", "refused", "no such\nmodel.")), path)
    found = await failing.describe(ask("a"))
    note = "[a picture was left out: eyes did not describe it: no such model]"
    assert found == ({("a", 0): note}, 0, "A picture was not described: no such\nmodel.")
    model = opened()
    known = made(model, path)
    assert (await known.describe(ask("a", "a"))).texts == {
        ("a", 0): note,
        ("a", 1): TEXT.format("a"),
    }
    assert (await known.describe(ask("a", thread=b"t2"))).texts == {("a", 0): TEXT.format("a")}
    assert known.known(b"t1", pictures("a")[0]) == note
    assert model.asked == ["a"]


@pytest.mark.parametrize("code", [NOT_REACHED, "answer_cut", "shutting_down", "key_pending"])
async def test_failure_that_passes_is_not_remembered(path: Path, code: str) -> None:
    model = opened(Answered("", code, "gone"))
    known = made(model, path)
    assert "gone" in (await known.describe(ask("a"))).texts["a", 0]
    model.answered = None
    assert (await known.describe(ask("a"))).texts == {("a", 0): TEXT.format("a")}


async def test_failure_without_a_thread_is_not_remembered(path: Path) -> None:
    model = opened(Answered("", "refused", "no"))
    known = made(model, path)
    for _ in range(2):
        await known.describe(ask("a", thread=b""))
    assert model.asked == ["a", "a"]


async def test_description_takes_no_longer_than_its_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptions, "DESCRIBE_SECONDS", 0.01)
    found = await made(Model(), path).describe(ask("a"))
    assert "it took longer than 0.01 s" in found.texts["a", 0]


async def test_turn_waits_no_longer_than_its_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptions, "HOLD_SECONDS", 0.01)
    model = Model()
    known = made(model, path)
    assert await known.describe(ask("a")) == ({}, 0, "")
    await until(lambda: model.cancelled == 1)
    assert known.known(b"t1", pictures("a")[0]) is None


async def test_bug_in_between_is_a_note(path: Path) -> None:
    found = await made(opened(RuntimeError("x")), path).describe(ask("a"))
    assert "RuntimeError in codex-shim" in found.texts["a", 0]


async def test_any_exception_in_between_is_a_note(path: Path) -> None:
    for error in (TypeError("x"), KeyError("x"), AssertionError()):
        found = await made(opened(error), path).describe(ask("a", thread=b""))
        assert f"{type(error).__name__} in codex-shim" in found.texts["a", 0]


async def test_request_with_more_pictures_than_memory_holds_pays_for_none_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptions, "MAX_IN_MEMORY", 2)
    model = opened()
    known = made(model, path)
    for _ in range(2):
        assert len((await known.describe(ask(*"abcde"))).texts) == 5
    assert len(model.asked) == 5


async def test_memory_of_failures_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "MAX_FAILURES", 2)
    model = opened(Answered("", "refused", "no"))
    known = made(model, path)
    for thread in (b"t1", b"t2", b"t3"):
        await known.describe(ask("a", thread=thread))
    assert len(known._failures) == 2
    assert known.known(b"t3", pictures("a")[0])


async def test_memory_is_bounded_and_the_disk_knows_more(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptions, "MAX_IN_MEMORY", 2)
    model = opened()
    known = made(model, path)
    for name in "abc":
        await known.describe(ask(name))
    assert known.known(b"t1", pictures("a")[0]) is None
    assert (await known.describe(ask("a"))).texts == {("a", 0): TEXT.format("a")}
    assert len(model.asked) == 3
