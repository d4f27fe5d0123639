"""Packages that `codex-shim serve` never uses are imported by their first use, and work then."""

from __future__ import annotations

import subprocess
import sys

START = """
import asyncio, importlib, sys
from addons.proxy.engine.mitmproxy_patches.lazy_addons import skip_stock_addons
from addons.proxy.engine.mitmproxy_patches.unused_packages import OWN, UNUSED, Deferred, DeferredModule, defer_unused_packages

def imported():
    return sorted(name for name in (*OWN, *UNUSED) if name in sys.modules)

skip_stock_addons()
with defer_unused_packages():
    import addons.proxy.master
    from addons.proxy.engine.compat import require_tested_mitmproxy
    require_tested_mitmproxy(addons.proxy.master.loop_factory)
assert imported() == [], imported()
assert not [name for name, module in sys.modules.items() if isinstance(module, DeferredModule)]
"""

FIRST_USES = """
from mitmproxy import command, exceptions, flowfilter, optmanager, options
from mitmproxy.proxy import layers, mode_servers
from mitmproxy.proxy.layers import http

# a class of a package that was not imported has no instances, and asking imports nothing
server = mode_servers.mitmproxy_rs.udp.UdpServer
assert isinstance(server, Deferred) and not isinstance(object(), (str, server))
assert not isinstance(object(), http.QuicStreamEvent) and not issubclass(str, http.QuicStreamEvent)
assert imported() == [], imported()

# what only somebody who looks at a turn uses
from addons.proxy import cassettes, composition, recent_turns
assert recent_turns.RecentTurns().find("none") is None and imported() == [], imported()
assert isinstance(recent_turns.Masker, Deferred)
assert recent_turns.plain_body(b"a", "") == b"a"
assert recent_turns.Turn(b"", b"", (), 0, recent_turns.TurnData.parse(None)).__class__ is sys.modules["addons.views.turn"].Turn
assert imported() == ["addons.views"], imported()
assert isinstance(composition.CassetteWriter, Deferred)
import addons.adapters.cassette.writer
assert composition.CassetteWriter.__name__ == "CassetteWriter"
assert imported() == ["addons.adapters.cassette.writer", "addons.core.cassette", "addons.views"], imported()
OWN = ()

assert optmanager.parse("listen_port: 1") == {"listen_port": 1}
assert imported() == ["ruamel"], imported()
try:
    optmanager.parse("{")
except exceptions.OptionsError as error:
    assert "line" in str(error)
else:
    raise AssertionError

assert flowfilter.parse("~m GET & !~q")
assert isinstance(flowfilter.parse("~q"), flowfilter.FReq)
import mitmproxy.flowfilter
assert mitmproxy.flowfilter.FReq is type(flowfilter.parse("~q"))

parsed, rest = command.CommandManager(None).parse_partial('one "two three"')
assert [part.value for part in parsed] == ["one", " ", '"two three"'], parsed

# what a client's TLS, a WebSocket of mitmproxy and a flow in zstd would use
from mitmproxy import tls, websocket
from mitmproxy.net import encoding
assert tls.ClientHello(bytes.fromhex("0303" + "00" * 33 + "00021301" + "0100")).cipher_suites == [0x1301]
# a use that is not the first one looks through no modules
from addons.proxy.engine.mitmproxy_patches import unused_packages
stop, unused_packages._stop_deferring = unused_packages._stop_deferring, None
assert tls.ClientHello(bytes.fromhex("0303" + "00" * 33 + "00021301" + "0100")).cipher_suites == [0x1301]
unused_packages._stop_deferring = stop
assert http.wsproto.handshake.WEBSOCKET_VERSION == b"13" and not http.wsproto.handshake.WEBSOCKET_VERSION != b"13"
assert hash(http.wsproto.handshake.WEBSOCKET_VERSION) == hash(b"13")
assert websocket.WebSocketMessage(1, True, b"a").type is websocket.Opcode.TEXT
assert encoding.decode(encoding.encode(b"a", "zstd"), "zstd") == b"a"

# the other kinds of use: a subclass, an iteration, a key, the names of a module
Base = http.Http3Client
class Client(Base):
    pass
from mitmproxy.proxy.layers.http import _http3
assert Client.__mro__[1] is _http3.Http3Client and issubclass(Client, Base)
from mitmproxy.addons import tlsconfig
assert list(tlsconfig.H3_ALPN) and tlsconfig.CipherSuite["AES_128_GCM_SHA256"]
assert isinstance(tlsconfig.CipherSuite["AES_128_GCM_SHA256"], tlsconfig.CipherSuite)
assert not isinstance(object(), mode_servers.mitmproxy_rs.udp.UdpServer)
assert "UdpServer" in dir(importlib.import_module("mitmproxy_rs").udp)
import copy, pickle
quic = layers.RawQuicLayer
assert isinstance(quic, Deferred)
assert copy.copy(quic) is copy.deepcopy(quic) is pickle.loads(pickle.dumps(quic)) is sys.modules["mitmproxy.proxy.layers.quic"].RawQuicLayer
import mitmproxy.contentviews
assert layers.RawQuicLayer.__name__ == "RawQuicLayer"
print("ok")
"""

USED_MEANWHILE = """
import sys
from addons.proxy.engine.mitmproxy_patches.unused_packages import DeferredModule, defer_unused_packages

with defer_unused_packages():
    import ruamel.yaml
    import pyparsing
    assert type(pyparsing) is type(ruamel) is DeferredModule
    assert ruamel.yaml.YAML(typ="safe").load("a: 1") == {"a": 1}
    import bcrypt
    assert type(bcrypt) is not DeferredModule
    assert set(pyparsing.__all__) >= {"Word"}
import ruamel.yaml as real
assert real.YAML is ruamel.yaml.YAML
import pyparsing as real
assert real.Word is pyparsing.Word
print("ok")
"""


# modules of which mitmproxy derives classes while it is imported, and which ask for the version of their package
ORDERED_MEANWHILE = """
from addons.proxy.engine.mitmproxy_patches.unused_packages import defer_unused_packages

with defer_unused_packages():
    from mitmproxy.contrib.kaitaistruct import gif
    import kaitaistruct
assert issubclass(gif.Gif, kaitaistruct.KaitaiStruct)
print("ok")
"""


# as `backports.zstd` is without that package, or on Python 3.14, where other packages have names in `backports`
MISSING = """
from addons.proxy.engine.mitmproxy_patches import unused_packages

unused_packages.UNUSED = (*unused_packages.UNUSED, "email.missing", "missing")
with unused_packages.defer_unused_packages():
    for statement in ("from email import missing", "import email.missing", "import missing"):
        try:
            exec(statement)
        except ImportError:
            print("ok")
"""


def run(code: str) -> tuple[str, str]:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    return ran.stdout, ran.stderr


def test_unused_packages_are_not_imported_and_work_at_their_first_use() -> None:
    assert run(START + FIRST_USES) == ("ok\n", "")


def test_package_that_is_used_meanwhile_ends_the_deferring() -> None:
    assert run(USED_MEANWHILE) == ("ok\n", "")


def test_package_whose_version_is_compared_meanwhile_ends_the_deferring() -> None:
    assert run(ORDERED_MEANWHILE) == ("ok\n", "")


def test_package_that_is_not_installed_is_missing() -> None:
    assert run(MISSING) == ("ok\n" * 3, "")
