"""A quicker start: imports single modules of `mitmproxy.addons` without the package's `__init__`.

Importing any module of `mitmproxy.addons` first runs that package's `__init__`, which imports every stock addon and
with them Flask, LDAP and more: 0.3 s of a start of 0.8 s. `codex-shim serve` uses five of them.

Never does: replace a package that was imported. Invariant: each module of the package can still be imported.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec

STOCK_ADDONS = "mitmproxy.addons"


def skip_stock_addons() -> None:
    """Register the package without running it. Does nothing once it was imported."""
    if STOCK_ADDONS not in sys.modules and (spec := find_spec(STOCK_ADDONS)):
        sys.modules[STOCK_ADDONS] = module_from_spec(spec)
