"""Where a report's turn comes from: a running shim, which gives it masked, or a file of flows.

Never does: ask anything but this machine, use a proxy of the environment. Invariant: the text of a turn only ever comes
from a file that the user named.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from addons.origins.paths import state_dir
from shim_cli.errors import CliError

LIMIT_SECONDS = 30.0
TOKEN_HEADER = "x-codex-shim-token"  # noqa: S105  a header's name
SAVE_FIRST = (
    "Save flows to a file: codex-shim mitmdump -- -w FILE, then codex-shim report --flow-file FILE"
)


def turn_of_running_shim(env: Mapping[str, str], port: int, flow_id: str) -> dict[str, object]:
    """The newest turn, or the one of this id, masked by the shim itself. Raises CliError."""
    url = f"http://127.0.0.1:{port}/api/turns?id={quote(flow_id)}"
    request = urllib.request.Request(url, headers=_token(env))
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=LIMIT_SECONDS) as answer:
            found = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            raise CliError(_reason(error.read()), SAVE_FIRST) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        msg = f"no turn from a running shim on port {port}: {type(reason).__name__}"
        raise CliError(msg, SAVE_FIRST) from None
    return found if isinstance(found, dict) else {}


def _token(env: Mapping[str, str]) -> dict[str, str]:
    try:
        return {TOKEN_HEADER: (state_dir(env) / "token").read_text().strip()}
    except OSError:
        return {}


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "the shim that runs gives no turns"


def turn_of_file(path: Path, flow_id: str) -> tuple[str, object]:
    """The turn in a file of flows: its id and itself. Raises CliError."""
    # mitmproxy takes a third of a second to import: only who reads a file of flows waits for it.
    from addons.proxy.flow_file import FlowFileError, turn_in  # noqa: PLC0415

    try:
        return turn_in(path, flow_id)
    except FlowFileError as error:
        msg = str(error)
        raise CliError(msg, SAVE_FIRST) from None
