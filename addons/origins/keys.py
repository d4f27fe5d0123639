"""The keys of rows, got when a turn needs them: from the file itself, a variable, another file, or a command.

Never does: write a key anywhere, show what a command said, wait. A command runs on a thread of its own and its answer
is kept until it is old or was refused. Invariant: a key leaves as a `SecretHeader` bound to its row's origin, and no
message holds any part of one.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from addons.core.credential import Secret, SecretHeader
from addons.core.key_places import CommandKey, EnvKey, FileKey, InlineKey, KeySlot, is_key
from addons.core.keys import KeyProblem
from addons.core.model_row import ModelRow
from addons.core.target import Target
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.paths import home

COMMAND_SECONDS = 10.0
RETRY_SECONDS = 10.0
"""How soon a command that failed is run again."""
MOST_OUTPUT_BYTES = 64 * 1024
OTHERS = 0o077

Runner = Callable[[tuple[str, ...]], Secret | KeyProblem]
Starter = Callable[[Callable[[], None]], object]


class KeyRing:
    """The places of all keys of one models.json. `folder` is where relative paths start."""

    def __init__(
        self,
        env: Mapping[str, str],
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
        start: Starter | None = None,
    ) -> None:
        self._env = env
        self._folder = folder
        self._clock = clock
        self._start = start or _start_thread
        self._files: dict[str, CachedFile] = {}
        self._commands: dict[CommandKey, CommandAnswer] = {}

    def key_of(self, row: ModelRow, target: Target) -> RowKey:
        """The key of a row: the `KeySource` of its plans."""
        return RowKey(self, row, target)

    def prepare(self, rows: Iterable[ModelRow]) -> None:
        """Run the commands of these rows ahead of the first turn, and forget all others."""
        slots = [slot for row in rows for slot in row.keys]
        wanted = {slot.place for slot in slots if isinstance(slot.place, CommandKey)}
        self._commands = {key: answer for key, answer in self._commands.items() if key in wanted}
        for key in wanted:
            self._command(key).current()

    def look(self, slot: KeySlot) -> Secret | KeyProblem:
        """The value for one header, or why there is none."""
        match slot.place:
            case InlineKey(secret):
                return secret
            case EnvKey(variables):
                return self._from_env(variables)
            case FileKey(path):
                return self._from_file(path)
            case CommandKey() as key:
                return self._command(key).current()

    def refused(self, slot: KeySlot) -> None:
        """The upstream did not take it: get it anew where that is possible."""
        if isinstance(slot.place, FileKey):
            self._file(slot.place.path).forget()
        elif isinstance(slot.place, CommandKey):
            self._command(slot.place).refused()

    def last_answer(self, place: CommandKey) -> Secret | KeyProblem | None:
        """What a command said when it was last run, if it was. Runs nothing."""
        known = self._commands.get(place)
        return known.last if known else None

    @property
    def files(self) -> tuple[Path, ...]:
        """The key files that were looked at, there or not."""
        return tuple(file.path for file in self._files.values())

    def path_of(self, place: FileKey) -> Path:
        """Where a key file is."""
        if place.path == "~" or place.path.startswith("~/"):
            return home(self._env) / place.path[2:]
        return self._folder / place.path

    def _from_env(self, variables: tuple[str, ...]) -> Secret | KeyProblem:
        for variable in variables:
            value = self._env.get(variable, "").strip()
            if value and not is_key(value):
                return KeyProblem(f"the environment variable {variable} does not hold a plain key")
            if value:
                return Secret(value)
        names = " or ".join(variables)
        return KeyProblem(f"the environment variable {names} is not set where codex-shim runs")

    def _from_file(self, name: str) -> Secret | KeyProblem:
        file = self._file(name)
        try:
            data = file.read()
        except FileAccessError as error:
            return KeyProblem(f"the key file {error}")
        if data is None:
            return KeyProblem(f"the key file {file.path} does not exist")
        found = _key_in(data)
        return found or KeyProblem(f"the key file {file.path} does not hold one plain key")

    def _file(self, name: str) -> CachedFile:
        if name not in self._files:
            self._files[name] = CachedFile(self.path_of(FileKey(name)))
        return self._files[name]

    def _command(self, key: CommandKey) -> CommandAnswer:
        if key not in self._commands:
            self._commands[key] = CommandAnswer(key, self._run, self._clock, self._start)
        return self._commands[key]

    def _run(self, argv: tuple[str, ...]) -> Secret | KeyProblem:
        program = _expanded(argv[0], self._env)
        return run_command((program, *argv[1:]), self._env, self._folder)


@dataclass(frozen=True, slots=True)
class RowKey:
    """The `KeySource` of one row."""

    ring: KeyRing
    row: ModelRow
    target: Target

    def current(self) -> tuple[SecretHeader, ...] | KeyProblem:
        """The headers that carry the row's keys."""
        headers = []
        for slot in self.row.keys:
            found = self.ring.look(slot)
            if isinstance(found, Secret):
                form = slot.form
                headers.append(SecretHeader(form.header, found, self.target.origin, form.prefix))
            elif slot.required:
                return self._told(slot, found)
        return tuple(headers)

    def refused(self) -> None:
        """The upstream refused the key."""
        for slot in self.row.keys:
            self.ring.refused(slot)

    def missing(self) -> str:
        """Why no turn can have its key; empty when it can, and for commands, whose answer comes and goes."""
        for slot in self.row.keys:
            if slot.required and isinstance(slot.place, EnvKey | FileKey):
                found = self.ring.look(slot)
                if isinstance(found, KeyProblem):
                    return self._told(slot, found).message
        return ""

    def trouble(self) -> str:
        """Why the row's command gives no key, when it was run and failed."""
        for slot in self.row.keys:
            if isinstance(slot.place, CommandKey):
                found = self.ring.last_answer(slot.place)
                if isinstance(found, KeyProblem):
                    return self._told(slot, found).message
        return ""

    def _told(self, slot: KeySlot, found: KeyProblem) -> KeyProblem:
        row = self.row
        name = f"{row.slug} ({row.provider}) has no key: {found.message}."
        advice = (
            "Send the turn again in a moment."
            if found.passing
            else f"Correct that, or {slot.field} of its row in models.json."
        )
        return KeyProblem(f"{name} {advice}", found.passing)


