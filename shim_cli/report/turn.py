"""Get the turn of a report from a running shim, which masks it, or from a flow file.

Never does: connect to another machine, use a proxy of the environment. Invariant: the text of a turn comes only from a
file that the user named.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from addons.adapters.system.paths import state_dir
from addons.core.headers import TOKEN_HEADER
from shim_cli.console.errors import CliError
from shim_cli.console.reasons import reason_of

TIMEOUT_SECONDS = 30.0
SAVE_FLOWS_ADVICE = "Save flows to a file: codex-shim mitmdump -- -w FILE. Then run: codex-shim report --flow-file FILE"


def turn_from_running_shim(env: Mapping[str, str], port: int, flow_id: str) -> dict[str, object]:
    """Return the newest turn, or the one with this id, masked by the shim. Raises CliError."""
    url = f"http://127.0.0.1:{port}/api/turns?id={quote(flow_id)}"
    request = urllib.request.Request(url, headers=_token_header(env))
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=TIMEOUT_SECONDS) as response:
            found = json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            raise CliError(_error_message(error.read()), SAVE_FLOWS_ADVICE) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        msg = f"no turn available from a shim on port {port}: {reason_of(reason)}"
        raise CliError(msg, SAVE_FLOWS_ADVICE) from None
    return found if isinstance(found, dict) else {}


def _token_header(env: Mapping[str, str]) -> dict[str, str]:
    try:
        return {TOKEN_HEADER: (state_dir(env) / "token").read_text().strip()}
    except OSError:
        return {}


def _error_message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "the running shim returns no turns"


def turn_from_file(path: Path, flow_id: str) -> tuple[str, object]:
    """Return the id and the turn of a flow file. Raises CliError."""
    # Importing mitmproxy takes a third of a second, and only flow files need it.
    from addons.proxy.flow_file import FlowFileError, turn_in  # noqa: PLC0415

    try:
        return turn_in(path, flow_id)
    except FlowFileError as error:
        msg = str(error)
        raise CliError(msg, SAVE_FLOWS_ADVICE) from None
