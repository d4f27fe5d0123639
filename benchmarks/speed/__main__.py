"""Runs the systems side by side in interleaved rounds, and writes what came out. See `--help`."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.speed import alone, guard, report
from benchmarks.speed.bounds import DIRECT, SHIM, Round
from benchmarks.speed.scenarios import ABSOLUTE, SCENARIOS, Figures, Stage
from benchmarks.speed.systems import System, bare_mitmdump, peer, shim, upstream
from tests.support.certificates import Authority, make_authority


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--scenario", action="append", choices=SCENARIOS, help="Only these. May be given twice."
    )
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 measures a tenth as much.")
    parser.add_argument("--tls", action="store_true", help="Reach the upstream over TLS.")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="Another proxy: a command that serves on $PORT and asks $UPSTREAM.",
    )
    parser.add_argument("--alone", action="store_true", help="Start-up and memory as well.")
    parser.add_argument("--out", type=Path, help="A folder for speed.md, speed.json, speed.svg.")
    parser.add_argument(
        "--guard", action="store_true", help="Fail on a loss against recorded.json; nothing else."
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="Make this run the recorded one: recorded.json, docs/performance.md and docs/speed.svg.",
    )
    return parser.parse_args()


def main() -> int:
    """Measure, print, write; 1 when the guard found a loss."""
    wanted = arguments()
    if wanted.guard:
        return _guarded(wanted)
    rounds = measure(wanted)
    command = shlex.join(["uv", "run", "python", "-m", "benchmarks.speed", *sys.argv[1:]])
    text = report.markdown(rounds, command)
    print(text)
    if wanted.out:
        wanted.out.mkdir(parents=True, exist_ok=True)
        (wanted.out / "speed.md").write_text(text)
        (wanted.out / "speed.json").write_bytes(report.as_json(rounds, command))
        (wanted.out / "speed.svg").write_text(report.chart(rounds))
    if wanted.record:
        guard.record(rounds)
        over_tls = measure(_over_tls(wanted))
        report.publish(rounds, over_tls, command)
    return 0


def _guarded(wanted: argparse.Namespace) -> int:
    """Compare with what was recorded. A loss counts when it is there a second time."""
    wanted.scenario = wanted.scenario or list(guard.SCENARIOS)
    rounds = measure(wanted)
    print(report.markdown(rounds, "the guard"))
    if not guard.losses(rounds):
        return 0
    print("slower than recorded; measured once more", file=sys.stderr)
    again = measure(wanted)
    lost = _lost(rounds, again)
    if lost and guard.is_busy():
        print(f"NOT JUDGED, others use this machine: {'; '.join(lost)}", file=sys.stderr)
        return 0
    for loss in lost:
        print(f"SLOWER {loss}", file=sys.stderr)
    return 1 if lost else 0


def _lost(rounds: list[Round], again: list[Round]) -> list[str]:
    first, second = guard.losses(rounds), guard.losses(again)
    return [words for name, words in second.items() if name in first]


def _over_tls(wanted: argparse.Namespace) -> argparse.Namespace:
    own = {"tls": True, "alone": False, "rounds": min(3, wanted.rounds)}
    own["scenario"] = ["first-delta", "a-connection-each", "flat-out", "connections"]
    return argparse.Namespace(**{**vars(wanted), **own})


def measure(wanted: argparse.Namespace) -> list[Round]:
    """All rounds. What is measured of the shim alone is part of the first."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        authority = make_authority(folder) if wanted.tls else None
        scheme = "https" if wanted.tls else "http"
        port = stack.enter_context(upstream(str(authority.server_file) if authority else ""))
        systems = _systems(stack, port, folder, authority)
        if wanted.guard:
            systems = [system for system in systems if system.name != DIRECT]
        for each in wanted.peer:
            peer_name, _, command = each.partition("=")
            systems.append(stack.enter_context(peer(peer_name, command, port)))
        names = wanted.scenario or list(SCENARIOS)
        rounds: list[Round] = [
            _round(names, systems, Stage(systems[0], port, scheme, wanted.scale), number)
            for number in range(wanted.rounds)
        ]
        if wanted.alone:
            rounds[0] = _with_alone(rounds[0], port, folder, wanted.scale)
        return rounds


def _systems(
    stack: ExitStack, port: int, folder: Path, authority: Authority | None
) -> list[System]:
    confdir = folder / "mitmproxy"
    if authority:
        ours = shim(port, folder, "https", ca=str(authority.ca_file))
        ways = (bare_mitmdump(port, confdir, "https"), ours)
        direct = System(DIRECT, port, translates=False, scheme="https")
    else:
        ways = (bare_mitmdump(port, confdir), shim(port, folder))
        direct = System(DIRECT, port, translates=False)
    return [direct, *map(stack.enter_context, ways)]


def _round(
    names: Sequence[str], systems: Sequence[System], stage: Stage, number: int
) -> dict[str, Figures]:
    found: dict[str, Figures] = {system.name: {} for system in systems}
    for name in names:
        for system in systems:
            if number and name in ABSOLUTE and system.name != SHIM:
                continue
            print(f"{number + 1}: {name}, {system.name}", file=sys.stderr, flush=True)
            found[system.name] |= SCENARIOS[name](replace(stage, system=system))
    return found


def _with_alone(first: Round, port: int, folder: Path, scale: float) -> Round:
    figures = {**first[SHIM], **alone.starts(port, folder), **alone.memory(port, folder, scale)}
    return {**first, SHIM: figures}


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
