"""The two commands at the top of README.md, in a clean checkout, with an empty home."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.readme import README, ROOT
from tests.support.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400), pytest.mark.xdist_group("checkout")]

START, TEST = README.blocks("sh")[0].lines
INSTALL = START.partition(" && ")[0]
LONGEST_START = 240


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the last commit, without anything that was built."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no checkout")
    folder = tmp_path_factory.mktemp("clone") / "codex-shim"
    clone = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)]
    subprocess.run(clone, check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An empty home and the user's Python. The cache of uv is shared, so nothing is downloaded twice."""
    root = tmp_path_factory.mktemp("newcomer")
    subprocess.run([sys.executable, "-m", "venv", str(root / "venv")], check=True, timeout=100)
    (root / "home").mkdir()
    uv = shutil.which("uv") or "uv"
    cache = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True)
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("UV_", "PIP_", "SSL_")) or name.lower().endswith("_proxy")
    }
    bin_folder = root / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = Path(sys.base_prefix) / "bin"
    path = os.pathsep.join([str(bin_folder), str(python), "/usr/bin", "/bin"])
    return {
        **passed,
        "UV_CACHE_DIR": cache.stdout.strip(),
        "UV_LINK_MODE": "copy",
        "HOME": str(root / "home"),
        "PATH": path,
        "LANG": "C.UTF-8",
    }


@contextmanager
def running(
    command: str, log: Path, folder: Path, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends; write its output to `log`."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.wait(30)


def health(port: int) -> dict[str, object] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read())
    except OSError:
        return None
    finally:
        connection.close()
    assert isinstance(answer, dict)
    return answer


def health_of(port: int, process: subprocess.Popen[bytes]) -> dict[str, object]:
    """Return the report of /health once the shim answers, or an empty one if the process ended before."""
    deadline = time.monotonic() + LONGEST_START
    while process.poll() is None and time.monotonic() < deadline:
        if found := health(port):
            return found
        time.sleep(0.2)
    return {}


def test_checkout_starts_and_answers(checkout: Path, env: Mapping[str, str]) -> None:
    port = free_port()
    log = checkout.parent / "serve.log"
    with running(START, log, checkout, {**env, "CODEX_SHIM_PORT": str(port)}) as process:
        found = health_of(port, process)
    shown = log.read_text()
    assert (found.get("ok"), found.get("models")) == (True, 1), shown
    assert f"http://127.0.0.1:{port}" in shown
    assert "shim-demo" in shown
    assert "Traceback" not in shown
    home = Path(env["HOME"])
    assert not (home / ".codex").exists()
    assert not (home / ".codex-shim" / "models.json").exists()
    assert not (home / ".local" / "state").exists()


def test_checkout_runs_its_tests(checkout: Path, env: Mapping[str, str]) -> None:
    run(INSTALL, checkout, env)
    output = run(
        f"{TEST} -n 0 tests/core/server/test_admission.py tests/test_conformance.py", checkout, env
    )
    assert "[100%]" in output


def run(command: str, folder: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout
