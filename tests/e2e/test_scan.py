"""The secret scan: after real turns, no place that a person can read contains a token.

Each scan has a control: the artefact must contain the prompt of the turn, because an empty file would prove nothing.
The login is that of the user, and Codex sends it as well (`requires_openai_auth`), so both sources are covered.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import StartShim
from tests.e2e.leaks import leaks, leaks_in_files
from tests.e2e.line import Line
from tests.e2e.shim import Shim, finished, shim_command
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.http_messages import Answer, Gate
from tests.support.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PROMPT = "say the word xylophone"
WEB_PASSWORD = "fabricated-web-password"

# Incomplete or invalid request heads, each with a bearer token.
BROKEN_HEADS: dict[str, bytes] = {
    "half sent": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s",
    "half sent, line ended": b"POST /v1/responses HTTP/1.1\r\nAuthorization: Bearer %s\r\n",
    "blank before the colon": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization : Bearer %s\r\nContent-Length: 0\r\n\r\n",
    "no colon": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization Bearer %s\r\n\r\n",
    "NUL": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\x00\r\nContent-Length: 0\r\n\r\n",
    "folded": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer\r\n %s\r\nContent-Length: 0\r\n\r\n",
    "no request line": b"Authorization: Bearer %s\r\n\r\n",
    "two lengths": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length is no number": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Length: x\r\n\r\n",
    "length and chunked": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "evil host": b"POST /v1/responses HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n",
    "absolute target": b"POST http://evil.example/v1/responses HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n",
    "body is no JSON": b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
    "unknown path": b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nCookie: t=%s\r\n\r\n",
    "bytes after the request": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nAuthorization: Bearer %s\r\n\r\n",
}  # fmt: skip


def answer_to(port: int, head: bytes) -> bytes:
    """Send raw bytes; return the answer, or nothing if the head was incomplete."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head)
        if b"\r\n\r\n" not in head:
            return b""
        response = http.client.HTTPResponse(connection)
        response.begin()
        return str(response.headers).encode() + response.read()


def send_broken_heads(shim: Shim, account: Account) -> None:
    """Send every broken head; no answer may repeat the token."""
    token = account.access_token.encode()
    for name, head in BROKEN_HEADS.items():
        answer = answer_to(shim.port, head.replace(b"%s", token))
        assert leaks(answer, account.secrets) == [], name
        assert b"Traceback" not in answer, name


def line_of(shim: Shim, codex: Line) -> Line:
    """Return the path of the control through codex-shim: Codex sends its own login as well."""
    return Line(codex.user, codex.backend, f"http://127.0.0.1:{shim.port}/v1", codex.provider)


def run_all_kinds_of_turns(line: Line) -> None:
    """Run a tool call, a refused login and a truncated stream."""
    call = scenarios.turn(scenarios.command("true"))
    line.backend.play(call, scenarios.text("done"))
    assert line.exec(PROMPT).messages == ["done"]
    line.configure(request_max_retries=0, stream_max_retries=0)
    refused = scenarios.error(401, "token_expired", "Provided token is expired.")
    line.backend.play(refused, scenarios.text("let in again"))
    line.exec(PROMPT)
    line.backend.play(scenarios.cut_inside(scenarios.text("half"), "response.output_text.delta"))
    line.exec(PROMPT)


def assert_clean(line: Line, account: Account, *more: Path) -> None:
    """Scan everything that codex-shim printed and wrote, without Codex's own folder."""
    user = line.user
    logs = list(user.root.glob("*.log"))
    assert logs
    assert leaks_in_files([user.state, *logs, *more], account.secrets) == {}
    ours = [path for path in user.home.iterdir() if path != user.codex_home]
    assert leaks_in_files(ours, account.secrets) == {}


def test_serve_leaks_no_secret_into_logs_files_or_answers(
    start_shim: StartShim, direct: Line, account: Account
) -> None:
    shim = start_shim(CODEX_SHIM_CHATGPT_BASE_URL=direct.backend.base_url)
    line = line_of(shim, direct)

    run_all_kinds_of_turns(line)
    send_broken_heads(shim, account)

    for path in ("/health", "/v1/models", "/v1/models?client_version=0.169.0", "/"):
        status, body = shim.get(path)
        assert status in (200, 404), path
        assert leaks(body, account.secrets) == [], path
    shim.stop()
    assert_clean(line, account)


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["status", "--json"],
        ["doctor"],
        ["doctor", "--json"],
        ["list", "--all"],
        ["list", "--json"],
        ["generate"],
    ],
    ids=" ".join,
)
def test_commands_print_and_write_no_secret(
    shim: Shim, direct: Line, account: Account, command: list[str]
) -> None:
    port = [] if command[0] == "list" else ["--port", str(shim.port)]
    env = {**direct.user.env, "CODEX_SHIM_CHATGPT_BASE_URL": direct.backend.base_url}
    done = finished(shim_command(*command, *port), env, direct.user.workspace)

    assert done.stdout
    assert "Traceback" not in done.stderr
    assert leaks((done.stdout + done.stderr).encode(), account.secrets) == []
    assert_clean(direct, account)


