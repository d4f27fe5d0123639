"""Command lines for the user's shell: POSIX or PowerShell. Pure.

Never does: run a command. Invariant: a path with spaces or quotes is one argument in either shell.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Protocol


class Shell(Protocol):
    """The command lines that differ between shells."""

    def quote(self, argument: str) -> str:
        """Quote one argument."""
        ...

    def edit(self, path: str) -> str:
        """Open a file in the user's editor."""
        ...

    def show(self, path: str) -> str:
        """Show the permissions of a file."""
        ...

    def set_variable(self, name: str, value: str) -> str:
        """Set an environment variable for this shell and its children."""
        ...

    def append_to(self, name: str, value: str) -> str:
        """Append to an environment variable that holds a comma-separated list."""
        ...

    def unset(self, name: str) -> str:
        """Unset an environment variable."""
        ...

    def make_private(self, path: str) -> str:
        """Make a file readable by its owner only."""
        ...


@dataclass(frozen=True, slots=True)
class Posix:
    """sh, bash, zsh."""

    def quote(self, argument: str) -> str:
        """Quote one argument."""
        return shlex.quote(argument)

    def edit(self, path: str) -> str:
        """Open a file in the user's editor."""
        return f"${{EDITOR:-vi}} {shlex.quote(path)}"

    def show(self, path: str) -> str:
        """Show the permissions of a file."""
        return f"ls -ld {shlex.quote(path)}"

    def set_variable(self, name: str, value: str) -> str:
        """Set an environment variable for this shell and its children."""
        return f"export {name}={value}"

    def append_to(self, name: str, value: str) -> str:
        """Append to an environment variable that holds a comma-separated list."""
        return f'export {name}="${{{name}:+${name},}}{value}"'

    def unset(self, name: str) -> str:
        """Unset an environment variable."""
        return f"unset {name}"

    def make_private(self, path: str) -> str:
        """Make a file readable by its owner only."""
        return f"chmod 600 {shlex.quote(path)}"


@dataclass(frozen=True, slots=True)
class PowerShell:
    """Windows PowerShell and pwsh."""

    def quote(self, argument: str) -> str:
        """Quote one argument."""
        is_plain = argument and all(c.isalnum() or c in "-_./:\\=" for c in argument)
        return argument if is_plain else "'" + argument.replace("'", "''") + "'"

    def edit(self, path: str) -> str:
        """Open a file in the user's editor."""
        return f"notepad {self.quote(path)}"

    def show(self, path: str) -> str:
        """Show the permissions of a file."""
        return f"icacls {self.quote(path)}"

    def set_variable(self, name: str, value: str) -> str:
        """Set an environment variable for this shell and its children."""
        return f"$env:{name} = '{value}'"

    def append_to(self, name: str, value: str) -> str:
        """Append to an environment variable that holds a comma-separated list."""
        return f"$env:{name} = (@($env:{name}, '{value}') -ne $null) -join ','"

    def unset(self, name: str) -> str:
        """Unset an environment variable."""
        return f"Remove-Item Env:{name}"

    def make_private(self, path: str) -> str:
        """Make a file readable by its owner only."""
        return f'icacls {self.quote(path)} /inheritance:r /grant:r "${{env:USERNAME}}:F"'


def shell_for(os_name: str = os.name) -> Shell:
    """Return the usual shell of a platform; `os_name` is a value of `os.name`."""
    return PowerShell() if os_name == "nt" else Posix()