class CommandAnswer:
    """What one command said last. It is run in the background, at most once per TTL while it is not refused."""

    def __init__(
        self, key: CommandKey, run: Runner, clock: Callable[[], float], start: Starter
    ) -> None:
        self._key = key
        self._run = run
        self._clock = clock
        self._start = start
        self._lock = threading.Lock()
        self.last: Secret | KeyProblem | None = None
        self._due = float("-inf")
        self._running = False

    def current(self) -> Secret | KeyProblem:
        """The last answer; one that is old is used until the next has come."""
        with self._lock:
            must_run = not self._running and self._clock() >= self._due
            self._running = self._running or must_run
        if must_run:
            self._start(self._fetch)
        return self.last or KeyProblem("its auth_command is still running", passing=True)

    def refused(self) -> None:
        """Forget the answer and ask anew."""
        with self._lock:
            if not self._running:
                self.last, self._due = None, float("-inf")
        self.current()

    def _fetch(self) -> None:
        found = self._run(self._key.argv)
        with self._lock:
            self._running = False
            if isinstance(found, Secret):
                self.last, self._due = found, self._clock() + self._key.ttl_seconds
                return
            self._due = self._clock() + RETRY_SECONDS
            if not isinstance(self.last, Secret):
                self.last = found


def run_command(argv: tuple[str, ...], env: Mapping[str, str], folder: Path) -> Secret | KeyProblem:
    """Run a command that prints a key. Waits. What it prints is never told, not even when it fails."""
    name = f"its auth_command ({Path(argv[0]).name})"
    try:
        ran = subprocess.run(  # noqa: S603  the user's own program, without a shell
            argv,
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return KeyProblem(f"{name} took longer than {COMMAND_SECONDS:.0f} s")
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "its arguments are not plain"
        return KeyProblem(f"{name} could not be started: {reason}")
    if ran.returncode:
        return KeyProblem(f"{name} failed with exit code {ran.returncode}")
    return _key_in(ran.stdout) or KeyProblem(f"{name} did not print one plain key")


def readable_by_others(path: Path) -> bool:
    """Whether other users of this machine may read or write a file. Never on Windows, which keeps no such modes."""
    if os.name == "nt":
        return False
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False


def _key_in(data: bytes) -> Secret | None:
    text = data[: MOST_OUTPUT_BYTES + 1].decode("latin-1").strip()
    fits = len(data) <= MOST_OUTPUT_BYTES and is_key(text)
    return Secret(text) if fits else None


def _expanded(program: str, env: Mapping[str, str]) -> str:
    return str(home(env) / program[2:]) if program.startswith("~/") else program


def _start_thread(task: Callable[[], None]) -> object:
    thread = threading.Thread(target=task, name="auth_command", daemon=True)
    thread.start()
    return thread
