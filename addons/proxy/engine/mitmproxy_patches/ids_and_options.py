"""Makes ids and servers and reads options without the objects, checks and copies that mitmproxy makes for each.

Ids: the constructor of class UUID checks every argument. Options: each look at one copies its value deeply, and a new
connection takes nine looks, all but one at a bool, a number or a string. Servers: each of the twenty fields of a new one is
checked for a change, and each client connection makes one that no turn uses.

Never does: make an id of another form, return a list of options that is not a copy. Invariant: an id is random and is written
as RFC 9562 writes version 4.
"""

from __future__ import annotations

import os
from types import NoneType, SimpleNamespace
from typing import Any

from mitmproxy import connection, flow, optmanager
from mitmproxy.options import Options
from mitmproxy.proxy import commands, context

_VERSION_AND_VARIANT = (0xF << 76) | (0x3 << 62)
_VERSION_4 = (0x4 << 76) | (0x2 << 62)
_UNCHANGEABLE = frozenset({bool, int, float, str, NoneType})

_copied = optmanager._Option.current  # noqa: SLF001  what mitmproxy calls for each look


def shorten_ids() -> None:
    """Replace the `uuid` that mitmproxy's modules ask for ids. They use nothing else of it."""
    for module in (connection, flow):
        setattr(module, "uuid", SimpleNamespace(uuid4=random_id))  # noqa: B010  mypy knows of no such change


def random_id() -> str:
    """Return what `str(uuid.uuid4())` returns."""
    number = int.from_bytes(os.urandom(16)) & ~_VERSION_AND_VARIANT | _VERSION_4
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def shorten_options() -> None:
    """Return the value of an option as it is where no caller could change it."""
    setattr(optmanager._Option, "current", _current)  # noqa: B010, SLF001  mypy knows of no assignable method


def _current(option: Any) -> Any:
    value = option._default if option.value is optmanager.unset else option.value  # noqa: SLF001
    return value if type(value) in _UNCHANGEABLE else _copied(option)


def shorten_hooks() -> None:
    """Make the hooks of a turn without mitmproxy's question whether their classes may be made."""
    setattr(commands.StartHook, "__new__", staticmethod(_new))  # noqa: B010  mypy knows of no assignable method


def _new(made: type[commands.StartHook], *_: Any, **__: Any) -> commands.StartHook:
    return object.__new__(made)


_UNKNOWN_SERVER = vars(connection.Server(address=None))


def shorten_contexts() -> None:
    """Make the server of a context, which has no address, in one step."""
    setattr(context.Context, "__init__", _init)  # noqa: B010  mypy knows of no assignable method


def _init(made: context.Context, client: connection.Client, options: Options) -> None:
    server = connection.Server.__new__(connection.Server)
    protocol = client.transport_protocol
    server.__dict__.update(_UNKNOWN_SERVER, id=random_id(), transport_protocol=protocol)
    made.client, made.options, made.server, made.layers = client, options, server, []