def test_scan_finds_the_login_in_a_flow_file_of_plain_mitmdump(
    direct: Line, account: Account, tmp_path: Path
) -> None:
    flows, port = tmp_path / "flows.mitm", free_port()
    mitmdump = str(Path(sys.executable).with_name("mitmdump"))
    upstream = urlsplit(direct.backend.base_url)
    mode = f"reverse:{upstream.scheme}://{upstream.netloc}@127.0.0.1:{port}"
    # Codex waits for a server that is not listening yet.
    direct.base_url = f"http://127.0.0.1:{port}{upstream.path}"
    direct.backend.play(scenarios.text("done"))
    command = [mitmdump, "--mode", mode, "-w", str(flows)]
    with subprocess.Popen(command, env=direct.user.env, stdout=subprocess.DEVNULL) as process:
        direct.exec(PROMPT)
        process.terminate()

    found = leaks(flows.read_bytes(), account.secrets)
    assert {"access token (plain)", "account id (plain)"} <= set(found)


@pytest.mark.parametrize("detail", ["1", "4"])
def test_mitmdump_writes_no_secret_into_flow_files_har_or_terminal(
    start_shim: StartShim, direct: Line, account: Account, tmp_path: Path, detail: str
) -> None:
    flows, har = tmp_path / "flows.mitm", tmp_path / "flows.har"
    arguments = [
        "-w",
        str(flows),
        "--set",
        f"hardump={har}",
        "--set",
        f"flow_detail={detail}",
        "-v",
    ]
    shim = start_shim(
        "mitmdump", "--", *arguments, CODEX_SHIM_CHATGPT_BASE_URL=direct.backend.base_url
    )
    line = line_of(shim, direct)

    run_all_kinds_of_turns(line)
    send_broken_heads(shim, account)
    shim.stop()

    assert PROMPT.encode() in flows.read_bytes()
    assert PROMPT in har.read_text()
    assert_clean(line, account, flows, har)


def test_flow_file_of_an_interrupted_turn_contains_no_secret(
    start_shim: StartShim, direct: Line, account: Account, tmp_path: Path
) -> None:
    flows, gate = tmp_path / "flows.mitm", Gate()
    shim = start_shim(
        "mitmdump",
        "--",
        "-w",
        str(flows),
        CODEX_SHIM_CHATGPT_BASE_URL=direct.backend.base_url,
        CODEX_SHIM_DRAIN_SECONDS="0.5",
    )
    line = line_of(shim, direct)
    line.configure(request_max_retries=0, stream_max_retries=0)
    line.backend.play(
        scenarios.gate_before(scenarios.text("late"), "response.output_item.added", gate)
    )

    running = line.begin(PROMPT, timeout=30)
    gate.wait_reached()
    shim.stop()
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.result(60)

    assert PROMPT.encode() in flows.read_bytes()
    assert_clean(line, account, flows)


class Mitmweb:
    """A client of mitmweb's HTTP API."""

    def __init__(self) -> None:
        self.port = free_port()

    @property
    def flags(self) -> list[str]:
        """Return the flags of mitmweb."""
        return ["--set", f"web_password={WEB_PASSWORD}", "--web-port", str(self.port)]

    def get(self, path: str) -> bytes:
        """Request a path with the password; return the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {WEB_PASSWORD}"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def messages(self) -> list[str]:
        """Return the paths of all requests, and of the responses that have a body."""
        with_body = (
            f"/flows/{flow['id']}/{side}"
            for flow in json.loads(self.get("/flows"))
            for side in ("request", "response")
            if (flow.get(side) or {}).get("contentLength") is not None
        )
        return list(with_body)


def everything_shown(web: Mitmweb) -> bytes:
    """Return everything that mitmweb shows of the turns, in every format."""
    paths = ["/flows", "/events", "/options", "/flows/dump"]
    for message in web.messages():
        paths += [f"{message}/content.data", f"{message}/content/auto", f"{message}/content/raw"]
    return b"\n".join(map(web.get, paths))


def held(moment: str, gate: Gate) -> Answer:
    """Return an answer that is held by the gate at this moment."""
    whole = scenarios.text("done")
    if moment == "inside the stream":
        return scenarios.gate_before(whole, "response.output_item.added", gate)
    return replace(whole, gate=gate)


@pytest.mark.parametrize("moment", ["before the head", "inside the stream", "after the end"])
def test_mitmweb_shows_no_secret_at_any_moment_of_a_turn(
    start_shim: StartShim, direct: Line, account: Account, moment: str
) -> None:
    web = Mitmweb()
    flags = ["--", *web.flags, "--no-web-open-browser"]
    shim = start_shim("web", *flags, CODEX_SHIM_CHATGPT_BASE_URL=direct.backend.base_url)
    line = line_of(shim, direct)
    line.configure()
    gate = Gate()
    line.backend.play(held(moment, gate))

    running = line.begin(PROMPT)
    gate.wait_reached()
    if moment == "after the end":
        gate.open()
        assert running.result(60).messages == ["done"]
    shown = everything_shown(web)

    assert PROMPT.encode() in shown
    assert leaks(shown, account.secrets) == []
    if moment != "after the end":
        gate.open()
        assert running.result(60).messages == ["done"]
    shim.stop()
    assert_clean(line, account)
