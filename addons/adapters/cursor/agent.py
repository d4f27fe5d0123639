"""The installed cursor-agent: its path and its login state, refreshed in the background and read from memory.

Never does: start a process when the state is read, store the account's name. Invariant: `available` is the result of the
last refresh; a refresh takes at most `QUERY_SECONDS`, and every process that it started ends with it.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson

from addons.adapters.cursor.binary import NAMES, find_binary
from addons.adapters.system.files import FileAccessError, write_atomic
from addons.adapters.system.paths import Env, cursor_file
from addons.core.cursor.command import STATUS_COMMANDS
from addons.core.cursor.settings import CursorSettings
from addons.core.cursor.status import (
    DISABLED,
    NOT_CHECKED,
    NOT_FOUND,
    ON_WINDOWS,
    Availability,
    Login,
    logged_out,
    read_status,
    status_failed,
    wrong_binary,
)

QUERY_SECONDS = 15.0
IDLE_REFRESH_FACTOR = 20
"""How many times longer a refresh waits when nothing reads the login state."""
OWN_NAME = NAMES[0]
_VERSION = re.compile(r"\d{4}\.\d{2}\.\d{2}-[0-9a-f]{6,}")
"""The version that Cursor's own `agent` prints. Other vendors also ship an `agent`."""


class CursorAgent:
    """The known state of the program. `clock` returns epoch seconds."""

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
        self._queried_at: float | None = None
        self._queried_path = ""
        self._is_requested = False
        self._is_read = False
        self._known = self._initial_state()

    @property
    def available(self) -> Availability:
        """The result of the last refresh."""
        self._is_read = True
        return self._known

    @property
    def is_fresh(self) -> bool:
        """Whether no refresh is needed: the last one is recent, or there is no program to query."""
        until = self.fresh_until
        if until is None:
            return self._known is not NOT_CHECKED
        return 0 <= until - self._clock() <= self._settings.status_seconds

    @property
    def fresh_until(self) -> float | None:
        """The end of the last result's validity (epoch seconds); None without a query."""
        return (
            None if self._queried_at is None else self._queried_at + self._settings.status_seconds
        )

    @property
    def file(self) -> Path:
        """The file that `save` writes."""
        return cursor_file(self._env)

    async def refresh(self) -> None:
        """Query the program again. Never raises."""
        found = self._locate()
        if isinstance(found, Availability):
            self._known, self._queried_at = found, None
            return
        self._known = await self._query(found)
        self._queried_path, self._queried_at = found, self._clock()

    async def wait_for_refresh(self) -> None:
        """Wait until the next refresh is due.

        It is due at once after a turn failed because of the login. It is due later when nothing has read the state since
        the last refresh, because a refresh takes a second of CPU time.
        """
        import asyncio  # noqa: PLC0415  `codex-shim list` does not need it

        began, seconds = time.monotonic(), self._settings.status_seconds
        self._is_read = False
        while not self._is_due(time.monotonic() - began):  # noqa: ASYNC110  readers run outside the loop
            await asyncio.sleep(min(1.0, seconds))
        self._is_requested = False

    def _is_due(self, passed: float) -> bool:
        seconds = self._settings.status_seconds
        if self._is_requested or passed >= seconds * IDLE_REFRESH_FACTOR:
            return True
        return passed >= seconds and (self._is_read or not self._known.usable)

    def request_refresh(self) -> None:
        """Make a refresh due, because a turn failed for lack of a login."""
        self._is_requested = True

    def save(self) -> None:
        """Write the state for commands and for the next start. A failed write only costs them a query."""
        if self._queried_at is None:
            return
        known = {
            "asked_of": self._queried_path,
            "binary": self._known.binary,
            "reason": self._known.reason,
            "asked_at": self._queried_at,
        }
        with contextlib.suppress(FileAccessError):
            write_atomic(self.file, orjson.dumps(known))

    def _initial_state(self) -> Availability:
        found = self._locate()
        if isinstance(found, Availability):
            return found
        try:
            known = orjson.loads(self.file.read_bytes())
            if known["asked_of"] == found:
                self._queried_path, self._queried_at = found, float(known["asked_at"])
                return Availability(found if known["binary"] else "", str(known["reason"]))
        except (OSError, ValueError, KeyError, TypeError):
            # The file is missing or not readable as a state, so the program is queried.
            self._queried_at = None
        return NOT_CHECKED

    def _locate(self) -> str | Availability:
        settings = self._settings
        if settings.disabled:
            return DISABLED
        if self._platform == "win32":
            return ON_WINDOWS
        path = find_binary(self._env)
        return path or (wrong_binary(settings.binary) if settings.binary else NOT_FOUND)

    async def _query(self, binary: str) -> Availability:
        import asyncio  # noqa: PLC0415

        try:
            async with asyncio.timeout(QUERY_SECONDS):
                if not (self._settings.binary or await self._is_cursor_program(binary)):
                    return NOT_FOUND
                return await self._login_state(binary)
        except TimeoutError:
            return status_failed(binary, f"took longer than {QUERY_SECONDS:g} s")
        except OSError as error:
            return status_failed(
                binary, f"could not be started ({error.strerror or type(error).__name__})"
            )

    async def _login_state(self, binary: str) -> Availability:
        for arguments in STATUS_COMMANDS:
            match read_status(await self._output_of(binary, *arguments)):
                case Login.IN:
                    return Availability(binary)
                case Login.OUT:
                    return logged_out(binary)
                case Login.UNKNOWN:
                    continue
        return status_failed(binary, "gave an answer that codex-shim does not understand")

    async def _is_cursor_program(self, binary: str) -> bool:
        if _has_own_name(binary):
            return True
        output = await self._output_of(binary, "--version")
        return _VERSION.fullmatch(output.decode("utf-8", "replace").strip()) is not None

    async def models(self) -> bytes:
        """Return the output of `cursor-agent models`. Raises OSError and TimeoutError."""
        import asyncio  # noqa: PLC0415

        async with asyncio.timeout(QUERY_SECONDS):
            return await self._output_of(self._known.binary, "models")

    async def _output_of(self, binary: str, *arguments: str) -> bytes:
        from addons.adapters.system.guarded_process import Command, output_of  # noqa: PLC0415

        return await output_of(Command([binary, *arguments], "/", self._child_env()))


def _has_own_name(binary: str) -> bool:
    """Return whether the file, or the target of its link, has Cursor's own name."""
    return OWN_NAME in (Path(binary).name, *Path(binary).resolve().parts)
