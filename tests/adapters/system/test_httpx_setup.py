"""httpx is imported without what a proxy never shows, and writes nothing to the log."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import logging, sys
from addons.adapters.system.httpx_setup import quiet_client_logs, skip_httpx_cli
print("httpx" in sys.modules)
skip_httpx_cli()
quiet_client_logs()
import httpx
print([m for m in ("httpx", "rich", "pygments") if m in sys.modules])
logging.basicConfig(level=logging.DEBUG)
print([logging.getLogger(name).isEnabledFor(logging.INFO) for name in ("httpx", "httpcore")])
"""


def test_httpx_is_imported_without_its_command_line_and_logs_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", CODE], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("False\n['httpx']\n[False, False]\n", "")
