"""What the gate remembers of threads: values for answers that name what their request does not hold, and masked texts.

Nearly all that an answer can name stands in its request, because clients send the whole history. The rest comes from what
only the upstream can read: a summary that it encrypted, a response that it stored, the task of a sub-agent. So a thread and
its sub-agents share their values. The masked texts of the last request save searching the same history with each turn.

Never does: write anything to a disk. Invariant: all of it is bounded, and what was forgotten costs time, or leaves a
placeholder in an answer, and never lets a value out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from addons.core.privacy.masker import MaskedText
from addons.core.privacy.placeholders import code_of

MAX_THREADS, MAX_VALUES, MAX_STEPS, MAX_RESPONSES = 200, 10_000, 400_000, 2_000
STEP_CHARACTERS = 128
"""A masked text counts as one more step for each so many characters of it: 50 MB in all."""


class ThreadMemory:
    """One thread of a client."""

    __slots__ = ("carried", "steps", "weight")

    def __init__(self) -> None:
        self.carried: dict[str, str] = {}
        """Value → placeholder of values that answers brought and no request held before."""
        self.steps: list[MaskedText] = []
        """The texts of its last request."""
        self.weight = 0
        """How many steps they count as."""

    def replace_steps(self, steps: list[MaskedText]) -> int:
        """Keep these texts. Return how many steps more they count as than those before."""
        before = self.weight
        self.steps = steps
        self.weight = len(steps) + sum(
            len(one.masked) // STEP_CHARACTERS for one in steps if one.masked
        )
        return self.weight - before


class GateMemory:
    """All threads. `lock` is held for each access, and no longer: requests are masked side by side."""

    __slots__ = ("_lock", "_responses", "_step_count", "_threads", "_values")

    def __init__(self, lock: AbstractContextManager[object] | None = None) -> None:
        """`lock` may be taken again by who holds it."""
        self._lock = lock or nullcontext()
        self._threads: OrderedDict[str, ThreadMemory] = OrderedDict()
        self._values: OrderedDict[str, dict[str, tuple[str, str]]] = OrderedDict()
        """The user's thread → code → value and placeholder."""
        self._responses: OrderedDict[str, str] = OrderedDict()
        """The id of a response → the thread, for clients that name no thread."""
        self._step_count = 0

    def thread(self, name: str) -> ThreadMemory:
        """Return the memory of a thread."""
        with self._lock:
            found = self._threads.pop(name, None) or ThreadMemory()
            self._threads[name] = found
            while len(self._threads) > MAX_THREADS:
                _, forgotten = self._threads.popitem(last=False)
                self._step_count += forgotten.replace_steps([])
            return found

    def carry(self, thread: ThreadMemory, value: str, placeholder: str) -> None:
        """Note a value that an answer brought into a thread. The next requests may hold it anywhere."""
        with self._lock:
            if value not in thread.carried and len(thread.carried) < MAX_VALUES:
                thread.carried[value] = placeholder
                # with the value known, they may be masked differently
                self.keep_steps(thread, [])

    def keep_steps(self, thread: ThreadMemory, steps: list[MaskedText]) -> None:
        """Keep the texts of a thread's last request. Threads that were not used for longest make room for them."""
        with self._lock:
            self._step_count += thread.replace_steps(steps)
            for other in self._threads.values():
                if self._step_count <= MAX_STEPS:
                    return
                self._step_count += other.replace_steps([])

    def forget_steps(self) -> None:
        """Forget all masked texts."""
        with self._lock:
            for thread in self._threads.values():
                self._step_count += thread.replace_steps([])

    def add_values(self, root: str, placeholders: Mapping[str, str]) -> None:
        """Remember the values of a request. `placeholders`: value → placeholder."""
        with self._lock:
            values = self._values.pop(root, None) or {}
            self._values[root] = values
            for value, placeholder in placeholders.items():
                values[code_of(placeholder)] = (value, placeholder)
            while len(values) > MAX_VALUES:
                del values[next(iter(values))]
            while len(self._values) > MAX_THREADS:
                self._values.popitem(last=False)

    def value(self, root: str, code: str) -> tuple[str, str] | None:
        """Return the value and the placeholder with this code; None if they are not known."""
        with self._lock:
            return self._values.get(root, {}).get(code)

    def note_response(self, response_id: str, root: str) -> None:
        """Note which thread a response belongs to."""
        with self._lock:
            self._responses[response_id] = root
            while len(self._responses) > MAX_RESPONSES:
                self._responses.popitem(last=False)

    def thread_of(self, response_id: str) -> str | None:
        """Return the thread of a response that went through the gate."""
        with self._lock:
            return self._responses.get(response_id)
