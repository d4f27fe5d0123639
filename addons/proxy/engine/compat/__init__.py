"""The start check: refuses to serve on a mitmproxy whose internals are not the ones that this engine was tested with."""

from addons.proxy.engine.compat.start import (
    end_process,
    explain_start_failure,
    require_tested_mitmproxy,
    start_failure,
)
from addons.proxy.engine.compat.versions import IncompatibleMitmproxyError

__all__ = [
    "IncompatibleMitmproxyError",
    "end_process",
    "explain_start_failure",
    "require_tested_mitmproxy",
    "start_failure",
]
