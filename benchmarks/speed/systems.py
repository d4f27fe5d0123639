"""The measured systems: no proxy, a bare mitmdump, the shim, and other proxies that the user names.

Each is started once and runs through all rounds. Only one of them has load at a time.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.speed.load import Job, Outcome
from benchmarks.speed.protocols import PATHS, PROTOCOLS, Protocol
from benchmarks.speed.recipes import RECIPES, Recipe

HERE = Path(__file__).parent
READY_SECONDS = 60.0
PEER_SECONDS = 300.0
SLUGS: Mapping[Protocol, str] = {
    "chat": "bench-chat",
    "messages": "bench-messages",
    "responses": "gpt-5.5",
}
CODEX_HEADERS = ("originator: codex_cli_rs", "thread-id: 0b0e3c2a-thread-of-the-benchmark")
"""With a thread id, the shim also compares the prompts of the thread."""


@dataclass(frozen=True, slots=True)
class System:
    """One connection between client and upstream."""

    name: str
    port: int
    translates: bool
    """Whether its clients use the Responses protocol for every upstream."""
    process: subprocess.Popen[bytes] | None = None
    scheme: str = "http"
    """The scheme between client and system."""
    routes: tuple[Protocol, ...] = PROTOCOLS
    """The protocols of upstreams that it can reach."""

    def job(self, upstream: Protocol, **fields: object) -> Job:
        """Return a job for turns to an upstream of this protocol."""
        if self.translates:
            client_protocol: Protocol = "responses"
            path, model = "/v1/responses", SLUGS[upstream]
        else:
            client_protocol, path, model = upstream, PATHS[upstream], "bench"
        tls = self.scheme == "https"
        target = {"port": self.port, "path": path, "headers": CODEX_HEADERS, "tls": tls}
        return Job(protocol=client_protocol, model=model, **target, **fields)  # type: ignore[arg-type]

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of all threads of its processes; 0 without one."""
        # In nanoseconds; `stat` has a resolution of 10 ms.
        tasks = [
            task for pid in self._pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat")
        ]
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    @property
    def rss_mib(self) -> float:
        """The resident memory of its processes, shared pages once for each."""
        sizes = (
            int(line.split()[1])
            for pid in self._pids
            for line in _proc(pid, "status").splitlines()
            if line.startswith("VmRSS")
        )
        return sum(sizes) / 1024

    @property
    def _pids(self) -> list[int]:
        return _pids_of(self.process) if self.process else []


def _pids_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the process, and those of the session if it leads one: some peers are a launcher and a server."""
    if _session(process.pid) != process.pid:
        return [process.pid]
    running = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [pid for pid in running if _session(pid) == process.pid]


def _session(pid: int) -> int:
    """Return the id of the session of a process; 0 when it has ended."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def free_port() -> int:
    """Return an unused port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = READY_SECONDS) -> None:
    """Wait until the process listens. Raises RuntimeError when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)
    msg = f"{process.args!r} does not listen on {port}"
    raise RuntimeError(msg)


def control(port: int, scheme: str = "http", **values: float) -> dict[str, int]:
    """Set how the upstream answers. Return its counts since the last call."""
    query = "&".join(f"{key}={value}" for key, value in values.items())
    url = f"{scheme}://127.0.0.1:{port}/control?{query}"
    context = _unverified() if scheme == "https" else None
    with urllib.request.urlopen(url, timeout=10, context=context) as answer:  # noqa: S310  loopback
        counts: dict[str, int] = orjson.loads(answer.read())
        return counts


def _unverified() -> ssl.SSLContext:
    return ssl._create_unverified_context()  # noqa: S323, SLF001  the counts of the local upstream


def load(job: Job, client: str = "benchmarks.speed.load") -> Outcome:
    """Run a load in a process of its own. Raises RuntimeError when an answer was wrong."""
    return finish_load(start_load(job, client))


