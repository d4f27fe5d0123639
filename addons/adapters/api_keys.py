"""The keys of rows, resolved when a turn needs them: from models.json, a variable, a file or a command.

Never writes a key, shows a command's output or waits. A command runs on a thread of its own; its output is used until
it expires or an upstream refuses it. Invariant: a key leaves as a `SecretHeader` bound to its row's origin, and no
message holds any part of a key.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import home
from addons.core.secrets import Secret, SecretHeader
from addons.core.settings.key_refs import (
    CommandKey,
    EnvKey,
    FileKey,
    InlineKey,
    KeyRef,
    SecretHeaderSpec,
    is_key,
)
from addons.core.settings.row import ModelRow
from addons.core.upstream.api_keys import KeyProblem
from addons.core.upstream.target import Target

COMMAND_SECONDS = 10.0
RETRY_SECONDS = 10.0
"""How soon a command that failed runs again."""
MAX_OUTPUT_BYTES = 64 * 1024
OTHERS_MODE = 0o077

Runner = Callable[[tuple[str, ...]], Secret | KeyProblem]
Starter = Callable[[Callable[[], None]], object]


class KeyRing:
    """Resolves all keys of one models.json. Relative paths start at `folder`."""

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
        self._commands: dict[CommandKey, CommandOutput] = {}

    def key_for(self, row: ModelRow, target: Target) -> RowKey:
        """Return the key of a row: the `KeySource` of its plans."""
        return RowKey(self, row, target)

    def prepare(self, rows: Iterable[ModelRow]) -> None:
        """Run the commands of these rows before the first turn, and forget all others."""
        keys = [header.key for row in rows for header in row.keys]
        wanted = {key for key in keys if isinstance(key, CommandKey)}
        self._commands = {key: answer for key, answer in self._commands.items() if key in wanted}
        for key in wanted:
            self._command(key).current()

    def resolve(self, ref: KeyRef) -> Secret | KeyProblem:
        """Return a key, or the reason why there is none."""
        match ref:
            case InlineKey(secret):
                return secret
            case EnvKey(variables):
                return self._from_env(variables)
            case FileKey(path):
                return self._from_file(path)
            case CommandKey() as key:
                return self._command(key).current()

    def refused(self, ref: KeyRef) -> None:
        """Note that an upstream refused a key, and fetch it again where that is possible."""
        if isinstance(ref, FileKey):
            self._file(ref.path).forget()
        elif isinstance(ref, CommandKey):
            self._command(ref).refused()

    def last_output(self, key: CommandKey) -> Secret | KeyProblem | None:
        """Return the result of a command's last run, if there was one. Runs nothing."""
        known = self._commands.get(key)
        return known.last if known else None

    @property
    def files(self) -> tuple[Path, ...]:
        """The key files that were looked up, whether they exist or not."""
        return tuple(file.path for file in self._files.values())

    def key_file_path(self, key: FileKey) -> Path:
        """Return the path of a key file."""
        if key.path == "~" or key.path.startswith("~/"):
            return home(self._env) / key.path[2:]
        return self._folder / key.path

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
            self._files[name] = CachedFile(self.key_file_path(FileKey(name)))
        return self._files[name]

    def _command(self, key: CommandKey) -> CommandOutput:
        if key not in self._commands:
            self._commands[key] = CommandOutput(key, self._run, self._clock, self._start)
        return self._commands[key]

    def _run(self, argv: tuple[str, ...]) -> Secret | KeyProblem:
        program = _expanded(argv[0], self._env)
        return run_command((program, *argv[1:]), self._env, self._folder)


_LOOKED_UP = (EnvKey, FileKey)


@dataclass(frozen=True, slots=True)
class RowKey:
    """The `KeySource` of one row."""

    ring: KeyRing
    row: ModelRow
    target: Target

    def current(self) -> tuple[SecretHeader, ...] | KeyProblem:
        """Return the headers that carry the row's keys."""
        headers = []
        for spec in self.row.keys:
            found = self.ring.resolve(spec.key)
            if isinstance(found, Secret):
                scheme, origin = spec.scheme, self.target.origin
                headers.append(SecretHeader(scheme.header, found, origin, scheme.prefix))
            elif spec.required:
                return self._problem(spec, found)
        return tuple(headers)

    def refused(self) -> None:
        """Note that the upstream refused the key."""
        for spec in self.row.keys:
            self.ring.refused(spec.key)

    def missing_reason(self) -> str:
        """Return why no turn can have its key; empty when it can, and for commands, which may succeed the next time."""
        for spec in self.row.keys:
            if spec.required and isinstance(spec.key, _LOOKED_UP):
                found = self.ring.resolve(spec.key)
                if isinstance(found, KeyProblem):
                    return self._problem(spec, found).message
        return ""

    @property
    def is_looked_up(self) -> bool:
        """Whether `missing_reason` depends on the environment or on a file."""
        return any(spec.required and isinstance(spec.key, _LOOKED_UP) for spec in self.row.keys)

    def command_problem(self) -> str:
        """Return why the last run of the row's command gave no key; empty if it did, or never ran."""
        for spec in self.row.keys:
            if isinstance(spec.key, CommandKey):
                found = self.ring.last_output(spec.key)
                if isinstance(found, KeyProblem):
                    return self._problem(spec, found).message
        return ""

    def _problem(self, spec: SecretHeaderSpec, found: KeyProblem) -> KeyProblem:
        row = self.row
        name = f"{row.slug} ({row.provider}) has no key: {found.message}."
        advice = (
            "Send the turn again in a moment."
            if found.is_pending
            else f"Correct that, or {spec.field} of its row in models.json."
        )
        return KeyProblem(f"{name} {advice}", found.is_pending)


class CommandOutput:
    """The last result of one command. It runs in the background, at most once per TTL unless its key is refused."""

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
        """Return the last result. An expired one is used until the next one arrives."""
        with self._lock:
            must_run = not self._running and self._clock() >= self._due
            self._running = self._running or must_run
        if must_run:
            self._start(self._fetch)
        return self.last or KeyProblem("its auth_command is still running", is_pending=True)

    def refused(self) -> None:
        """Forget the result and run the command again."""
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
    """Run a command that prints a key, and wait for it. No message holds its output, not even when it fails."""
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


def is_open_to_others(path: Path) -> bool:
    """Return whether other users of this machine may read or write a file. Always False on Windows, which has no such modes."""
    if os.name == "nt":
        return False
    try:
        return bool(path.stat().st_mode & OTHERS_MODE)
    except OSError:
        return False


def _key_in(data: bytes) -> Secret | None:
    text = data[: MAX_OUTPUT_BYTES + 1].decode("latin-1").strip()
    fits = len(data) <= MAX_OUTPUT_BYTES and is_key(text)
    return Secret(text) if fits else None


def _expanded(program: str, env: Mapping[str, str]) -> str:
    return str(home(env) / program[2:]) if program.startswith("~/") else program


def _start_thread(task: Callable[[], None]) -> object:
    thread = threading.Thread(target=task, name="auth_command", daemon=True)
    thread.start()
    return thread
