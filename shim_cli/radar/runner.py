"""Runs Codex through the scenarios, without a network, and returns its contract.

Never does: read or write the user's own Codex folder, pass on a credential of the environment, let Codex reach an
address other than the recorder: every proxy variable names a closed port. Invariant: a run ends within its time limit,
together with every process that it started.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from addons.adapters.codex.cli import CodexCli
from addons.adapters.system.guarded_process import GUARD, GUARD_SECONDS
from addons.adapters.system.umask import users_umask
from addons.core.codex.provider_config import PROVIDER_ID, toml_value
from addons.core.codex.row_catalog import row_entry
from addons.core.contract.contract import Contract, Names, Section, merged
from addons.core.contract.events import NEEDED_EVENTS, PROBED_EVENTS
from addons.core.contract.login import fabricated_login
from addons.core.contract.structure import catalog_structure, structure_of
from addons.core.json_values import as_object, as_str
from addons.core.limits import MIB
from addons.core.secrets import Origin
from addons.core.settings.row import ModelRow
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from shim_cli.radar.recorder import ACCOUNT, API, Recorder, serving
from shim_cli.radar.scenarios import (
    FILES,
    FIRST_BUNDLED,
    FIRST_LITE,
    PICTURE,
    ROW,
    SCENARIOS,
    Scenario,
)

LIMIT_SECONDS = 60.0
CLOSED = "http://127.0.0.1:9"
_TRACE_BYTES = 64 * MIB
"""How much of the error output is read."""
_UNHANDLED = re.compile(r'unhandled responses event: "?([a-z_.]+)')
_INHERITED = ("PATH", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "PATHEXT", "COMSPEC")
_HOMES = ("HOME", "USERPROFILE", "CODEX_HOME")
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_WINDOW = 40_000
"""The context window of the row, in tokens. One scenario exceeds it."""

Progress = Callable[[str], None]


class RadarError(Exception):
    """A run of Codex says nothing. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Radar:
    """One Codex binary, and settings of the user's for each of its runs, such as those of another provider block."""

    codex: CodexCli
    settings: tuple[str, ...] = ()
    """`KEY=VALUE`, as Codex's own `-c`."""

    def contract(self, progress: Progress) -> Contract:
        """Run every scenario. Takes about 15 s. Raises RadarError and CodexCliError."""
        version, bundled = self.codex.version(), self.codex.bundled_catalog()
        parts = [catalog_structure(bundled)]
        for scenario in SCENARIOS:
            progress(scenario.name)
            parts += self._run(scenario, version, bundled)
        return merged(version, parts)

    def _run(
        self, scenario: Scenario, version: str, bundled: bytes
    ) -> Iterator[Mapping[Section, Names]]:
        catalog, slug = _catalog(bundled, version, scenario.model)
        if not slug:
            return
        recorder = Recorder(scenario.answers, catalog)
        with (
            serving(recorder) as port,
            tempfile.TemporaryDirectory(
                prefix="codex-shim-radar-", ignore_cleanup_errors=True
            ) as root,
        ):
            trace = _Run(Path(root), port, scenario, self).execute(slug, catalog)
        turns = [r for r in recorder.requests if r.path == "/responses" and r.method != "GET"]
        if not turns:
            msg = f"Codex {version} sent no turn in the run {scenario.name!r}: {_last_line(trace)}"
            raise RadarError(msg)
        yield from (structure_of(request) for request in recorder.requests)
        if scenario.traced:
            yield {"event": dict.fromkeys(_handled(trace), frozenset[str]())}


