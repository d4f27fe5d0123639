"""The paths of Codex's home, the settings and the state, from the environment alone.

Never does: read a file, create a folder. Invariant: an empty environment variable counts as unset, no path of the
shim is inside an installed package, and only the catalog that the block in config.toml names is under Codex's home.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

Env = Mapping[str, str]
CODEX_CATALOG = "codex-shim-catalog.json"
"""The catalog's name next to config.toml. Codex does not start without its catalog, so both are in one folder."""


class NoHomeError(RuntimeError):
    """The user has no home folder."""


def codex_home(env: Env) -> Path:
    """Return Codex's own folder: $CODEX_HOME, else ~/.codex."""
    return _path_in(env, "CODEX_HOME") or home(env) / ".codex"


def shim_dir(env: Env) -> Path:
    """Return the folder of the settings and, by default, of the state: ~/.codex-shim."""
    return home(env) / ".codex-shim"


def settings_file(env: Env, explicit: Path | None = None) -> Path:
    """Return the path of models.json: the flag, else $CODEX_SHIM_SETTINGS, else ~/.codex-shim/models.json."""
    return explicit or _path_in(env, "CODEX_SHIM_SETTINGS") or shim_dir(env) / "models.json"


def state_dir(env: Env) -> Path:
    """Return the state folder: $CODEX_SHIM_STATE_DIR, else ~/.codex-shim.

    While the folder of an older version is there, it is that one: the CLI moves it when no shim uses it.
    """
    named = _path_in(env, "CODEX_SHIM_STATE_DIR")
    if named:
        return named
    old, new = old_state_dir(env), shim_dir(env)
    return old if _is_other_folder(old, new) else new


def old_state_dir(env: Env, platform: str = sys.platform) -> Path:
    """Return the state folder of versions up to 0.1: the platform's folder for the state of programs."""
    if platform == "win32":
        base = _path_in(env, "LOCALAPPDATA") or home(env) / "AppData" / "Local"
    elif platform == "darwin":
        base = home(env) / "Library" / "Application Support"
    else:
        base = _path_in(env, "XDG_STATE_HOME") or home(env) / ".local" / "state"
    return base / "codex-shim"


def has_old_state(env: Env) -> bool:
    """Return whether there is a state folder of an older version, or one whose move was interrupted."""
    if env.get("CODEX_SHIM_STATE_DIR"):
        return False
    old, new = old_state_dir(env), shim_dir(env)
    return _is_other_folder(old, new) or _is_other_folder(moving_dir(old), new)


def moving_dir(old: Path) -> Path:
    """Return the name of the old state folder while its files are moved."""
    return old.with_name(f"{old.name}.moving")


def account_catalog_file(env: Env) -> Path:
    """Return the path of the stored model list of the account."""
    return state_dir(env) / "account_models.json"


def bundled_catalog_file(env: Env) -> Path:
    """Return the path of the stored copy of the installed Codex's own catalog."""
    return state_dir(env) / "bundled_models.json"


def models_cache_file(env: Env) -> Path:
    """Return the path of Codex's own cache of the account's models. Read, never written."""
    return codex_home(env) / "models_cache.json"


def catalog_file(env: Env) -> Path:
    """Return the path of the last catalog. `enable` copies it to `codex_catalog_file`."""
    return state_dir(env) / "custom_model_catalog.json"


def access_log_file(env: Env) -> Path:
    """Return the path of the access log: one line per turn."""
    return state_dir(env) / "access.jsonl"


def ledger_file(env: Env) -> Path:
    """Return the path of the usage ledger."""
    return state_dir(env) / "usage.sqlite"


def budget_lifts_file(env: Env) -> Path:
    """Return the path of the file that says which budgets are lifted, and until when."""
    return state_dir(env) / "budget-lifts.json"


def seen_contract_file(env: Env) -> Path:
    """Return the path of the list of what clients sent that no recorded contract of Codex has."""
    return state_dir(env) / "contract-seen.json"


def standalone_config_file(env: Env) -> Path:
    """Return the path of the generated config.toml, for inspection and copying."""
    return state_dir(env) / "config.toml"


def codex_config_file(env: Env) -> Path:
    """Return the path of Codex's own config.toml, which may be a symlink."""
    return codex_home(env) / "config.toml"


def codex_catalog_file(env: Env) -> Path:
    """Return the path of the catalog next to Codex's config.toml, which exists while the shim is enabled."""
    return codex_home(env) / CODEX_CATALOG


def token_file(env: Env) -> Path:
    """Return the path of the local token, which authorises clients."""
    return state_dir(env) / "token"


def privacy_key_file(env: Env) -> Path:
    """Return the path of the key from which the placeholders of private values are derived."""
    return state_dir(env) / "privacy.key"


def journal_file(env: Env) -> Path:
    """Return the path of the journal of lines displaced in Codex's config."""
    return state_dir(env) / "wiring.json"


def backups_dir(env: Env) -> Path:
    """Return the folder with copies of Codex's config from before each change."""
    return state_dir(env) / "config-backups"


def thread_moves_file(env: Env) -> Path:
    """Return the path of the journal of threads that were moved to another provider."""
    return state_dir(env) / "thread-moves.json"


def listing_file(env: Env) -> Path:
    """Return the path of the cached result of `codex-shim list`."""
    return state_dir(env) / "listing.json"


def cursor_file(env: Env) -> Path:
    """Return the path of the last known login state of Cursor."""
    return state_dir(env) / "cursor.json"


def home(env: Env) -> Path:
    """Return the user's home folder. Raises NoHomeError."""
    try:
        return _path_in(env, "HOME") or _path_in(env, "USERPROFILE") or Path.home()
    except RuntimeError:
        msg = "HOME is not set, and the system names no home folder for this user"
        raise NoHomeError(msg) from None


def _is_other_folder(old: Path, new: Path) -> bool:
    """Return whether `old` is a folder, and none that a symlink makes the same as `new`."""
    try:
        return old.is_dir() and not old.samefile(new)
    except OSError:
        # There is no usable `new` yet.
        return True


def _path_in(env: Env, variable: str) -> Path | None:
    value = env.get(variable, "")
    return Path(value).absolute() if value else None
