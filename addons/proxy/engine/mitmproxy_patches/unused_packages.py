"""Less memory: packages that mitmproxy imports and a reverse proxy of HTTP over TCP hardly uses are imported at their first use.

QUIC and HTTP/3, the grammars of flow filters and of typed commands, YAML, the Rust code for UDP, WireGuard and local capture, and
what mitmproxy itself does with WebSocket, zstd and a client's TLS take 20 MiB of a process that runs for weeks. The views of turns and
the cassettes of this program take 2 more, and 25 ms of each start. While mitmproxy is
imported, a name of such a package stands for what it names. A call of it, an iteration, a comparison or a subclass imports the
package, and so does every later import.

Never does: change what a name means, or stay in `sys.modules` once mitmproxy is imported. Invariant: an object is an instance of a
deferred class exactly if the package was imported and says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce, total_ordering
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

UNUSED = (
    "aioquic",
    "backports.zstd",
    "bcrypt",
    "cryptography.hazmat.primitives.serialization.ssh",
    "kaitaistruct",
    "mitmproxy.command_lexer",
    "mitmproxy.contrib.kaitaistruct.dtls_client_hello",
    "mitmproxy.contrib.kaitaistruct.tls_client_hello",
    "mitmproxy.flowfilter",
    "mitmproxy.proxy.layers.http._http3",
    "mitmproxy.proxy.layers.quic",
    "mitmproxy.proxy.layers.websocket",
    "mitmproxy_rs",
    "pylsqpack",
    "pyparsing",
    "ruamel",
    "wsproto",
)
"""Packages and modules. A module of mitmproxy is one that only such packages would make expensive."""
OWN = (
    "addons.adapters.cassette.writer",
    "addons.core.cassette",
    "addons.proxy.cassettes",
    "addons.views",
)
"""What of this program only somebody who looks at a turn or records it uses."""


@total_ordering
class Deferred:
    """A name of a module that was not imported yet: of a class, a function, a constant or a submodule."""

    __slots__ = ("_module", "_path")

    def __init__(self, module: str, path: tuple[str, ...]) -> None:
        self._module = module
        self._path = path

    def __getattr__(self, name: str) -> Any:
        """Return a name within this one; the real one once the module was imported."""
        if _is_imported(self._module):
            return getattr(_resolved(self), name)
        if name.startswith("__"):
            # a question of the interpreter whether there is one
            raise AttributeError(name)
        return Deferred(self._module, (*self._path, name))

    def __call__(self, *args: object, **named: object) -> Any:
        """Call what this names."""
        return _resolved(self)(*args, **named)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over what this names."""
        return iter(_resolved(self))

    def __getitem__(self, key: object) -> Any:
        """Look up in what this names."""
        return _resolved(self)[key]

    def __eq__(self, other: object) -> bool:
        """Compare what this names."""
        return bool(_resolved(self) == other)

    def __lt__(self, other: object) -> bool:
        """Compare what this names: a version, by modules that were generated."""
        return bool(_resolved(self) < other)

    def __hash__(self) -> int:
        """Return the hash of what this names."""
        return hash(_resolved(self))

    def __mro_entries__(self, _: tuple[object, ...]) -> tuple[type, ...]:
        """Return the class that another one is derived from."""
        return (_resolved(self),)

    def __instancecheck__(self, instance: object) -> bool:
        """Return whether an object is an instance of the class. None is before its module was imported."""
        return _is_imported(self._module) and isinstance(instance, _resolved(self))

    def __subclasscheck__(self, subclass: type) -> bool:
        """Return whether a class is a subclass of this one."""
        return _is_imported(self._module) and issubclass(subclass, _resolved(self))

    def __or__(self, _: object) -> Deferred:
        """Return an annotation, which nothing reads."""
        return self

    __ror__ = __or__

    def __reduce__(self) -> tuple[object, ...]:
        """Let a copy or a pickle be that of what this names."""
        return _found, (self._module, self._path)


class DeferredModule(ModuleType):
    """Stands for a module while mitmproxy is imported, and in the modules that imported it then."""

    def __getattr__(self, name: str) -> Any:
        """Return a name of the module."""
        if name == "__all__":
            return _module(self.__name__).__all__
        return getattr(Deferred(self.__name__, ()), name)


class _Finder(MetaPathFinder, Loader):
    """Finds the modules of unused packages, and makes the modules that stand for them."""

    def __init__(self) -> None:
        """What is deferred: nothing that is missing, or here already."""
        self._roots = frozenset(
            root
            for root in (*UNUSED, *OWN)
            if not _is_imported(root) and ("." in root or find_spec(root) is not None)
        )

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a deferred module."""
        if not any(fullname == root or fullname.startswith(f"{root}.") for root in self._roots):
            return None
        if fullname in self._roots and PathFinder.find_spec(fullname, path, target) is None:
            # inside of another package, which was not to be imported before
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a module that stands for another one."""
        return DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module is imported when it is used."""


@contextmanager
def defer_unused_packages() -> Iterator[None]:
    """Defer the imports of unused packages by what is imported here. A package that was imported before stays as it is."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        _stop_deferring()


def _stop_deferring() -> None:
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    for name, module in list(sys.modules.items()):
        if isinstance(module, DeferredModule):
            del sys.modules[name]


def _is_imported(module: str) -> bool:
    found = sys.modules.get(module)
    return found is not None and not isinstance(found, DeferredModule)


def _module(name: str) -> ModuleType:
    """Import a module. One that is used while mitmproxy is still imported ends the deferring: it may need the others."""
    if not _is_imported(name):
        _stop_deferring()
    return import_module(name)


def _resolved(deferred: Deferred) -> Any:
    # not by attributes: those of a deferred name are names, too
    return _found(
        object.__getattribute__(deferred, "_module"),
        object.__getattribute__(deferred, "_path"),
    )


def _found(module: str, path: tuple[str, ...]) -> Any:
    return reduce(getattr, path, _module(module))
