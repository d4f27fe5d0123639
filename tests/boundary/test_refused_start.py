"""A start that is refused: nobody is served while the process ends, and one sentence says why."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import addons
from tests.shim_cli.forks.client import started
from tests.shim_cli.run import environment
from tests.support.ports import free_port

BEARER = b"cl1ent-Bearer-7Qx2vKpz91"
SCRIPT = Path(addons.__path__[0]) / "codex_shim.py"
SINK = "--mode=reverse:http://127.0.0.1:9"

pytestmark = pytest.mark.timeout(60)


def ask(port: int, upstream: int, answers: list[bytes]) -> None:
    """Send one request through a forward proxy, if one listens."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
        client.settimeout(1)
        target = b"http://127.0.0.1:%d/v1/responses" % upstream
        client.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n" % (target, BEARER))  # fmt: skip
        answers.append(client.recv(100))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--mode=regular"], "reverse mode"),
        (["--mode=socks5"], "reverse mode"),
        ([SINK, "--set=ssl_insecure=true"], "certificate"),
        ([SINK, "--mode=regular@0"], "reverse mode"),
        ([SINK, "CODEX_SHIM_CA_FILE=/nowhere/ca.pem"], "/nowhere/ca.pem"),
    ],
)
def test_refused_start_serves_no_client(tmp_path: Path, options: list[str], reason: str) -> None:
    port, flows = free_port(), tmp_path / "flows"
    command = [str(Path(sys.executable).with_name("mitmdump")), "-s", str(SCRIPT), "-w", str(flows)]
    place = ["--listen-host=127.0.0.1", f"--listen-port={port}", f"--set=confdir={tmp_path}"]
    variables = dict(one.split("=", 1) for one in options if one.startswith("CODEX_"))
    options = [one for one in options if not one.startswith("CODEX_")]
    env = environment(tmp_path, variables)
    answers: list[bytes] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as upstream,
        started([*command, *place, *options], env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):  # fmt: skip
        upstream.setblocking(False)
        while process.poll() is None:
            ask(port, upstream.getsockname()[1], answers)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.005)
        assert process.stdout
        output = process.stdout.read()
        with pytest.raises(BlockingIOError):
            upstream.accept()
    assert process.returncode == 1
    assert reason in output
    assert "Traceback" not in output
    assert len([line for line in output.splitlines() if "Loading script" not in line]) == 1
    assert [answer for answer in answers if answer] == []
    assert not flows.exists() or BEARER not in flows.read_bytes()
