"""How httpx is imported where a request needs it: without its command line, and without its lines in the log.

Never does: import httpx itself. A process that needs it for no request does without.
"""

from __future__ import annotations

import logging
import sys


def skip_httpx_cli() -> None:
    """Keep httpx from loading its command line, which imports rich and pygments: 3 MiB in a long-lived process."""
    # httpx works without the module when it cannot be imported.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def quiet_client_logs() -> None:
    """Keep httpx's own lines out of mitmproxy's log: at debug level they quote headers."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
