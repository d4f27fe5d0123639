"""Single addons of mitmproxy are imported without all the others."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from addons.proxy.engine.mitmproxy_patches.lazy_addons import skip_stock_addons
skip_stock_addons()
from mitmproxy.addons import core
print("flask" in sys.modules, "mitmproxy.addons.onboarding" in sys.modules, core.Core.__name__)
import mitmproxy.addons
before = sys.modules["mitmproxy.addons"]
skip_stock_addons()
print(sys.modules["mitmproxy.addons"] is before)
"""


def test_one_addon_is_imported_without_the_package() -> None:
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False", "Core", "True"]
