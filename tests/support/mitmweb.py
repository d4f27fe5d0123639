"""`codex-shim web` as its user has it: the page's own HTTP interface, with the password that it asks for.

Never does: import the proxy. Invariant: a request that mitmweb refuses fails the test.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from tests.shim_cli.served import ForkedShim
from tests.support.ports import free_port

XSRF = "0123456789abcdef0123456789abcdef"
WAIT_SECONDS = 20.0

Flow = dict[str, object]


class Mitmweb(ForkedShim):
    """A running `codex-shim web`."""

    def __init__(self, env: Mapping[str, str], log: Path, *args: str) -> None:
        self.web_port = free_port()
        self.password = secrets.token_hex(8)
        web = ("--web-port", str(self.web_port), "--set", f"web_password={self.password}")
        super().__init__(env, log, "web", "--", *web, *args)

    @property
    def url(self) -> str:
        """The page, for a browser that was told nothing else."""
        return f"http://127.0.0.1:{self.web_port}/?token={self.password}"

    def ask(self, method: str, path: str, value: object = None) -> bytes:
        """One request of the page's."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.web_port}{path}",
            data=None if value is None else json.dumps(value).encode(),
            headers={
                "authorization": f"Bearer {self.password}",
                "cookie": f"_mitmproxy_xsrf={XSRF}",
                "x-xsrftoken": XSRF,
                "content-type": "application/json",
            },
            method=method,
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            data: bytes = answer.read()
            return data

    def flows(self) -> list[Flow]:
        """What the list of flows shows, oldest first."""
        found: list[Flow] = json.loads(self.ask("GET", "/flows"))
        return found

    def turns(self) -> list[Flow]:
        """The flows that are turns."""
        return [flow for flow in self.flows() if str(_request(flow)["path"]).endswith("/responses")]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Return as soon as it holds. Raises TimeoutError."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(self.output[-2000:])
            time.sleep(0.05)

    def turn(self) -> str:
        """The id of the newest turn, waited for."""
        self.wait_for(self.turns)
        return str(self.turns()[-1]["id"])

    def ended(self, flow_id: str) -> bool:
        """Whether a flow has its whole answer, or failed."""
        flow = next(each for each in self.flows() if each["id"] == flow_id)
        response = flow.get("response")
        whole = isinstance(response, dict) and response["timestamp_end"] is not None
        return whole or "error" in flow

    def view(self, flow_id: str, message: str, view: str = "auto") -> dict[str, str]:
        """What a view shows of a message."""
        path = f"/flows/{flow_id}/{message}/content/{quote(view)}.json"
        shown: dict[str, str] = json.loads(self.ask("GET", path))
        return shown

    def body(self, flow_id: str, message: str = "request") -> bytes:
        """A message's body."""
        return self.ask("GET", f"/flows/{flow_id}/{message}/content.data")

    def edit(self, flow_id: str, content: str) -> None:
        """Replace the body of the request, as the page's editor does."""
        self.ask("PUT", f"/flows/{flow_id}", {"request": {"content": content}})

    def act(self, flow_id: str, verb: str) -> None:
        """Press a button: resume, kill, replay, duplicate, revert."""
        self.ask("POST", f"/flows/{flow_id}/{verb}", {})

    def option(self, **options: object) -> None:
        """Set options."""
        self.ask("PUT", "/options", options)

    def command(self, name: str, *arguments: str) -> object:
        """Run a command of mitmproxy's."""
        answer = json.loads(self.ask("POST", f"/commands/{name}", {"arguments": arguments}))
        assert "error" not in answer, answer
        return answer["value"]

    def is_refused_without_password(self) -> bool:
        """Whether the page keeps its data from those who do not know the password."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/flows"):
                return False
        except urllib.error.HTTPError as error:
            error.close()
            return error.code == 403


def _request(flow: Flow) -> dict[str, object]:
    request = flow["request"]
    assert isinstance(request, dict)
    return request