@dataclass(frozen=True, slots=True)
class _Run:
    root: Path
    port: int
    scenario: Scenario
    radar: Radar

    def execute(self, slug: str, catalog: bytes) -> str:
        """Run Codex once and return its error output."""
        home, workspace = self.root / "home", self.root / "workspace"
        for folder in (home, workspace):
            folder.mkdir()
        paths = self._files(catalog)
        arguments = [paths.get(part, part) for part in self.scenario.arguments]
        config = self._config(slug, paths["catalog"])
        pairs = [
            f"{name}={toml_value(value)}" for name, value in config.items() if value is not None
        ]
        options = [part for pair in (*pairs, *self.radar.settings) for part in ("-c", pair)]
        if self.scenario.has_login:
            (home / "auth.json").write_bytes(fabricated_login())
        # The text comes first, because `-i` takes every argument that follows it.
        flags = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
        command = [self.radar.codex.binary, "exec", *flags, *options, "Say hello.", *arguments]
        return _output(command, workspace, self._env(home))

    def _files(self, catalog: bytes) -> dict[str, str]:
        paths = {name: self.root / f"file{number}" for number, name in enumerate(FILES)}
        for name, text in FILES.items():
            paths[name].write_text(text)
        paths["catalog"], paths[PICTURE] = self.root / "catalog.json", self.root / "picture.png"
        paths["catalog"].write_bytes(catalog)
        paths[PICTURE].write_bytes(_PIXEL)
        return {name: str(path) for name, path in paths.items()}

    def _config(self, slug: str, catalog: str) -> Mapping[str, object]:
        base, block = f"http://127.0.0.1:{self.port}", f"model_providers.{PROVIDER_ID}"
        return {
            "model": slug,
            "model_provider": PROVIDER_ID,
            "model_catalog_json": catalog,
            "chatgpt_base_url": base + ACCOUNT,
            "analytics.enabled": False,
            f"{block}.name": "codex-shim",
            f"{block}.base_url": base + API,
            f"{block}.wire_api": "responses",
            **self.scenario.config,
        }

    def _env(self, home: Path) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED)
        own = {**dict.fromkeys(_HOMES, str(home)), "NO_PROXY": "127.0.0.1,localhost"}
        trace = {"RUST_LOG": "codex_api=trace"} if self.scenario.traced else {}
        return {**inherited, **proxies, **own, **trace, "TERM": "xterm"}


def _catalog(bundled: bytes, version: str, model: str) -> tuple[bytes, str]:
    """Return the catalog of a run and the slug that it asks for; an empty slug if no model is of that kind."""
    try:
        models = as_object(orjson.loads(bundled)).get("models")
    except orjson.JSONDecodeError as error:
        msg = f"Codex {version} printed no catalog at `debug models --bundled`"
        raise RadarError(msg) from error
    entries = [as_object(entry) for entry in models] if isinstance(models, list) else []
    entry = row_entry(ModelRow(ROW, "Radar", "radar", ROW, _TARGET), _TARGET, 0, version)
    catalog = orjson.dumps({"models": [*entries, entry]})
    if model == ROW:
        return catalog, ROW
    visible = [entry for entry in entries if entry.get("visibility") == "list"]
    wanted = {FIRST_BUNDLED: False, FIRST_LITE: True}[model]
    slugs = (as_str(e.get("slug")) for e in visible if bool(e.get("use_responses_lite")) == wanted)
    return catalog, next(slugs, "")


_TARGET = Target(
    ROW,
    "Radar",
    "radar",
    ROW,
    Protocol.CHAT,
    Origin.of("http://127.0.0.1"),
    API,
    context_tokens=_WINDOW,
)


def _output(command: Sequence[str], workspace: Path, env: Mapping[str, str]) -> str:
    """Run a program to its end, end all that it leaves behind, and return its error output."""
    # a file, because a process that is left could keep a pipe open
    with tempfile.TemporaryFile() as errors:
        try:
            process, lifeline = _started(command, workspace, env, errors)
        except OSError as error:
            msg = f"{command[0]} could not be started: {error.strerror}"
            raise RadarError(msg) from error
        try:
            process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            msg = f"`{command[0]} exec` took longer than {LIMIT_SECONDS:g} s"
            raise RadarError(msg) from error
        finally:
            lifeline.close()
            _end(process)
        errors.seek(0)
        return errors.read(_TRACE_BYTES).decode(errors="replace")


def _started(
    command: Sequence[str], workspace: Path, env: Mapping[str, str], errors: IO[bytes]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a program under a guard, which ends it and all that it started when the socket is closed."""
    own_end, guard_end = socket.socketpair()
    with guard_end:
        guarded = [shutil.which(command[0]) or command[0], *command[1:]]
        inherited: tuple[int, ...] = ()
        if os.name == "posix":
            inherited = (guard_end.fileno(),)
            umask = f"{users_umask():o}"
            guarded = [sys.executable, "-I", "-S", str(GUARD), str(*inherited), umask, *guarded]
        try:
            process = subprocess.Popen(  # noqa: S603  the user's own binary, and no shell
                guarded,
                cwd=workspace,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=inherited,
                start_new_session=True,
            )
        except OSError:
            own_end.close()
            raise
    return process, own_end


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait until the guard has ended all processes; without a guard, kill the program."""
    try:
        process.wait(GUARD_SECONDS if os.name == "posix" else 0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _handled(trace: str) -> Iterator[str]:
    ignored = set(_UNHANDLED.findall(trace))
    yield from NEEDED_EVENTS
    yield from (name for name in PROBED_EVENTS if name not in ignored and name != "error")


def _last_line(text: str) -> str:
    return next(
        (line for line in reversed(text.splitlines()) if line.strip()), "it printed nothing"
    )
