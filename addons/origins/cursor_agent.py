"""The installed cursor-agent: where it is, and whether its user is logged in. Asked in the background, told from memory.

Never does: run anything when it is read, keep the account's name. Invariant: `available` is what the last look found;
a look takes at most `ASK_SECONDS`, and what it has started ends with it.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson

from addons.core.cursor.command import STATUS
from addons.core.cursor.settings import CursorSettings
from addons.core.cursor.status import (
    DISABLED,
    NOT_ASKED,
    NOT_FOUND,
    ON_WINDOWS,
    Availability,
    Login,
    logged_out,
    no_answer,
    read_status,
    wrong_binary,
)
from addons.origins.cursor_binary import NAMES, find_binary
from addons.origins.files import FileAccessError, write_atomic
from addons.origins.paths import Env, cursor_file

ASK_SECONDS = 15.0
UNREAD_LOOKS = 20
"""How many times longer a login is left alone that nobody asks about."""
OWN_NAME = NAMES[0]
_VERSION = re.compile(r"\d{4}\.\d{2}\.\d{2}-[0-9a-f]{6,}")
"""What Cursor's own `agent` says to --version. Other vendors have an `agent`, too."""


class CursorAgent:
    """What is known of it. `clock` gives epoch seconds."""

    def __init__(
        self,
        env: Env,
        settings: CursorSettings,
        child_env: Callable[[], Mapping[str, str]],
        clock: Callable[[], float] = time.time,
        platform: str = sys.platform,
    ) -> None:
        self._env = env
        self._settings = settings
        self._child_env = child_env
        self._clock = clock
        self._platform = platform
        self._asked_at: float | None = None
        self._asked_of = ""
        self._wanted = False
        self._is_read = False
        self._known = self._at_first()

    @property
    def available(self) -> Availability:
        """What the last look found."""
        self._is_read = True
        return self._known

    @property
    def is_fresh(self) -> bool:
        """Whether the last look is recent enough to do without another; also when there is nothing to ask."""
        until = self.fresh_until
        if until is None:
            return self._known is not NOT_ASKED
        return 0 <= until - self._clock() <= self._settings.status_seconds

    @property
    def fresh_until(self) -> float | None:
        """Until when the last answer counts (epoch seconds); None when nothing was asked."""
        return None if self._asked_at is None else self._asked_at + self._settings.status_seconds

    @property
    def file(self) -> Path:
        """Where `keep` writes."""
        return cursor_file(self._env)

    async def refresh(self) -> None:
        """Look again. Never raises."""
        found = self._found()
        if isinstance(found, Availability):
            self._known, self._asked_at = found, None
            return
        self._known = await self._asked(found)
        self._asked_of, self._asked_at = found, self._clock()

    async def next_look(self) -> None:
        """Wait until it is time for another look.

        That is soon when a turn was told that it is logged out. A login that nobody has asked about since the last
        look is left alone for longer: a look takes a second of CPU time.
        """
        import asyncio  # noqa: PLC0415  `codex-shim list` has no use for it

        began, seconds = time.monotonic(), self._settings.status_seconds
        self._is_read = False
        while not self._is_due(time.monotonic() - began):  # noqa: ASYNC110  whoever reads is in no loop
            await asyncio.sleep(min(1.0, seconds))
        self._wanted = False

    def _is_due(self, passed: float) -> bool:
        seconds = self._settings.status_seconds
        if self._wanted or passed >= seconds * UNREAD_LOOKS:
            return True
        return passed >= seconds and (self._is_read or not self._known.usable)

    def doubt(self) -> None:
        """A turn says that the login is gone: look soon."""
        self._wanted = True

    def keep(self) -> None:
        """Write down what was found, for the commands and for the next start. Not to be able to costs a second there."""
        if self._asked_at is None:
            return
        known = {
            "asked_of": self._asked_of,
            "binary": self._known.binary,
            "reason": self._known.reason,
            "asked_at": self._asked_at,
        }
        with contextlib.suppress(FileAccessError):
            write_atomic(self.file, orjson.dumps(known))

    def _at_first(self) -> Availability:
        found = self._found()
        if isinstance(found, Availability):
            return found
        try:
            known = orjson.loads(self.file.read_bytes())
            if known["asked_of"] == found:
                self._asked_of, self._asked_at = found, float(known["asked_at"])
                return Availability(found if known["binary"] else "", str(known["reason"]))
        except (OSError, ValueError, KeyError, TypeError):
            # not there, or not ours: it will be asked
            self._asked_at = None
        return NOT_ASKED

    def _found(self) -> str | Availability:
        settings = self._settings
        if settings.disabled:
            return DISABLED
        if self._platform == "win32":
            return ON_WINDOWS
        found = find_binary(self._env)
        return found or (wrong_binary(settings.binary) if settings.binary else NOT_FOUND)

    async def _asked(self, binary: str) -> Availability:
        import asyncio  # noqa: PLC0415

        try:
            async with asyncio.timeout(ASK_SECONDS):
                if not (self._settings.binary or await self._is_cursors(binary)):
                    return NOT_FOUND
                return await self._login_of(binary)
        except TimeoutError:
            return no_answer(binary, f"took longer than {ASK_SECONDS:g} s")
        except OSError as error:
            return no_answer(
                binary, f"could not be started ({error.strerror or type(error).__name__})"
            )

    async def _login_of(self, binary: str) -> Availability:
        for arguments in STATUS:
            match read_status(await self._output_of(binary, *arguments)):
                case Login.IN:
                    return Availability(binary)
                case Login.OUT:
                    return logged_out(binary)
                case Login.UNKNOWN:
                    continue
        return no_answer(binary, "gave an answer that codex-shim does not understand")

    async def _is_cursors(self, binary: str) -> bool:
        if _is_named_so(binary):
            return True
        said = await self._output_of(binary, "--version")
        return _VERSION.fullmatch(said.decode("utf-8", "replace").strip()) is not None

    async def models(self) -> bytes:
        """What `cursor-agent models` says. Raises OSError and TimeoutError."""
        import asyncio  # noqa: PLC0415

        async with asyncio.timeout(ASK_SECONDS):
            return await self._output_of(self._known.binary, "models")

    async def _output_of(self, binary: str, *arguments: str) -> bytes:
        from addons.origins.guarded import Command, output_of  # noqa: PLC0415

        return await output_of(Command([binary, *arguments], "/", self._child_env()))


def _is_named_so(binary: str) -> bool:
    """Whether the file, or where its link leads, bears Cursor's own name."""
    return OWN_NAME in (Path(binary).name, *Path(binary).resolve().parts)
