"""Installs and removes the block in Codex's config.toml on disk, and protects the user's file.

A lock excludes other codex-shim processes, a copy of the old file and a journal go to the state folder first, and the
file is replaced atomically. Symlinks are followed, and the file mode is kept.

The block names a catalog next to config.toml, which is written before the block and removed after it: Codex does not
start without the catalog that its config names.

Never does: write when nothing changes, overwrite a concurrent edit. Invariant: removing the block needs neither the
state folder nor a running shim.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from addons.adapters.system.file_lock import WAIT_SECONDS, LockedError, locked
from addons.adapters.system.files import FileAccessError, open_nonblocking, write_atomic
from addons.adapters.system.paths import (
    CODEX_CATALOG,
    backups_dir,
    codex_catalog_file,
    codex_config_file,
    journal_file,
)
from addons.core.codex.config_block import (
    ConfigBlockError,
    active_model,
    has_marks,
    install,
    parsed,
    remove,
    root_lines,
)
from addons.core.codex.config_changes import changed_settings
from addons.core.codex.legacy_block import has_legacy_block, remove_legacy_blocks
from addons.core.codex.provider_config import Values, own_search

MAX_ATTEMPTS = 5
MAX_BACKUPS = 10
OPEN_TO_OTHERS = stat.S_IRGRP | stat.S_IROTH


class ConfigError(Exception):
    """The file was not changed. The message says why, `advice` what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class _ConcurrentEditError(Exception):
    """The file has changed since it was read."""


