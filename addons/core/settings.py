"""The settings a user writes, checked: what models.json says beside its model rows.

Never does: read files. A broken file or field leaves the default in force and is named with file, field and reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

from addons.core.limits import Limits, limits_from

CredentialChoice = Literal["auth_json", "client"]
ALLOWED_HOSTS = "CODEX_SHIM_ALLOWED_HOSTS"


@dataclass(frozen=True, slots=True)
class Settings:
    """One consistent state of the settings."""

    limits: Limits = field(default_factory=Limits)
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Slug alias → slug."""
    chatgpt_credential: CredentialChoice = "auth_json"
    """Which credential wins on the ChatGPT route when the client sends its own."""
    allowed_hosts: frozenset[str] = frozenset()
    """Host names beside the loopback ones."""
    problems: tuple[str, ...] = ()
    """What is wrong, as `file: field: reason`."""


def parse_settings(data: bytes | None, source: str, env: Mapping[str, str]) -> Settings:
    """Read models.json (None: there is none) and the environment. `source` is how messages call the file."""
    root, problems = _root_of(data, source)
    limits, wrong_limits = limits_from(_object(root, "limits", problems, source), env)
    chatgpt = _object(root, "chatgpt", problems, source)
    choice: CredentialChoice = "auth_json"
    match chatgpt.get("credential", "auth_json"):
        case "client":
            choice = "client"
        case "auth_json":
            pass
        case other:
            problems.append(
                f"{source}: chatgpt.credential: {other!r} is neither auth_json nor client"
            )
    aliases = _object(root, "aliases", problems, source)
    hosts = env.get(ALLOWED_HOSTS, "").lower().replace(",", " ").split()
    return Settings(
        limits=limits,
        aliases={name: slug for name, slug in aliases.items() if isinstance(slug, str)},
        chatgpt_credential=choice,
        allowed_hosts=frozenset(hosts),
        problems=(*problems, *(f"{source}: {text}" for text in wrong_limits)),
    )


def _root_of(data: bytes | None, source: str) -> tuple[Mapping[str, object], list[str]]:
    if data is None or not data.strip():
        return {}, []
    try:
        root = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return {}, [
            f"{source}: line {error.lineno}, column {error.colno}: not valid JSON ({error.msg})"
        ]
    if isinstance(root, dict):
        return root, []
    if isinstance(root, list):
        return {}, []
    return {}, [f"{source}: the file holds neither an object nor a list"]


def _object(
    root: Mapping[str, object], name: str, problems: list[str], source: str
) -> Mapping[str, object]:
    value = root.get(name, {})
    if isinstance(value, dict):
        return value
    problems.append(f"{source}: {name}: not an object")
    return {}
