"""A quicker start: mitmproxy's addons one by one instead of all at once.

Importing any module of `mitmproxy.addons` first runs that package's `__init__`, which imports every stock addon and
with them Flask, LDAP and more: 0.3 s of a start of 0.8 s. `codex-shim serve` uses five of them.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec

STOCK_ADDONS = "mitmproxy.addons"


def skip_stock_addons() -> None:
    """Put the package in place without running it. Does nothing once it was imported."""
    if STOCK_ADDONS not in sys.modules and (spec := find_spec(STOCK_ADDONS)):
        sys.modules[STOCK_ADDONS] = module_from_spec(spec)
