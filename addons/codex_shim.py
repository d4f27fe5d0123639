"""What `mitmdump -s` and `mitmweb -s` load. Classes live in the package: a script is no importable module.

Looks at mitmproxy's version before it loads what is built on its insides.
"""

import sys

from addons.proxy.engine.compat import IncompatibleMitmproxyError, require_known_mitmproxy

try:
    require_known_mitmproxy()
except IncompatibleMitmproxyError as error:
    sys.exit(str(error))

from addons.proxy.script import ScriptedShim

addons = [ScriptedShim()]