def start_load(job: Job, client: str = "benchmarks.speed.load") -> subprocess.Popen[bytes]:
    """Start a load without waiting for it. `client`: the module to run."""
    process = python(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(orjson.dumps(job))
    process.stdin.close()
    return process


def finish_load(process: subprocess.Popen[bytes]) -> Outcome:
    """Wait for a started load. Raises RuntimeError when an answer was wrong."""
    assert process.stdout
    answer = process.stdout.read()
    process.wait()
    outcome = Outcome(**orjson.loads(answer))
    if outcome.wrong:
        msg = f"{len(outcome.wrong)} wrong answers: {outcome.wrong[0]}"
        raise RuntimeError(msg)
    return outcome


def python(module: str, *args: str, **options: object) -> subprocess.Popen[bytes]:
    """Start a module of this project with this interpreter."""
    command = [sys.executable, "-m", module, *args]
    return subprocess.Popen(command, cwd=HERE.parent.parent, **options)  # type: ignore[call-overload, no-any-return]


@contextlib.contextmanager
def upstream(certificate: str = "") -> Iterator[int]:
    """Run the upstream. Yield its port. With a certificate, a PEM file with its key, it uses TLS."""
    port = free_port()
    args = [str(port), certificate] if certificate else [str(port)]
    quiet = subprocess.DEVNULL
    with killed(python("benchmarks.speed.upstream", *args, stdout=quiet)) as process:
        wait_for(port, process)
        yield port


@contextlib.contextmanager
def killed(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Kill a process at the end."""
    try:
        yield process
    finally:
        for pid in _pids_of(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def bare_mitmdump(upstream_port: int, folder: Path, scheme: str = "http") -> Iterator[System]:
    """Run an unmodified mitmdump that streams both ways."""
    port = free_port()
    command = [
        script_path("mitmdump"), "-q", "--set", f"confdir={folder}", "--set", "connection_strategy=lazy",
        "-s", str(HERE / "streaming_addon.py"), "--ssl-insecure",
        "--mode", f"reverse:{scheme}://127.0.0.1:{upstream_port}@127.0.0.1:{port}",
    ]  # fmt: skip
    with killed(subprocess.Popen(command)) as process:
        wait_for(port, process)
        yield System("bare mitmdump", port, translates=False, process=process)


@contextlib.contextmanager
def shim(upstream_port: int, folder: Path, scheme: str = "http", ca: str = "") -> Iterator[System]:
    """Run `codex-shim serve` with default options, and its lines in a file, as `codex-shim start` does."""
    port = free_port()
    env = shim_env(folder, upstream_port, scheme)
    if ca:
        env["CODEX_SHIM_CA_FILE"] = ca
    command = [script_path("codex-shim"), "serve", "--port", str(port)]
    with (
        (folder / "serve.log").open("ab") as log,
        killed(subprocess.Popen(command, env=env, stdout=log, stderr=log)) as process,
    ):
        wait_for(port, process)
        yield System("codex-shim", port, translates=True, process=process)


@contextlib.contextmanager
def peer(given: str, upstream_port: int, folder: Path) -> Iterator[System]:
    """Run another proxy: one of `RECIPES`, or NAME=COMMAND of one that listens on $PORT and forwards to $UPSTREAM.

    A command of the user must offer the models bench-chat, bench-messages and gpt-5.5 with the Responses protocol at /v1/responses.
    """
    name, is_command, command = given.partition("=")
    recipe = Recipe("", PROTOCOLS, command) if is_command else RECIPES.get(name)
    if recipe is None:
        msg = f"{name!r} is none of {', '.join(RECIPES)}; give NAME=COMMAND for another one"
        raise SystemExit(msg)
    port = free_port()
    home = folder / f"home-of-{name}"
    home.mkdir()
    env = {**os.environ, "PORT": str(port), "UPSTREAM": f"http://127.0.0.1:{upstream_port}"}
    if recipe.install:
        env["HOME"] = str(home)
        print(f"{name}: `{recipe.install}` installs what was measured", file=sys.stderr)
    quiet = subprocess.DEVNULL
    with killed(
        subprocess.Popen(  # noqa: S602  a command of the user, or one of ours
            recipe.command,
            shell=True,
            env=env,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
        )
    ) as process:
        wait_for(port, process, PEER_SECONDS)
        yield System(name, port, translates=True, process=process, routes=recipe.routes)


def script_path(name: str) -> str:
    """Return the path of a console script of this environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, name
    return found


def shim_env(folder: Path, upstream_port: int, scheme: str = "http") -> dict[str, str]:
    """Return the environment of a shim with a home of its own: a login and two rows for the upstream."""
    home = folder / "home"
    for name in (".codex", ".codex-shim"):
        (home / name).mkdir(parents=True, exist_ok=True)
    login = {
        "tokens": {"access_token": _token(), "account_id": "6f1d0c52-93ab-4e7e-8d5c-2b7a90e4f318"}
    }
    (home / ".codex" / "auth.json").write_bytes(orjson.dumps(login))
    base = f"{scheme}://127.0.0.1:{upstream_port}"
    rows = [_row(slug, f"{base}/v1") for slug in ("bench-chat", "bench-messages")]
    (home / ".codex-shim" / "models.json").write_bytes(orjson.dumps({"models": rows}))
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {
        **inherited,
        "HOME": str(home),
        "CODEX_SHIM_STATE_DIR": str(folder / "state"),
        "CODEX_SHIM_CHATGPT_BASE_URL": f"{base}/backend-api/codex",
        "CODEX_SHIM_DISABLE_CURSOR": "1",
    }


def _row(slug: str, base_url: str) -> dict[str, object]:
    provider = "anthropic" if slug.endswith("messages") else "generic-chat-completion-api"
    return {
        "slug": slug,
        "model": "bench",
        "provider": provider,
        "base_url": base_url,
        "api_key": "bench-8Qm2vZr5Tn0wXk7Lb3Jd9Yc6",
    }


def _token() -> str:
    claims = base64.urlsafe_b64encode(orjson.dumps({"exp": 4_000_000_000})).decode().rstrip("=")
    return f"e30.{claims}.signature"
