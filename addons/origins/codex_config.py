"""Codex's config.toml on the disk: our block put in and taken out, with everything that protects the user's file.

A lock keeps two of us apart, a copy of the old file and a journal go to our state folder first, and the file is
replaced whole or not at all. A symlink is followed, the mode kept.

Never does: write when nothing changes, write over an edit that somebody made meanwhile. Invariant: taking the block out
needs neither our state folder nor a running shim.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from addons.core.codex_block import (
    CannotWireError,
    active_model,
    has_marks,
    parsed,
    root_lines,
    unwire,
    wire,
)
from addons.core.codex_provider import Values
from addons.core.older_block import has_older_block, without_older_blocks
from addons.origins.file_lock import WAIT_SECONDS, LockedError, locked
from addons.origins.files import FileAccessError, open_at_once, write_atomic
from addons.origins.paths import backups_dir, codex_config_file, journal_file

TRIES = 5
KEPT_BACKUPS = 10
OPEN_TO_OTHERS = stat.S_IRGRP | stat.S_IROTH


class ConfigError(Exception):
    """The file was not changed. The words say why; `advice` what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class _ChangedMeanwhileError(Exception):
    """The file is not as it was read."""


@dataclass(frozen=True, slots=True)
class _File:
    """What the file holds. `text` None: it does not exist."""

    text: str | None
    status: os.stat_result | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What was done. `found`: the block was there before; `backup`: a copy of the file as it was before that."""

    path: Path
    written: bool
    found: bool = False
    backup: Path | None = None
    removed: bool = False
    """The file had not been there before us, so it is gone again."""
    older: bool = False
    """An earlier shim's block is in it."""
    is_link: bool = False
    """It is a symlink, as of one who keeps such files in a repository."""
    open_to_others: bool = False
    """It holds the local token, and other users may read it."""


Keep = Callable[["_File", str | None], Path | None]
"""Copies the file as it was before a change. Gives the copy."""


