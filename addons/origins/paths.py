"""Where things live, from the environment alone: Codex's home, our settings, our state.

Never does: look at the disk, create a folder. Invariant: an environment variable that is empty counts as unset, and
nothing of ours is placed under Codex's home or inside an installed package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Env = Mapping[str, str]


def codex_home(env: Env) -> Path:
    """Codex's own folder: $CODEX_HOME, else ~/.codex."""
    return _named(env, "CODEX_HOME") or home(env) / ".codex"


def settings_file(env: Env, explicit: Path | None = None) -> Path:
    """models.json: what a flag named, else $CODEX_SHIM_SETTINGS, else ~/.codex-shim/models.json."""
    return (
        explicit or _named(env, "CODEX_SHIM_SETTINGS") or home(env) / ".codex-shim" / "models.json"
    )


def state_dir(env: Env) -> Path:
    """The folder of everything we write: $CODEX_SHIM_STATE_DIR, else the platform's user state folder.

    The platform's folder comes from the process, not from `env`: tests set the variable.
    """
    named = _named(env, "CODEX_SHIM_STATE_DIR")
    if named:
        return named
    # Imported here: it costs 40 ms, and a command that is told where to write has no use for it.
    from platformdirs import user_state_path  # noqa: PLC0415

    return user_state_path("codex-shim", appauthor=False)


def account_catalog_file(env: Env) -> Path:
    """What the account's model list was when it was last asked for."""
    return state_dir(env) / "account_models.json"


def bundled_catalog_file(env: Env) -> Path:
    """A copy of the catalog that the installed Codex carries."""
    return state_dir(env) / "bundled_models.json"


def models_cache_file(env: Env) -> Path:
    """Codex's own cache of the account's models. Read, never written."""
    return codex_home(env) / "models_cache.json"


def catalog_file(env: Env) -> Path:
    """The catalog that Codex is pointed at."""
    return state_dir(env) / "custom_model_catalog.json"


def access_log_file(env: Env) -> Path:
    """One line for each turn."""
    return state_dir(env) / "access.jsonl"


def ledger_file(env: Env) -> Path:
    """What turns have used."""
    return state_dir(env) / "usage.sqlite"


def standalone_config_file(env: Env) -> Path:
    """The generated config.toml, to look at or to copy from."""
    return state_dir(env) / "config.toml"


def codex_config_file(env: Env) -> Path:
    """Codex's own config.toml, as it is named: it may be a symlink."""
    return codex_home(env) / "config.toml"


def token_file(env: Env) -> Path:
    """The local token: who sends it may ask us for turns."""
    return state_dir(env) / "token"


def journal_file(env: Env) -> Path:
    """What we displaced in Codex's config."""
    return state_dir(env) / "wiring.json"


def backups_dir(env: Env) -> Path:
    """Codex's config as it was before we changed it."""
    return state_dir(env) / "config-backups"


def listing_file(env: Env) -> Path:
    """What `codex-shim list` found last, and what it was made of."""
    return state_dir(env) / "listing.json"


def cursor_file(env: Env) -> Path:
    """Whether turns could go to Cursor when it was last asked."""
    return state_dir(env) / "cursor.json"


def home(env: Env) -> Path:
    """The user's home folder."""
    return _named(env, "HOME") or _named(env, "USERPROFILE") or Path.home()


def _named(env: Env, variable: str) -> Path | None:
    value = env.get(variable, "")
    return Path(value).absolute() if value else None
