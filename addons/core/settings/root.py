"""The settings of models.json other than its model rows, checked.

Never reads a file. Invariant: total. A broken value leaves the previous one in force and is reported as
`file: field: reason (line N)`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import orjson

from addons.core.json_values import loads_file
from addons.core.limits import NAMES, Limits, limits_from, shown
from addons.core.settings.budgets import budgets_from
from addons.core.settings.models_file import ROOTS
from addons.core.settings.near_miss import nearest
from addons.core.settings.privacy import BROKEN, OFF, Privacy, privacy_from
from addons.core.settings.traces import Traces, traces_from
from addons.core.settings.web_search import NO_WEB_SEARCH, WebSearch
from addons.core.telemetry.budgets import Budget

CredentialChoice = Literal["auth_json", "client"]
Transport = Literal["auto", "http", "websocket"]
ALLOWED_HOSTS = "CODEX_SHIM_ALLOWED_HOSTS"


@dataclass(frozen=True, slots=True)
class Settings:
    """One consistent state of the settings."""

    limits: Limits = field(default_factory=Limits)
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Slug alias → slug."""
    chatgpt_credential: CredentialChoice = "auth_json"
    """The credential that the ChatGPT route prefers when the client sends its own."""
    chatgpt_fallback: tuple[str, ...] = ()
    """Slugs to try, in order, when the ChatGPT backend cannot answer."""
    chatgpt_transport: Transport = "auto"
    """What carries turns to the ChatGPT backend; `auto` for what carried them to this port."""
    chatgpt_plain_handover: bool = False
    """Whether ChatGPT's models hand tasks over to sub-agents as text."""
    helpers: str = ""
    """The slug or alias of the model for Codex's helper calls; empty for none in particular."""
    vision: str = ""
    """The slug or alias of the model that describes pictures for rows that take none and name none; empty for none."""
    websocket: bool = False
    """Whether `enable` lets Codex send its turns over a WebSocket."""
    budgets: tuple[Budget, ...] = ()
    """What turns may cost."""
    traces: Traces = field(default_factory=Traces)
    """Where turns are exported to."""
    privacy: Privacy = OFF
    """Which private values no upstream gets."""
    web_search: WebSearch = NO_WEB_SEARCH
    """Who answers the web searches of rows."""
    allowed_hosts: frozenset[str] = frozenset()
    """Host names that are accepted in addition to the loopback ones."""
    problems: tuple[str, ...] = ()
    """The problems, each with its location."""


CHATGPT_FIELDS = ("credential", "transport", "fallback", "plain_handover")
ROOT_FIELDS = (
    "limits", "aliases", "chatgpt", "helpers", "vision", "websocket", "budgets", "traces", "privacy",
    "web_search", *ROOTS,
)  # fmt: skip


def parse_settings(
    data: bytes | None, source: str, env: Mapping[str, str], before: Settings | None = None
) -> Settings:
    """Return the settings of models.json (None: there is no file) and of the environment.

    `source` is the file's name in messages; `before` is the state that was in force until now.
    """
    if before is None:
        before = Settings() if data is None else parse_settings(None, source, env)
    reader = _Reader(data or b"", source, before)
    root = {} if data is None else reader.root()
    if root is None:
        return replace(before, privacy=reader.last_privacy(), problems=tuple(reader.problems))
    reader.unknown_fields(root)
    return Settings(
        limits=reader.limits(root, env),
        aliases=reader.aliases(root),
        chatgpt_credential=reader.credential(root),
        chatgpt_fallback=reader.fallback(root),
        chatgpt_transport=reader.transport(root),
        chatgpt_plain_handover=reader.plain_handover(root),
        helpers=reader.model(root, "helpers", before.helpers),
        vision=reader.model(root, "vision", before.vision),
        websocket=reader.websocket(root),
        budgets=reader.budgets(root),
        traces=reader.traces(root),
        privacy=reader.privacy(root),
        web_search=reader.web_search(root),
        allowed_hosts=frozenset(env.get(ALLOWED_HOSTS, "").lower().replace(",", " ").split()),
        problems=tuple(reader.problems),
    )


