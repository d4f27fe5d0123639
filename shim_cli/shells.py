"""Command lines as the user's own shell takes them: POSIX or PowerShell. Pure.

Never does: run one. Invariant: a path with blanks or quotes is one word in either.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Protocol


class Shell(Protocol):
    """What differs between shells."""

    def quote(self, word: str) -> str:
        """One word, whatever is in it."""
        ...

    def edit(self, path: str) -> str:
        """Open a file in the user's editor."""
        ...

    def show(self, path: str) -> str:
        """Show who may read a file."""
        ...

    def set_variable(self, name: str, value: str) -> str:
        """Set a variable for this shell and what it starts."""
        ...

    def append_to(self, name: str, value: str) -> str:
        """Add to a variable that holds a comma-separated list."""
        ...

    def unset(self, name: str) -> str:
        """Remove a variable."""
        ...

    def make_private(self, path: str) -> str:
        """Let nobody but the user read a file."""
        ...


@dataclass(frozen=True, slots=True)
class Posix:
    """sh, bash, zsh."""

    def quote(self, word: str) -> str:
        """One word, whatever is in it."""
        return shlex.quote(word)

    def edit(self, path: str) -> str:
        """Open a file in the user's editor."""
        return f"${{EDITOR:-vi}} {shlex.quote(path)}"

    def show(self, path: str) -> str:
        """Show who may read a file."""
        return f"ls -ld {shlex.quote(path)}"

    def set_variable(self, name: str, value: str) -> str:
        """Set a variable for this shell and what it starts."""
        return f"export {name}={value}"

    def append_to(self, name: str, value: str) -> str:
        """Add to a variable that holds a comma-separated list."""
        return f'export {name}="${{{name}:+${name},}}{value}"'

    def unset(self, name: str) -> str:
        """Remove a variable."""
        return f"unset {name}"

    def make_private(self, path: str) -> str:
        """Let nobody but the user read a file."""
        return f"chmod 600 {shlex.quote(path)}"


@dataclass(frozen=True, slots=True)
class PowerShell:
    """Windows PowerShell and pwsh."""

    def quote(self, word: str) -> str:
        """One word, whatever is in it."""
        plain = word and all(each.isalnum() or each in "-_./:\\=" for each in word)
        return word if plain else "'" + word.replace("'", "''") + "'"

    def edit(self, path: str) -> str:
        """Open a file in the user's editor."""
        return f"notepad {self.quote(path)}"

    def show(self, path: str) -> str:
        """Show who may read a file."""
        return f"icacls {self.quote(path)}"

    def set_variable(self, name: str, value: str) -> str:
        """Set a variable for this shell and what it starts."""
        return f"$env:{name} = '{value}'"

    def append_to(self, name: str, value: str) -> str:
        """Add to a variable that holds a comma-separated list."""
        return f"$env:{name} = (@($env:{name}, '{value}') -ne $null) -join ','"

    def unset(self, name: str) -> str:
        """Remove a variable."""
        return f"Remove-Item Env:{name}"

    def make_private(self, path: str) -> str:
        """Let nobody but the user read a file."""
        return f'icacls {self.quote(path)} /inheritance:r /grant:r "${{env:USERNAME}}:F"'


def shell_of(os_name: str = os.name) -> Shell:
    """The shell that users of a platform have; `os_name` is `os.name`."""
    return PowerShell() if os_name == "nt" else Posix()
