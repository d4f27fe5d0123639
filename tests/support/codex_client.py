"""A client that sends one turn as Codex does, with everything secret that a client may send."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping
from typing import Any

CLIENT_SECRETS = {
    "bearer": "client-bearer-7f2e91c04bd84e6fa0c3",
    "cookie": "client-cookie-5b1d77aa20f94c0e9e6f",
    "account": "client-account-9a3c55e1d2784b7f8c10",
}
HEADERS = {
    "content-type": "application/json",
    "accept": "text/event-stream",
    "originator": "codex_exec",
    "user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)",
    "thread-id": "00000000-0000-7000-8000-00000000abcd",
    "authorization": f"Bearer {CLIENT_SECRETS['bearer']}",
    "cookie": f"session={CLIENT_SECRETS['cookie']}",
    "chatgpt-account-id": CLIENT_SECRETS["account"],
}
EXEC_TOOL = {
    "type": "function",
    "name": "exec_command",
    "description": "Runs a command in a PTY.",
    "parameters": {
        "type": "object",
        "properties": {"cmd": {"type": "string"}, "workdir": {"type": "string"}},
        "required": ["cmd"],
        "additionalProperties": False,
    },
}


def request(model: str, text: str = "Which files are here?", **more: object) -> dict[str, Any]:
    """A turn with one tool."""
    developer = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]}  # fmt: skip
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return {
        "model": model,
        "stream": True,
        "store": False,
        "input": [developer, user],
        "tools": [EXEC_TOOL, {"type": "web_search"}],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        **more,
    }


class Posted(threading.Thread):
    """A turn under way: sent when it is made, read to its end in the background."""

    def __init__(self, port: int, body: object, headers: Mapping[str, str] = HEADERS) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._body = json.dumps(body).encode()
        self._headers = dict(headers)
        self.status = 0
        self.answer = b""
        self.broke = False
        """Whether the server went away before the answer was whole."""
        self.start()

    def run(self) -> None:
        """Send, and read."""
        try:
            self._connection.request("POST", "/v1/responses", self._body, self._headers)
            response = self._connection.getresponse()
            self.status = response.status
            self.answer = response.read()
        except (OSError, http.client.HTTPException):
            self.broke = True
        finally:
            self._connection.close()

    def ended(self) -> bytes:
        """The whole answer, waited for."""
        self.join(60)
        assert not self.is_alive(), "the turn did not end"
        return self.answer