@dataclass(slots=True)
class _Reader:
    """Reads the settings of one file and collects their problems."""

    data: bytes
    source: str
    before: Settings
    problems: list[str] = field(default_factory=list)

    def root(self) -> Mapping[str, object] | None:
        """Return the file's object, which is empty for a list of rows. None when the file is broken."""
        try:
            root = loads_file(self.data)
        except orjson.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"
            reason = where if self.data.strip() else "the file is empty"
            self.problems.append(f"{self.source}: {reason}")
            return None
        if isinstance(root, dict):
            return root
        if not isinstance(root, list):
            self.problems.append(f"{self.source}: line 1: neither an object nor a list")
            return None
        return {}

    def unknown_fields(self, root: Mapping[str, object]) -> None:
        """Report settings that have no effect: in `chatgpt` any, elsewhere what nearly is one. Other programs' stay."""
        section = root.get("chatgpt")
        for name in section if isinstance(section, dict) else ():
            if name not in CHATGPT_FIELDS:
                reason = "there is no such setting" + _meant(name, CHATGPT_FIELDS)
                self._wrong(("chatgpt", name), reason)
        for name in root:
            if name not in ROOT_FIELDS and (meant := _meant(name, ROOT_FIELDS)):
                self._wrong((name,), "there is no such setting" + meant)

    def limits(self, root: Mapping[str, object], env: Mapping[str, str]) -> Limits:
        """Return the limits of the file and of the environment."""
        values = self._object(root, "limits")
        if values is None:
            return self.before.limits
        limits, wrong = limits_from(values, env, self.before.limits)
        for one in wrong:
            if one.variable:
                self.problems.append(f"{one.variable}: {one.reason}")
            else:
                self._wrong(("limits", one.field), one.reason + _meant(one.field, NAMES))
        return limits

    def aliases(self, root: Mapping[str, object]) -> Mapping[str, str]:
        """Return the valid aliases."""
        values = self._object(root, "aliases")
        if values is None:
            return self.before.aliases
        usable: dict[str, str] = {}
        for name, slug in values.items():
            if isinstance(slug, str) and slug:
                usable[name] = slug
            else:
                self._wrong(("aliases", name), f"{shown(slug)} is not the name of a model")
        return usable

    def credential(self, root: Mapping[str, object]) -> CredentialChoice:
        """Return the credential that the ChatGPT route prefers."""
        values = self._object(root, "chatgpt")
        match values.get("credential", "auth_json") if values is not None else None:
            case "client":
                return "client"
            case "auth_json":
                return "auth_json"
            case other if values is not None:
                reason = f"{shown(other)} is neither auth_json nor client"
                self._wrong(("chatgpt", "credential"), reason)
        return self.before.chatgpt_credential

    def fallback(self, root: Mapping[str, object]) -> tuple[str, ...]:
        """Return the slugs to try when the ChatGPT backend cannot answer."""
        section = root.get("chatgpt")
        slugs = section.get("fallback", []) if isinstance(section, dict) else []
        slugs = [slugs] if isinstance(slugs, str) else slugs
        if isinstance(slugs, list) and all(isinstance(slug, str) and slug for slug in slugs):
            return tuple(slugs)
        self._wrong(("chatgpt", "fallback"), "not a list of names of models")
        return self.before.chatgpt_fallback

    def transport(self, root: Mapping[str, object]) -> Transport:
        """Return what carries turns to the ChatGPT backend."""
        section = root.get("chatgpt")
        match section.get("transport", "auto") if isinstance(section, dict) else "auto":
            case "auto":
                return "auto"
            case "http":
                return "http"
            case "websocket":
                return "websocket"
            case other:
                reason = f"{shown(other)} is neither auto, http nor websocket"
                self._wrong(("chatgpt", "transport"), reason)
        return self.before.chatgpt_transport

    def plain_handover(self, root: Mapping[str, object]) -> bool:
        """Return whether ChatGPT's models hand tasks over to sub-agents as text."""
        section = root.get("chatgpt")
        wanted = section.get("plain_handover", False) if isinstance(section, dict) else False
        if isinstance(wanted, bool):
            return wanted
        self._wrong(("chatgpt", "plain_handover"), f"{shown(wanted)} is neither true nor false")
        return self.before.chatgpt_plain_handover

    def model(self, root: Mapping[str, object], name: str, before: str) -> str:
        """Return the model that a setting names."""
        slug = root.get(name, "")
        if isinstance(slug, str):
            return slug
        self._wrong((name,), f"{shown(slug)} is not the name of a model")
        return before

    def websocket(self, root: Mapping[str, object]) -> bool:
        """Return whether Codex may send its turns over a WebSocket."""
        wanted = root.get("websocket", False)
        if isinstance(wanted, bool):
            return wanted
        self._wrong(("websocket",), f"{shown(wanted)} is neither true nor false")
        return self.before.websocket

    def budgets(self, root: Mapping[str, object]) -> tuple[Budget, ...]:
        """Return the budgets. While one is broken, those before stay in force; without any, the valid ones apply."""
        values = root.get("budgets", [])
        if not isinstance(values, list):
            self._wrong(("budgets",), "not a list")
            return self.before.budgets
        budgets, wrong = budgets_from(values)
        for one in wrong:
            line = line_of(self.data, ("budgets", one.field) if one.field else ("budgets",))
            path = f"budgets[{one.at}]" + (f".{one.field}" if one.field else "")
            self.problems.append(f"{self.source}: {path}: {one.reason} (line {line})")
        return self.before.budgets or budgets if wrong else budgets

    def traces(self, root: Mapping[str, object]) -> Traces:
        """Return where turns are exported to."""
        values = self._object(root, "traces")
        if values == {}:
            return Traces()
        found = None if values is None else traces_from(values, self._wrong)
        return found or self.before.traces

    def privacy(self, root: Mapping[str, object]) -> Privacy:
        """Return what the privacy gate does. A section with a problem never switches it off."""
        found = privacy_from(root.get("privacy"), self._wrong)
        if found is None or ("privacy" not in root and any(map(_means_privacy, root))):
            return self._unread_privacy()
        return found

    def last_privacy(self) -> Privacy:
        """Return what the privacy gate does while the file cannot be read."""
        return self._unread_privacy() if b'"privacy"' in self.data else self.before.privacy

    def _unread_privacy(self) -> Privacy:
        return self.before.privacy if self.before.privacy.is_on else BROKEN

    def web_search(self, root: Mapping[str, object]) -> WebSearch:
        """Return who answers the searches of rows. While the section is broken, its last valid state stays in force."""
        section = self._object(root, "web_search")
        if section is None:
            return self.before.web_search
        if not section:
            return NO_WEB_SEARCH
        # importing pydantic costs more than everything else that `list` needs
        from addons.core.settings.web_search_schema import web_search_from  # noqa: PLC0415

        found = web_search_from(section)
        if isinstance(found, WebSearch):
            return found
        for wrong in found:
            self._wrong(("web_search", wrong.field), wrong.reason)
        return self.before.web_search

    def _object(self, root: Mapping[str, object], name: str) -> Mapping[str, object] | None:
        value = root.get(name, {})
        if isinstance(value, dict):
            return value
        self._wrong((name,), "not an object")
        return None

    def _wrong(self, path: tuple[str, ...], reason: str) -> None:
        line = line_of(self.data, path)
        self.problems.append(f"{self.source}: {'.'.join(path)}: {reason} (line {line})")


def _meant(name: str, known: Collection[str]) -> str:
    """Return what a wrong name probably means, as a question."""
    near = "" if name in known else nearest(name, known)
    return f". Did you mean {near!r}?" if near else ""


def _means_privacy(name: str) -> bool:
    return name not in ROOT_FIELDS and nearest(name, ROOT_FIELDS) == "privacy"


def line_of(data: bytes, path: tuple[str, ...]) -> int:
    """Return the line of a JSON text, counted from 1, that holds the innermost key of a path.

    Searches each key after the one before it, so an escaped or repeated key may give a line near by.
    """
    position = 0
    for key in path:
        position = max(position, data.find(orjson.dumps(key), position))
    return data.count(b"\n", 0, position) + 1
