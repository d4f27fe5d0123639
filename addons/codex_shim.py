"""The script that `mitmdump -s` and `mitmweb -s` load. The classes are in the package: a script cannot be imported.

Checks mitmproxy before it imports code that depends on mitmproxy's internals.
"""

from addons.proxy.engine.compat import (
    IncompatibleMitmproxyError,
    end_process,
    explain_start_failure,
    require_tested_mitmproxy,
)

try:
    require_tested_mitmproxy()
    with explain_start_failure():
        from addons.proxy.script import ScriptedShim
except IncompatibleMitmproxyError as error:
    end_process(str(error))

addons = [ScriptedShim()]