@dataclass(frozen=True, slots=True)
class _File:
    """The content of the file. `text` is None when it does not exist."""

    text: str | None
    status: os.stat_result | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The result of a change. `found`: there was a block before; `backup`: a copy of the file without it."""

    path: Path
    written: bool
    found: bool = False
    backup: Path | None = None
    removed: bool = False
    """The file did not exist before the block, so it was deleted."""
    has_legacy_block: bool = False
    """The file holds a block of an earlier shim."""
    is_link: bool = False
    """The file is a symlink, for example into a repository of dotfiles."""
    changed: tuple[str, ...] = ()
    """Names of the settings that Codex or the user has changed since the block was installed."""
    open_to_others: bool = False
    """Other users may read the file, which holds the local token."""


Backup = Callable[["_File", str | None], Path | None]
"""Copies the file before a change, and returns the copy."""


class CodexConfig:
    """The config.toml that Codex reads in this environment."""

    def __init__(self, env: Mapping[str, str], wait_seconds: float = WAIT_SECONDS) -> None:
        self._env = env
        self._wait_seconds = wait_seconds
        self.path = codex_config_file(env)
        self._catalog = codex_catalog_file(env)

    def active_model(self) -> str | None:
        """Return the model that the block selects; None without a block. Raises ConfigError."""
        text = self._read().text
        return None if text is None else active_model(text)

    def find_active_model(self) -> str | None:
        """Return the model that the block selects; None also when the file cannot be read."""
        try:
            return self.active_model()
        except ConfigError:
            return None

    def configured_model(self) -> str | None:
        """Return the model in the file, with or without the block; None when the file has none."""
        try:
            model = parsed(self._read().text or "").get("model")
        except (ConfigError, ValueError):
            return None
        return model if isinstance(model, str) else None

    def offers_search(self) -> bool:
        """Return whether the file gives Codex's tool for web search to every model."""
        try:
            return own_search(parsed(self._read().text or ""))
        except (ConfigError, ValueError):
            return False

    def install(self, config: Values, catalog: bytes | None = None) -> Change:
        """Install the block, or replace it. Raises ConfigError; the file is then unchanged.

        `catalog` is the content of the catalog next to the file, if the config names that one.
        """

        def change(before: _File) -> str:
            return install(before.text, config)

        with self._locked(), self._catalog_written(catalog):
            return self._apply(change, self._back_up_with_journal)

    def remove(self) -> Change:
        """Remove the block and restore what it displaced. Raises ConfigError; the file is then unchanged."""
        if not os.path.lexists(self.path):
            self._remove_catalog()
            return Change(self.path, written=False)
        with self._locked():
            change = self._apply(self._without_block, None)
            text = self._read().text or ""
            if CODEX_CATALOG not in text:
                self._remove_catalog()
        if self._displaced_lines() is not None:
            before = self._text_before()
            names = changed_settings(before, text) if before is not None else ()
            change = replace(change, changed=tuple(names))
            with contextlib.suppress(OSError):
                # The journal goes last, so that a repeated removal can still use it.
                journal_file(self._env).unlink(missing_ok=True)
        return change

    def remove_legacy_blocks(self) -> Change:
        """Remove the blocks of earlier shims. Raises ConfigError; the file is then unchanged."""
        if not os.path.lexists(self.path):
            return Change(self.path, written=False)
        with self._locked():
            return self._apply(
                lambda before: remove_legacy_blocks(before.text or ""), self._back_up
            )

    # Catalog ---------------------------------------------------------------------------------------------

    @contextmanager
    def _catalog_written(self, data: bytes | None) -> Iterator[None]:
        """Write the catalog before the body runs. Remove a new one if the body raises."""
        if data is None:
            yield
            return
        is_new = not self._catalog.exists()
        try:
            if is_new or self._catalog.read_bytes() != data:
                write_atomic(self._catalog, data)
        except FileAccessError as error:
            raise self._access_error(error) from error
        except OSError as error:
            named = FileAccessError(self._catalog, error.strerror or "unreadable")
            raise self._access_error(named) from error
        try:
            yield
        except BaseException:
            if is_new:
                self._remove_catalog()
            raise

    def _remove_catalog(self) -> None:
        # A catalog that stays has no effect once the config does not name it.
        with contextlib.suppress(OSError):
            self._catalog.unlink(missing_ok=True)

    # One change ------------------------------------------------------------------------------------------

    def _without_block(self, before: _File) -> str | None:
        text = before.text or ""
        result = remove(text, self._displaced_lines())
        if has_marks(result.text) and not _is_toml(result.text):
            msg = "it holds the codex-shim block, and the text around the block is not valid TOML"
            raise ConfigBlockError(msg)
        if result.found and _is_toml(text) and not _is_toml(result.text):
            msg = f"without the codex-shim block it would not be valid TOML; copies are in {backups_dir(self._env)}"
            raise ConfigBlockError(msg)
        return None if result.is_new and not result.text else result.text

    def _apply(self, change: Callable[[_File], str | None], back_up: Backup | None) -> Change:
        for _ in range(MAX_ATTEMPTS):
            before = self._read()
            found = before.text is not None and remove(before.text).found
            try:
                after = change(before)
            except ConfigBlockError as error:
                msg = f"{self.path}: {error}"
                raise ConfigError(msg, "Correct the file, then run the command again.") from None
            if after == before.text:
                return self._result(before, after, found=found)
            self._require_writable(before)
            backup = back_up(before, after) if back_up and not found else None
            try:
                self._replace(before, after)
            except _ConcurrentEditError:
                continue
            return self._result(before, after, found=found, backup=backup)
        msg = f"{self.path} keeps changing"
        raise ConfigError(msg, "Close Codex, then run the command again.")

    def _result(
        self, before: _File, after: str | None, *, found: bool, backup: Path | None = None
    ) -> Change:
        mode = before.status.st_mode if before.status else 0
        return Change(
            self.path,
            written=after != before.text,
            found=found,
            backup=backup,
            removed=after is None,
            has_legacy_block=has_legacy_block(after or ""),
            is_link=self.path.is_symlink(),
            open_to_others=os.name == "posix" and bool(mode & OPEN_TO_OTHERS),
        )

    def _require_writable(self, before: _File) -> None:
        """Raise ConfigError for a read-only file: an atomic replacement would ignore its mode."""
        if before.status and not before.status.st_mode & stat.S_IWUSR:
            unlock = "attrib -R" if os.name == "nt" else "chmod u+w"
            msg = f"{self.path} is read-only"
            raise ConfigError(msg, f"Make it writable: {unlock} {shlex.quote(str(self.path))}")

    def _replace(self, before: _File, after: str | None) -> None:
        def require_unchanged() -> None:
            # Codex may have written the file since it was read.
            if self._read().text != before.text:
                raise _ConcurrentEditError

        try:
            if after is None:
                require_unchanged()
                Path(os.path.realpath(self.path)).unlink()
                return
            data, status = after.encode(), before.status
            mode = stat.S_IMODE(status.st_mode) if status else 0o600
            owner = (status.st_uid, status.st_gid) if status else None
            write_atomic(self.path, data, mode, owner, require_unchanged)
        except (OSError, FileAccessError, UnicodeEncodeError) as error:
            raise self._access_error(error) from error

    # File access -----------------------------------------------------------------------------------------

    def _read(self) -> _File:
        try:
            # A named pipe must not block the running shim, so `Path.open` is not used.
            with open(self.path, "rb", opener=open_nonblocking) as file:
                status = os.fstat(file.fileno())
                data = file.read() if stat.S_ISREG(status.st_mode) else None
        except FileNotFoundError:
            if self.path.is_symlink():
                raise self._dangling() from None
            return _File(None)
        except OSError as error:
            raise self._access_error(error) from error
        if data is None:
            msg = f"{self.path} is not a file"
            raise ConfigError(msg, f"Check what it is: ls -l {shlex.quote(str(self.path))}")
        try:
            return _File(data.decode(), status)
        except UnicodeDecodeError:
            msg = f"{self.path} is not UTF-8 text, so Codex would not start with it either"
            raise ConfigError(msg, "Correct the file, then run the command again.") from None

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
            raise ConfigError(
                str(error), "Wait until it has finished, then run the command again."
            ) from None
        except OSError as error:
            raise self._access_error(error) from error

    def _dangling(self) -> ConfigError:
        msg = f"{self.path} is a symlink to a file that does not exist"
        return ConfigError(msg, f"Check its target: ls -l {shlex.quote(str(self.path))}")

    def _access_error(self, error: Exception) -> ConfigError:
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
        advice = (
            "Nothing was changed. `codex-shim codex` runs Codex through the shim without this file."
        )
        named = reason if str(self.path) in reason else f"{self.path} cannot be changed: {reason}"
        return ConfigError(named, advice)

    # Backup and journal -----------------------------------------------------------------------------------

    def _back_up_with_journal(self, before: _File, after: str | None) -> Path | None:
        """Copy the old file and record the displaced lines, before anything changes."""
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
            advice = "Nothing was changed. Set CODEX_SHIM_STATE_DIR to a folder that you can write."
            raise ConfigError(str(error), advice) from error

    def _displaced_lines(self) -> str | None:
        displaced = self._journal().get("displaced")
        return displaced if isinstance(displaced, str) else None

    def _text_before(self) -> str | None:
        """Return the text from before the block; empty if there was no file, None without a copy."""
        backup = self._journal().get("backup")
        if not isinstance(backup, str):
            return None
        if not backup:
            return ""
        # The state folder may have been moved since.
        for path in (Path(backup), backups_dir(self._env) / Path(backup).name):
            with contextlib.suppress(OSError, ValueError):
                return path.read_bytes().decode()
        return None

    def _journal(self) -> dict[str, object]:
        """Return the journal of this file; empty without one."""
        try:
            journal = orjson.loads(journal_file(self._env).read_bytes())
        except (OSError, ValueError):
            return {}
        is_own = isinstance(journal, dict) and journal.get("config") == str(self.path)
        return journal if is_own else {}


def _is_toml(text: str) -> bool:
    try:
        parsed(text)
    except ValueError:
        return False
    return True


def _prune(folder: Path) -> None:
    """Delete all but the newest copies, because each may hold secrets of the user."""
    with contextlib.suppress(OSError):
        copies = sorted(folder.glob("*.toml"), key=lambda copy: copy.stat().st_mtime_ns)
        for copy in copies[:-MAX_BACKUPS]:
            copy.unlink()