class CodexConfig:
    """The config.toml that Codex reads in this environment."""

    def __init__(self, env: Mapping[str, str], wait_seconds: float = WAIT_SECONDS) -> None:
        self._env = env
        self._wait_seconds = wait_seconds
        self.path = codex_config_file(env)

    def active_model(self) -> str | None:
        """The model that our block names; None without a block. Raises ConfigError."""
        text = self._read().text
        return None if text is None else active_model(text)

    def model_in_force(self) -> str | None:
        """The same for a view, to which a file that cannot be read is one without a block."""
        try:
            return self.active_model()
        except ConfigError:
            return None

    def configured_model(self) -> str | None:
        """The model that the user has chosen, with or without us; None when the file does not tell."""
        try:
            model = parsed(self._read().text or "").get("model")
        except (ConfigError, ValueError):
            return None
        return model if isinstance(model, str) else None

    def wire(self, config: Values) -> Change:
        """Put the block in, in place of one that is there. Raises ConfigError; the file is then unchanged."""

        def change(before: _File) -> str:
            return wire(before.text, config)

        with self._locked():
            return self._apply(change, self._keep)

    def unwire(self) -> Change:
        """Take the block out and put back what it displaced. Raises ConfigError; the file is then unchanged."""
        if not os.path.lexists(self.path):
            return Change(self.path, written=False)
        with self._locked():
            change = self._apply(self._unwired, None)
        if self._journalled() is not None:
            with contextlib.suppress(OSError):
                # last: while it names what was displaced, a second try can still use it
                journal_file(self._env).unlink(missing_ok=True)
        return change

    def clean_older(self) -> Change:
        """Take out the blocks of earlier shims. Raises ConfigError; the file is then unchanged."""
        if not os.path.lexists(self.path):
            return Change(self.path, written=False)
        with self._locked():
            return self._apply(
                lambda before: without_older_blocks(before.text or ""), self._back_up
            )

    # One change -------------------------------------------------------------------------------------------

    def _unwired(self, before: _File) -> str | None:
        text = before.text or ""
        taken = unwire(text, self._journalled())
        if has_marks(taken.text) and not _is_toml(taken.text):
            msg = "our block is in it, and around it is no valid TOML"
            raise CannotWireError(msg)
        if taken.found and _is_toml(text) and not _is_toml(taken.text):
            msg = f"without our block it would be no valid TOML; copies are in {backups_dir(self._env)}"
            raise CannotWireError(msg)
        return None if taken.is_new and not taken.text else taken.text

    def _apply(self, change: Callable[[_File], str | None], keep: Keep | None) -> Change:
        for _ in range(TRIES):
            before = self._read()
            found = before.text is not None and unwire(before.text).found
            try:
                after = change(before)
            except CannotWireError as error:
                msg = f"{self.path}: {error}"
                raise ConfigError(msg, "Correct the file, then run it again.") from None
            if after == before.text:
                return self._told(before, after, found=found)
            self._require_writable(before)
            backup = keep(before, after) if keep and not found else None
            try:
                self._replace(before, after)
            except _ChangedMeanwhileError:
                continue
            return self._told(before, after, found=found, backup=backup)
        msg = f"{self.path} changes all the time"
        raise ConfigError(msg, "Close Codex, then run it again.")

    def _told(
        self, before: _File, after: str | None, *, found: bool, backup: Path | None = None
    ) -> Change:
        mode = before.status.st_mode if before.status else 0
        return Change(
            self.path,
            written=after != before.text,
            found=found,
            backup=backup,
            removed=after is None,
            older=has_older_block(after or ""),
            is_link=self.path.is_symlink(),
            open_to_others=os.name == "posix" and bool(mode & OPEN_TO_OTHERS),
        )

    def _require_writable(self, before: _File) -> None:
        """A file that its owner made read-only is to stay as it is; taking its place would not ask for that."""
        if before.status and not before.status.st_mode & stat.S_IWUSR:
            unlock = "attrib -R" if os.name == "nt" else "chmod u+w"
            msg = f"{self.path} is read-only"
            raise ConfigError(msg, f"To let it be changed: {unlock} {shlex.quote(str(self.path))}")

    def _replace(self, before: _File, after: str | None) -> None:
        def last_look() -> None:
            # Codex may have written it since
            if self._read().text != before.text:
                raise _ChangedMeanwhileError

        try:
            if after is None:
                last_look()
                Path(os.path.realpath(self.path)).unlink()
                return
            data, status = after.encode(), before.status
            mode = stat.S_IMODE(status.st_mode) if status else 0o600
            owner = (status.st_uid, status.st_gid) if status else None
            write_atomic(self.path, data, mode, owner, last_look)
        except (OSError, FileAccessError, UnicodeEncodeError) as error:
            raise self._refused(error) from error

    # The world --------------------------------------------------------------------------------------------

    def _read(self) -> _File:
        try:
            # a pipe under this name must not block the running shim, hence not `Path.open`
            with open(self.path, "rb", opener=open_at_once) as file:
                status = os.fstat(file.fileno())
                data = file.read() if stat.S_ISREG(status.st_mode) else None
        except FileNotFoundError:
            if self.path.is_symlink():
                raise self._dangling() from None
            return _File(None)
        except OSError as error:
            raise self._refused(error) from error
        if data is None:
            msg = f"{self.path} is not a file"
            raise ConfigError(msg, f"See what it is: ls -l {self.path}")
        try:
            return _File(data.decode(), status)
        except UnicodeDecodeError:
            msg = f"{self.path} is not UTF-8 text, so Codex would not start with it either"
            raise ConfigError(msg, "Correct the file, then run it again.") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self.path.is_symlink() and not self.path.exists():
            raise self._dangling()
        target = Path(os.path.realpath(self.path))
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(target.with_name(f".{target.name}.codex-shim.lock"), self._wait_seconds):
                yield
        except LockedError as error:
            raise ConfigError(str(error), "Wait for it to end, then run it again.") from None
        except OSError as error:
            raise self._refused(error) from error

    def _dangling(self) -> ConfigError:
        msg = f"{self.path} is a symlink to a file that does not exist"
        return ConfigError(msg, f"Look where it leads: ls -l {self.path}")

    def _refused(self, error: Exception) -> ConfigError:
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        advice = (
            "Nothing was changed. `codex-shim codex` runs Codex through the shim without that file."
        )
        named = reason if str(self.path) in reason else f"{self.path} cannot be changed: {reason}"
        return ConfigError(named, advice)

    # Backup and journal -----------------------------------------------------------------------------------

    def _keep(self, before: _File, after: str | None) -> Path | None:
        """Copy the old file and note what is displaced, before anything changes."""
        backup = self._back_up(before, after)
        journal = {
            "config": str(self.path),
            "backup": str(backup or ""),
            "displaced": root_lines(before.text or ""),
        }
        self._write(journal_file(self._env), orjson.dumps(journal))
        return backup

    def _back_up(self, before: _File, _after: str | None) -> Path | None:
        if before.text is None:
            return None
        data = before.text.encode()
        backup = backups_dir(self._env) / f"{hashlib.sha256(data).hexdigest()[:16]}.toml"
        self._write(backup, data)
        _prune(backup.parent)
        return backup

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_atomic(path, data)
        except FileAccessError as error:
            advice = "Nothing was changed. Set CODEX_SHIM_STATE_DIR to a folder of yours."
            raise ConfigError(str(error), advice) from error

    def _journalled(self) -> str | None:
        try:
            journal = orjson.loads(journal_file(self._env).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(journal, dict) or journal.get("config") != str(self.path):
            return None
        displaced = journal.get("displaced")
        return displaced if isinstance(displaced, str) else None


def _is_toml(text: str) -> bool:
    try:
        parsed(text)
    except ValueError:
        return False
    return True


def _prune(folder: Path) -> None:
    """Keep the newest copies: each holds whatever the user's config holds."""
    with contextlib.suppress(OSError):
        copies = sorted(folder.glob("*.toml"), key=lambda copy: copy.stat().st_mtime_ns)
        for copy in copies[:-KEPT_BACKUPS]:
            copy.unlink()
