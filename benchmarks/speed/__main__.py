"""Measure the systems in interleaved rounds and write the results. See `--help`."""

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

from benchmarks.speed import alone, far, guard, report, websocket
from benchmarks.speed.bounds import DIRECT, SHIM, Round
from benchmarks.speed.recipes import RECIPES
from benchmarks.speed.scenarios import ABSOLUTE, SCENARIOS, Figures, Setup
from benchmarks.speed.systems import System, bare_mitmdump, peer, shim, upstream
from tests.support.certificates import Authority, make_authority


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--scenario", action="append", choices=SCENARIOS, help="Only these. May be given twice."
    )
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 measures a tenth as much.")
    parser.add_argument("--tls", action="store_true", help="Reach the upstream over TLS.")
    parser.add_argument(
        "--rtt",
        type=float,
        metavar="MS",
        help="Only the first delta at this round trip, over TLS: first turn and later ones, against direct.",
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME[=COMMAND]",
        help=f"Another proxy: {', '.join(RECIPES)}, or a command that listens on $PORT and forwards to $UPSTREAM.",
    )
    parser.add_argument("--alone", action="store_true", help="Also measure start-up and memory.")
    parser.add_argument(
        "--out",
        type=Path,
        help="A folder for speed.md, speed.json, speed.svg; with --rtt, distance.svg.",
    )
    parser.add_argument(
        "--guard", action="store_true", help="Fail on a loss against recorded.json; nothing else."
    )
    parser.add_argument(
        "--websocket",
        action="store_true",
        help="Compare clients over WebSocket with clients by HTTP; nothing else.",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="Make this run the recorded one: recorded.json, docs/performance.md and docs/speed.svg.",
    )
    return parser.parse_args()


def main() -> int:
    """Measure, print and write the results. Return 1 when the guard found a loss."""
    arguments = parse_arguments()
    if arguments.websocket:
        print(websocket.compare(arguments.rounds, arguments.scale))
        return 0
    if arguments.guard:
        return _guarded(arguments)
    if arguments.rtt:
        times = far.measure(arguments.rtt, arguments.rounds)
        print(far.report(times, arguments.rtt, arguments.rounds))
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            (arguments.out / "distance.svg").write_text(far.chart(far.medians(times)))
        return 0
    rounds = measure(arguments)
    command = shlex.join(["uv", "run", "python", "-m", "benchmarks.speed", *sys.argv[1:]])
    text = report.markdown(rounds, command)
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "speed.md").write_text(text)
        (arguments.out / "speed.json").write_bytes(report.as_json(rounds, command))
        (arguments.out / "speed.svg").write_text(report.chart(rounds))
    if arguments.record:
        guard.record(rounds)
        over_tls = measure(_over_tls(arguments))
        report.publish(rounds, over_tls, command)
    return 0


def _guarded(arguments: argparse.Namespace) -> int:
    """Compare with the recorded ratios. A loss counts when a second measurement confirms it."""
    arguments.scenario = arguments.scenario or list(guard.SCENARIOS)
    rounds = measure(arguments)
    print(report.markdown(rounds, "the guard"))
    if not guard.losses(rounds):
        return 0
    print("slower than recorded; measuring again", file=sys.stderr)
    again = measure(arguments)
    lost = _lost(rounds, again)
    if lost and guard.is_busy():
        print(f"INCONCLUSIVE, the machine is busy: {'; '.join(lost)}", file=sys.stderr)
        return 0
    for loss in lost:
        print(f"SLOWER {loss}", file=sys.stderr)
    return 1 if lost else 0


def _lost(rounds: list[Round], again: list[Round]) -> list[str]:
    first, second = guard.losses(rounds), guard.losses(again)
    return [loss for name, loss in second.items() if name in first]


def _over_tls(arguments: argparse.Namespace) -> argparse.Namespace:
    own = {"tls": True, "alone": False, "rounds": min(3, arguments.rounds)}
    own["scenario"] = ["first-delta", "a-connection-each", "flat-out", "connections"]
    return argparse.Namespace(**{**vars(arguments), **own})


def measure(arguments: argparse.Namespace) -> list[Round]:
    """Return all rounds. The figures of the shim alone are part of the first."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        authority = make_authority(folder) if arguments.tls else None
        scheme = "https" if arguments.tls else "http"
        port = stack.enter_context(upstream(str(authority.server_file) if authority else ""))
        systems = _systems(stack, port, folder, authority)
        if arguments.guard:
            systems = [system for system in systems if system.name != DIRECT]
        systems += [stack.enter_context(peer(each, port, folder)) for each in arguments.peer]
        names = arguments.scenario or list(SCENARIOS)
        rounds: list[Round] = [
            _round(names, systems, Setup(systems[0], port, scheme, arguments.scale), number)
            for number in range(arguments.rounds)
        ]
        if arguments.alone:
            rounds[0] = _with_alone(rounds[0], port, folder, arguments.scale)
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
    names: Sequence[str], systems: Sequence[System], setup: Setup, number: int
) -> dict[str, Figures]:
    found: dict[str, Figures] = {system.name: {} for system in systems}
    for name in names:
        for system in systems:
            if number and name in ABSOLUTE and system.name != SHIM:
                continue
            print(f"{number + 1}: {name}, {system.name}", file=sys.stderr, flush=True)
            found[system.name] |= SCENARIOS[name](replace(setup, system=system))
    return found


def _with_alone(first: Round, port: int, folder: Path, scale: float) -> Round:
    figures = {**first[SHIM], **alone.starts(port, folder), **alone.memory(port, folder, scale)}
    return {**first, SHIM: figures}


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
