"""`codex-shim radar`: compare what a version of Codex sends and reads with a recorded contract.

Never does: use the user's own Codex folder or a network, apart from `--npm`, which installs. Invariant: the exit code
does not depend on what differs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import typer

from addons.adapters.codex.cli import CodexCli, CodexCliError
from addons.adapters.codex.contracts import before, read_seen, recorded
from addons.adapters.system.files import FileAccessError, write_atomic
from addons.core.contract.contract import Contract, ContractError, differences, dumps, loads
from shim_cli.console.errors import CliError
from shim_cli.radar.npm import installed
from shim_cli.radar.report import comparison_json, comparison_lines, seen_json, seen_lines
from shim_cli.radar.runner import Radar, RadarError

NO_CODEX = "Run one from npm: codex-shim radar --npm latest"


@dataclass(frozen=True, slots=True)
class RadarOptions:
    """What the command line says."""

    codex: Path | None = None
    npm: str = ""
    against: str = ""
    """A recorded version, or the path of a contract; empty for the version before."""
    config: Sequence[str] = ()
    output: Path | None = None
    as_json: bool = False


def write_comparison(env: Mapping[str, str], options: RadarOptions) -> int:
    """Run Codex through the scenarios and write what differs. Return 0; raises CliError."""
    # The base is read first, so that a mistyped one is said before Codex runs.
    base = _contract_of(options.against) if options.against else None
    codex = _codex(env, options)
    progress = _progress if sys.stderr.isatty() else _no_progress
    try:
        found = Radar(codex, tuple(options.config)).contract(progress)
    except (CodexCliError, RadarError) as error:
        raise CliError(str(error), f"Check that it runs: {codex.binary} --version") from error
    finally:
        progress("")
    if options.output:
        _write(options.output, found)
    compared = base or before(found.codex)
    changes = differences(compared, found)
    if options.as_json:
        typer.echo(orjson.dumps(comparison_json(compared, found, changes)))
    else:
        typer.echo("\n".join(comparison_lines(compared, found, changes)))
    return 0


def write_seen(env: Mapping[str, str], *, as_json: bool) -> int:
    """Write what turns through the shim had that no recorded contract has. Return 0."""
    seen = read_seen(env)
    if as_json:
        typer.echo(orjson.dumps(seen_json(seen)))
        return 0
    versions = ", ".join(contract.codex for contract in recorded())
    if not seen:
        typer.echo(f"Nothing was seen beyond the contracts of Codex {versions}.")
        return 0
    days = {one.since: time.strftime("%Y-%m-%d", time.localtime(one.since)) for one in seen}
    typer.echo(f"Seen in turns, and in no contract of Codex {versions}:")
    typer.echo("\n".join(seen_lines(seen, days)))
    return 0


def _codex(env: Mapping[str, str], options: RadarOptions) -> CodexCli:
    if options.npm:
        return CodexCli(str(installed(env, options.npm)), env)
    if options.codex:
        if not options.codex.is_file():
            msg = f"{options.codex} does not exist or is not a file"
            raise CliError(msg, "Name the program: codex-shim radar --codex PATH")
        return CodexCli(str(options.codex.absolute()), env)
    found = CodexCli.find(env)
    if found is None:
        msg = "Codex was not found on PATH, and CODEX_BIN does not name it"
        raise CliError(msg, NO_CODEX)
    return found


def _contract_of(name: str) -> Contract:
    known = {contract.codex: contract for contract in recorded()}
    if name in known:
        return known[name]
    try:
        return loads(Path(name).read_bytes())
    except OSError as error:
        versions = ", ".join(known)
        msg = f"{name!r} is no recorded version ({versions}) and no file that can be read"
        raise CliError(msg, "Write one: codex-shim radar --npm VERSION --write FILE") from error
    except ContractError as error:
        msg = f"{name} is no contract: {error}"
        raise CliError(msg, "Write one: codex-shim radar --npm VERSION --write FILE") from error


def _write(path: Path, contract: Contract) -> None:
    try:
        write_atomic(path, dumps(contract))
    except (FileAccessError, OSError) as error:
        raise CliError(str(error), "Name a folder that you can write to.") from error


def _progress(scenario: str) -> None:
    sys.stderr.write(f"\r\x1b[K{scenario}" + ("…" if scenario else ""))
    sys.stderr.flush()


def _no_progress(scenario: str) -> None:
    """Write nothing where no terminal shows it."""
