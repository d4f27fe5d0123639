"""Where turns go with an API key: the variable of the shim, else `openai_base_url` of Codex's config.toml, else the API.

Never does: send a request, write the config. Invariant: a key goes where Codex itself would send it, and nowhere when
that address is unusable or is the shim's own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import codex_config_file
from addons.core.codex.login import Login, LoginKind, LoginProblem
from addons.core.providers.chatgpt import (
    API_BASE_URL,
    API_BASE_URL_VARIABLE,
    FEDRAMP_API_BASE_URL,
    BaseUrl,
    parse_base_url,
)

SETTING = "openai_base_url"
API, FEDRAMP_API = parse_base_url(API_BASE_URL), parse_base_url(FEDRAMP_API_BASE_URL)


class ApiBase:
    """The address of the API. Raises ValueError, with a text for the user, when the variable holds an unusable one."""

    def __init__(self, env: Mapping[str, str], own_ports: frozenset[int]) -> None:
        named = env.get(API_BASE_URL_VARIABLE)
        self._named = parse_base_url(named, API_BASE_URL_VARIABLE) if named else None
        self.own_ports = own_ports
        """The ports of the shim on this machine."""
        self._config = CachedFile(codex_config_file(env))
        self._seen: bytes | None = None
        self._setting: object = None

    @property
    def problem(self) -> LoginProblem | None:
        """Why a key cannot be sent; None when it can."""
        found = self._configured()
        return found if isinstance(found, LoginProblem) else None

    def base_for(self, login: Login | None) -> BaseUrl:
        """Return the address for a key, also while there is a problem: then nothing is sent."""
        found = self._configured()
        if isinstance(found, BaseUrl):
            return found
        return FEDRAMP_API if login and login.is_fedramp else API

    def _configured(self) -> BaseUrl | LoginProblem | None:
        if self._named:
            return self._named
        try:
            data = self._config.read()
        except FileAccessError:
            data = None
        if data != self._seen:
            self._seen, self._setting = data, _setting_in(data or b"")
        return self._parsed(self._setting) if self._setting not in (None, "") else None

    def _parsed(self, setting: object) -> BaseUrl | LoginProblem:
        if not isinstance(setting, str):
            return self._unusable(f"{SETTING} must be a string")
        try:
            base = parse_base_url(setting, SETTING)
        except ValueError as error:
            return self._unusable(str(error))
        if base.origin.is_loopback and base.origin.port in self.own_ports:
            return self._unusable(f"{SETTING} names codex-shim itself")
        return base

    def _unusable(self, why: str) -> LoginProblem:
        return LoginProblem(
            LoginKind.API_BASE,
            f"codex-shim does not send your API key: in {self._config.path}, {why}. Correct or remove {SETTING} there, "
            f"or set {API_BASE_URL_VARIABLE} to the address of the API and restart codex-shim.",
            "codex-shim doctor",
        )


def _setting_in(data: bytes) -> object:
    try:
        return tomllib.loads(data.decode()).get(SETTING)
    except ValueError:
        return None
