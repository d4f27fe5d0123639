"""What a fork server imports and computes before it forks, and what a fork does in place of starting an interpreter.

A program of this project starts others: the background shim, the process that starts it again, mitmdump in its own
place. In a fork these are forks, too. Never does: change what a program does. Invariant: whatever is computed ahead is
what each process would compute for itself.
"""
# ruff: noqa: PLC0415 - mitmproxy is imported only where it is needed, and in the order in which `serve` imports it

from __future__ import annotations

import atexit
import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import shim_cli
from tests.shim_cli.forks import client, programs
from tests.shim_cli.forks.interpreter import (
    MAX_DESCRIPTORS,
    open_standard_streams,
    run_as_main,
)

LIBRARIES = ("pydantic", "orjson", "tomlkit", "httpx", "rich.table", "encodings.idna")
"""What commands import when they first need it."""
SERVING = (
    "addons.proxy.engine.compat.self_test",
    "addons.proxy.engine.compat.rig",
    "addons.proxy.engine.mitmproxy_patches.event_loop",
)
MODULES = {
    "commands": (),
    "serve": ("addons.proxy.master", *SERVING),
    "tools": (
        "mitmproxy.tools.main",
        "mitmproxy.tools.dump",
        "mitmproxy.tools.web.master",
        "addons.proxy.script",
        *SERVING,
    ),
}


def preload(server: str) -> None:
    """Import what the programs of a fork server import."""
    if server == "serve":
        from addons.proxy.engine.mitmproxy_patches.lazy_addons import skip_stock_addons

        skip_stock_addons()
    for module in walk_packages(shim_cli.__path__, "shim_cli."):
        if not module.name.endswith(("__main__", "pytest_plugin")):
            import_module(module.name)
    for name in (*LIBRARIES, *MODULES[server]):
        import_module(name)
    _build_command_line()
    if server != "commands":
        _make_authority()
    _start_forks()


def _build_command_line() -> None:
    import typer.main

    from shim_cli.app import app

    typer.main.get_command = cache(typer.main.get_command)
    typer.main.get_command(app)


def _make_authority() -> None:
    """Make mitmproxy's authority once: its RSA key takes longer than the rest of a start."""
    from mitmproxy import certs
    from mitmproxy.options import CONF_BASENAME, KEY_SIZE

    for name in ("create_ca", "load_pem_private_key"):
        setattr(certs, name, cache(getattr(certs, name)))
    with tempfile.TemporaryDirectory() as folder:
        certs.CertStore.from_store(folder, CONF_BASENAME, KEY_SIZE)
    tempfile.tempdir = None  # a program finds its own


class _Changed:
    """A module in which some names have another meaning."""

    def __init__(self, module: Any, **names: Any) -> None:
        self.__dict__.update(names)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _start_forks() -> None:
    from shim_cli.state import daemon, processes, takeover

    for module in (daemon, takeover):
        vars(module)["subprocess"] = _Changed(subprocess, Popen=_started)
    vars(processes)["os"] = _Changed(os, execve=_replace_process)


def _started(
    command: Sequence[str], *, env: Mapping[str, str], **how: Any
) -> subprocess.Popen[str]:
    return client.started(command, env=env, start=False, **how)


def _replace_process(path: str, command: Sequence[str], env: Mapping[str, str]) -> None:
    """Run the program in this process, as a new interpreter would."""
    program = programs.program_of(command, env)
    if not program or program.server != "tools":
        os.execve(path, list(command), env)  # noqa: S606  what a test would run
    for number in range(3, MAX_DESCRIPTORS):
        with suppress(OSError):
            if not os.get_inheritable(number):
                os.close(number)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(
                number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            )
    atexit._clear()
    gc.enable()
    logging.getLogger().handlers.clear()
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = program.argv
    sys.excepthook = sys.__excepthook__
    open_standard_streams()
    run_as_main(program.code)
