"""Get the turn of a report from a running shim, which masks it, or from a flow file.

Never does: connect to another machine, use a proxy of the environment. Invariant: the text of a turn comes only from a
file that the user named.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from addons.adapters.system.local_token import read_token
from shim_cli.console.errors import CliError
from shim_cli.state.shim_api import ShimApiError, get_json

SAVE_FLOWS_ADVICE = "Save flows to a file: codex-shim mitmdump -- -w FILE. Then run: codex-shim report --flow-file FILE"


def turn_from_running_shim(env: Mapping[str, str], port: int, flow_id: str) -> dict[str, object]:
    """Return the newest turn, or the one with this id, masked by the shim. Raises CliError."""
    try:
        found = get_json(f"http://127.0.0.1:{port}/api/turns?id={quote(flow_id)}", read_token(env))
    except ShimApiError as error:
        reason = str(error)
        if error.status:
            raise CliError(
                reason or "the running shim returns no turns", SAVE_FLOWS_ADVICE
            ) from None
        msg = f"no turn available from a shim on port {port}: {reason}"
        raise CliError(msg, SAVE_FLOWS_ADVICE) from None
    return found if isinstance(found, dict) else {}


def turn_from_file(path: Path, flow_id: str) -> tuple[str, object]:
    """Return the id and the turn of a flow file. Raises CliError."""
    # Importing mitmproxy takes a third of a second, and only flow files need it.
    from addons.proxy.flow_file import FlowFileError, turn_in  # noqa: PLC0415

    try:
        return turn_in(path, flow_id)
    except FlowFileError as error:
        msg = str(error)
        raise CliError(msg, SAVE_FLOWS_ADVICE) from None
