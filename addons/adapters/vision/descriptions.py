"""The texts that stand in place of pictures: known ones from memory and disk, new ones from the model that describes them.

Never does: ask twice for one picture, whichever turns want it at the same time; hold a picture. Invariant: a text that was used
in a thread is used there from then on: a description for every thread, a note about a failure for its place in one thread. The
last turn that waits for a description ends the request for it when it leaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from addons.adapters.system.tasks import spawn
from addons.adapters.vision.own_port import NOT_REACHED
from addons.adapters.vision.store import MAX_TEXTS, Failure, PictureTexts
from addons.core.protocols.responses.described_pictures import (
    Picture,
    Place,
    description_text,
    failure_text,
)
from addons.core.protocols.responses.description import Answered
from addons.core.providers.vision import Ask, Described

log = logging.getLogger(__name__)

DESCRIBE_SECONDS = 60.0
"""How long one description may take."""
HOLD_SECONDS = 180.0
"""How long a turn waits for all of its descriptions."""
MAX_AT_ONCE = 4
MAX_IN_MEMORY = 500
MAX_FAILURES = MAX_TEXTS
PASSING = frozenset({NOT_REACHED, "answer_cut", "shutting_down", "key_pending"})
"""Codes of failures that say nothing about the picture or the model: the next request tries again."""

AskModel = Callable[[str, str, bytes, bytes], Awaitable[Answered]]
"""Takes the slug, the address of the picture, the thread and the thread of the user."""


@dataclass(slots=True)
class _Job:
    """One description that is on its way."""

    task: asyncio.Task[Answered]
    waiting: int = 0


class PictureDescriptions:
    """One per process. All methods run on the event loop."""

    def __init__(self, ask_model: AskModel, store: PictureTexts) -> None:
        self._ask_model = ask_model
        self._store = store
        self._texts: OrderedDict[str, str] = OrderedDict()
        """By digest."""
        self._failures: dict[Failure, str] = {}
        self._is_loaded = False
        self._jobs: dict[str, _Job] = {}
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    def known(self, thread: bytes, picture: Picture) -> str | None:
        """Return what stands in place of a picture in this thread; None if that is not known yet."""
        if not self._is_loaded:
            return None
        failed = self._failures.get(_failure(thread, picture))
        return failed or self._texts.get(picture.digest)

    async def describe(self, ask: Ask) -> Described:
        """Have pictures described: those that nothing is known of, memory and disk included."""
        kept = await self._load(ask)
        texts: dict[Place, str] = {}
        wanted: dict[str, Picture] = {}
        for picture in ask.pictures:
            if text := self.known(ask.thread, picture) or kept.get(picture.digest):
                texts[picture[:2]] = text
            else:
                wanted[picture.digest] = picture
        answers = await self._answers(ask, wanted)
        for picture in ask.pictures:
            if picture[:2] not in texts and (answered := answers.get(picture.digest)):
                texts[picture[:2]] = await self._text(ask, picture, answered)
        failed = [one for one in answers.values() if one.code]
        reason = f"A picture was not described: {failed[0].message}" if failed else ""
        return Described(texts, len(answers) - len(failed), reason)

    async def _load(self, ask: Ask) -> Mapping[str, str]:
        """Return the descriptions in memory and on disk: a request may have more pictures than memory holds."""
        if not self._is_loaded:
            self._failures |= await asyncio.to_thread(self._store.failures)
            self._is_loaded = True
        wanted = {one.digest for one in ask.pictures}
        kept = {digest: self._texts[digest] for digest in wanted & self._texts.keys()}
        unknown = wanted - kept.keys()
        if unknown:
            for digest, text in (
                await asyncio.to_thread(self._store.descriptions, unknown)
            ).items():
                kept[digest] = text
                self._keep(digest, text)
        return kept

    async def _answers(self, ask: Ask, wanted: Mapping[str, Picture]) -> Mapping[str, Answered]:
        """Return the answers that come within `HOLD_SECONDS`, by digest."""
        if not wanted:
            return {}
        tasks = {
            digest: spawn(self._shared(ask, picture), "description")
            for digest, picture in wanted.items()
        }
        try:
            await asyncio.wait(tasks.values(), timeout=HOLD_SECONDS)
        finally:
            for task in tasks.values():
                task.cancel()
        ended = {digest: task for digest, task in tasks.items() if task.done()}
        return {digest: _result(task) for digest, task in ended.items() if not task.cancelled()}

    async def _shared(self, ask: Ask, picture: Picture) -> Answered:
        """Wait for the description of a picture, which another turn may have asked for."""
        job = self._jobs.get(picture.digest)
        if job is None:
            job = _Job(spawn(self._described(ask, picture), "picture"))
            self._jobs[picture.digest] = job
        job.waiting += 1
        try:
            return await asyncio.shield(job.task)
        finally:
            job.waiting -= 1
            if not job.waiting:
                if self._jobs.get(picture.digest) is job:
                    del self._jobs[picture.digest]
                job.task.cancel()

    async def _described(self, ask: Ask, picture: Picture) -> Answered:
        async with self._slots:
            try:
                async with asyncio.timeout(DESCRIBE_SECONDS):
                    answered = await self._ask_model(ask.slug, picture.url, ask.thread, ask.root)
            except TimeoutError:
                reason = f"it took longer than {DESCRIBE_SECONDS:g} s"
                return Answered("", "upstream_timeout", reason)
        if answered.code:
            return answered
        text = description_text(ask.slug, answered.text)
        text = await asyncio.to_thread(self._store.keep, picture.digest, text)
        self._keep(picture.digest, text)
        return Answered(text)

    def _keep(self, digest: str, text: str) -> None:
        self._texts[digest] = text
        self._texts.move_to_end(digest)
        while len(self._texts) > MAX_IN_MEMORY:
            self._texts.popitem(last=False)

    async def _text(self, ask: Ask, picture: Picture, answered: Answered) -> str:
        """Return what stands in place of a picture, and remember a failure."""
        if not answered.code:
            return answered.text
        text = failure_text(f"{ask.slug} did not describe it: {answered.message}")
        if ask.thread and answered.code not in PASSING:
            failure = _failure(ask.thread, picture)
            self._failures[failure] = text
            while len(self._failures) > MAX_FAILURES:
                del self._failures[next(iter(self._failures))]
            await asyncio.to_thread(self._store.keep_failure, failure, text)
        return text


def _result(task: asyncio.Task[Answered]) -> Answered:
    """Return the answer of a task, also if it raised: no picture fails a turn."""
    if (error := task.exception()) is None:
        return task.result()
    log.warning("A picture could not be described: %s", type(error).__name__)
    return Answered("", "shim_bug", f"{type(error).__name__} in codex-shim")


def _failure(thread: bytes, picture: Picture) -> Failure:
    return picture.digest, thread.decode("latin-1"), picture.number
