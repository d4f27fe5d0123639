"""`codex-shim drill`: run the user's Codex once against an upstream that fails on purpose.

The drill has a shim of its own, with its own state folder, settings and port. Codex keeps its folder, unless the drill is
about ChatGPT, and its config is overridden for this run alone. Never does: send a credential of the user to the drill's upstream, change the user's
settings or running shim. Invariant: shim and upstream have ended when the command ends.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import typer

from addons.adapters.codex.activate import ActivationError, write_catalog
from addons.adapters.system.local_token import ensure_token
from addons.adapters.system.paths import access_log_file, catalog_file
from addons.core.codex.provider_config import (
    NEEDS_LOGIN,
    SEARCHES_WEB,
    arguments,
    config_for,
    token_in_environment,
)
from addons.core.contract.login import fabricated_login
from addons.core.json_values import as_object, as_str
from addons.core.settings.near_miss import nearest
from addons.core.upstream.protocol import Protocol
from shim_cli.commands.launch import child_env, codex_command
from shim_cli.commands.model import default_slug, find_route
from shim_cli.console.errors import CliError, UsageProblem
from shim_cli.console.format import counted
from shim_cli.drill.drills import ALIASES, ANSWERS, DRILLS, EXPIRED_LOGIN, Drill, find
from shim_cli.drill.server import DrillUpstream, serving
from shim_cli.state.codex_config import read_config
from shim_cli.state.daemon import ensure_started, stop_daemon
from shim_cli.state.processes import exit_on_termination
from shim_cli.state.sources import open_sources

DEFAULT_ARGUMENTS = ("exec", "--skip-git-repo-check", "Say hello.")
"""What Codex is asked to do."""
PROVIDERS: Mapping[Protocol, str] = {
    Protocol.CHAT: "openai-compatible",
    Protocol.MESSAGES: "anthropic",
    Protocol.RESPONSES: "openai-responses",
}
"""The provider of a row with this protocol."""
PASSED_ON = ("PATH", "LANG", "TMPDIR", "SYSTEMROOT", "PATHEXT", "COMSPEC", "VIRTUAL_ENV")
"""Variables that the drill's own shim gets of the user's environment. No credential is among them."""
ACCOUNT = "chatgpt"


@dataclass(frozen=True, slots=True)
class Subject:
    """The model whose upstream fails."""

    slug: str
    protocol: Protocol
    is_account: bool = False
    """Whether it is a model of the ChatGPT account."""


def write_drills() -> int:
    """Write the list of drills. Return 0."""
    width = max(len(drill.name) for drill in DRILLS)
    for drill in DRILLS:
        typer.echo(f"{drill.name:<{width}}  the upstream {drill.what}")
    aliases = ", ".join(f"{alias} ({name})" for alias, name in ALIASES.items())
    typer.echo(f"Also: {aliases}.")
    return 0


def run_drill(
    env: Mapping[str, str],
    settings: Path | None,
    name: str,
    requested: str,
    args: Sequence[str],
) -> int:
    """Run one drill. Return 0 when it has ended, whatever Codex said. Raises CliError."""
    drill = _drill(name)
    codex = codex_command(env)
    subject = _subject(env, settings, name, requested)
    _refuse_profile(env, subject)
    exit_on_termination()
    upstream = DrillUpstream(drill.actions(ANSWERS[subject.protocol]))
    with (
        tempfile.TemporaryDirectory(prefix="codex-shim-drill-", ignore_cleanup_errors=True) as root,
        serving(upstream) as upstream_port,
        _shim(env, Path(root), drill, subject, upstream_port) as (own, port, slug),
    ):
        typer.echo(f"Drill {drill.name}: the upstream of {slug} {drill.what}.", err=True)
        command = [*codex, *_config(own, port, slug), *(args or DEFAULT_ARGUMENTS)]
        _run_codex(command, _codex_env(env, Path(root), subject), own)
        stop_daemon(own, port)
        lines = _outcome(access_log_file(own))
    typer.echo(f"The upstream got {counted(upstream.turns, 'turn')}. Codex got:", err=True)
    for line in lines:
        typer.echo(f"  {line}", err=True)
    typer.echo(f"docs/faults.md, row {drill.name}: what every kind of route does.", err=True)
    return 0


def _drill(name: str) -> Drill:
    if found := find(name):
        return found
    near = nearest(name, [*(drill.name for drill in DRILLS), *ALIASES])
    msg = f"there is no drill {name!r}" + (f". Did you mean {near!r}?" if near else "")
    raise UsageProblem(msg, "List the drills: codex-shim drill")


def _subject(env: Mapping[str, str], settings: Path | None, name: str, requested: str) -> Subject:
    """Return the model that the drill is about. Raises CliError."""
    if name == EXPIRED_LOGIN and not requested:
        return Subject("", Protocol.RESPONSES, is_account=True)
    sources = open_sources(env, settings)
    table = sources.table()
    if not requested and not table.live:
        return Subject("drill", Protocol.CHAT)
    route = find_route(table, requested or default_slug(env, table))
    if route.provider == ACCOUNT:
        return Subject(route.slug, Protocol.RESPONSES, is_account=True)
    for row in sources.rows.rows:
        if row.slug == route.slug and row.target:
            return Subject(row.slug, row.target.protocol)
    if requested:
        reason = route.unavailable_reason or "it has no upstream on the network"
        msg = f"no drill for {route.slug}: {reason}"
        raise CliError(msg, "Name a row of models.json or a model of ChatGPT: codex-shim list")
    return Subject("drill", Protocol.CHAT)


def _refuse_profile(env: Mapping[str, str], subject: Subject) -> None:
    """Raise CliError for a config whose profile may name a provider: it overrides the command line, up to Codex 0.133."""
    config = read_config(env)
    if config.profile and not subject.is_account:
        msg = f"{config.path} selects the profile {config.profile!r}, so that Codex could ask your real provider"
        raise CliError(msg, "Remove that line, or check your setup: codex-shim doctor")


@contextmanager
def _shim(
    env: Mapping[str, str], root: Path, drill: Drill, subject: Subject, upstream_port: int
) -> Iterator[tuple[Mapping[str, str], int, str]]:
    """Run a shim whose only upstream is the drill's. Yield its environment, its port and the slug to ask for."""
    base = f"http://127.0.0.1:{upstream_port}"
    own = {
        **{name: env[name] for name in PASSED_ON if name in env},
        "HOME": str(root),
        "USERPROFILE": str(root),
        "CODEX_HOME": str(root / "codex"),
        "CODEX_BIN": codex_command(env)[-1],
        "CODEX_SHIM_STATE_DIR": str(root / "state"),
        "CODEX_SHIM_CHATGPT_BASE_URL": f"{base}/backend-api/codex",
    }
    (root / "codex").mkdir()
    if subject.is_account:
        (root / "codex" / "auth.json").write_bytes(fabricated_login())
    file = root / "models.json"
    file.write_bytes(_settings(drill, subject, base))
    file.chmod(0o600)
    port = _free_port()
    slug = _write_catalog(own, file, subject)
    # the system closes the end of this process, however it ends
    reading, writing = os.pipe()
    try:
        ensure_started(own, port, file, reading)
        yield own, port, slug
    finally:
        stop_daemon(own, port)
        os.close(writing)
        os.close(reading)


def _settings(drill: Drill, subject: Subject, base: str) -> bytes:
    """Return the drill's models.json."""
    row = {
        "slug": subject.slug,
        "model": subject.slug,
        "provider": PROVIDERS[subject.protocol],
        "description": "the drill",
        "base_url": f"{base}/v1",
        "api_key": "drill",
    }
    rows = [] if subject.is_account else [row]
    return orjson.dumps({"limits": drill.limits, "models": rows})


def _write_catalog(own: Mapping[str, str], settings: Path, subject: Subject) -> str:
    """Write the catalog of the drill's models. Return the slug to ask for. Raises CliError."""
    table = open_sources(own, settings).table()
    try:
        written = write_catalog(own, table)
    except ActivationError as error:
        raise CliError(str(error), error.advice) from error
    account = (route.slug for route in written.live if route.provider == ACCOUNT)
    return subject.slug if written.resolve(subject.slug) else next(account, subject.slug)


def _config(own: Mapping[str, str], port: int, slug: str) -> list[str]:
    # said for a block of `enable`: with its login Codex would ask ChatGPT for plugins, over the network
    without_login = {NEEDS_LOGIN: False, SEARCHES_WEB: False}
    headers = {**token_in_environment(), **without_login}
    config = config_for(slug, port, str(catalog_file(own)), headers)
    return arguments(config)


def _codex_env(env: Mapping[str, str], root: Path, subject: Subject) -> Mapping[str, str]:
    """Return the environment of Codex: the user's, but a folder without a login for a model of ChatGPT.

    After a refusal by ChatGPT Codex would renew the login, over the network.
    """
    if not subject.is_account:
        return env
    folder = root / "codex-without-login"
    folder.mkdir()
    return {**env, "CODEX_HOME": str(folder)}


def _run_codex(command: list[str], env: Mapping[str, str], own: Mapping[str, str]) -> None:
    """Run Codex in the user's environment, and wait for its end. Raises CliError."""
    try:
        subprocess.run(  # noqa: S603  the user's own binary, and no shell
            command, check=False, env=child_env(env, ensure_token(own)), stdin=subprocess.DEVNULL
        )
    except OSError as error:
        msg = f"{command[0]} could not be started: {error.strerror}"
        raise CliError(msg, "Check your setup: codex-shim doctor") from error


def _outcome(log: Path) -> list[str]:
    """Return what the turns of the drill ended with, each kind once with its count."""
    try:
        lines = [as_object(orjson.loads(line)) for line in log.read_bytes().splitlines()]
    except FileNotFoundError:
        return ["nothing: it sent no turn"]
    kinds = Counter(_end_of(line) for line in lines)
    return [f"{kind}, {count} times" if count > 1 else kind for kind, count in kinds.items()]


def _end_of(line: Mapping[str, object]) -> str:
    parts = (f"HTTP {line.get('status')}", as_str(line.get("terminal")), as_str(line.get("error")))
    return " ".join(part for part in parts if part)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
