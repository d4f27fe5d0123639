"""The settings of the Cursor routes, all of them environment variables: switches, policy, model names, limits.

Never does: touch a file, start a process. Invariant: total; a wrong value is reported and never grants more than its
default, and a wrong policy falls back to the most restrictive one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from addons.core.limits import shown

Mode = Literal["agent", "ask", "plan"]
Tools = Literal["cursor", "codex"]

DISABLE = "CODEX_SHIM_DISABLE_CURSOR"
BINARY = "CURSOR_AGENT_BIN"
MODEL, FAST_MODEL = "CODEX_SHIM_CURSOR_MODEL", "CODEX_SHIM_CURSOR_FAST_MODEL"
WORKSPACE = "CODEX_SHIM_CURSOR_WORKSPACE"
MODE, TOOLS, FORCE = "CODEX_SHIM_CURSOR_MODE", "CODEX_SHIM_CURSOR_TOOLS", "CODEX_SHIM_CURSOR_FORCE"
MAX_CONCURRENT = "CODEX_SHIM_CURSOR_MAX_CONCURRENT"
ENVIRONMENT = "CODEX_SHIM_CURSOR_ENV"
PROMPT_BYTES = "CODEX_SHIM_CURSOR_PROMPT_BYTES"
START_SECONDS = "CODEX_SHIM_CURSOR_START_SECONDS"
IDLE_SECONDS = "CODEX_SHIM_CURSOR_IDLE_SECONDS"
TOTAL_SECONDS = "CODEX_SHIM_CURSOR_TOTAL_SECONDS"
EXIT_SECONDS = "CODEX_SHIM_CURSOR_EXIT_SECONDS"
STATUS_SECONDS = "CODEX_SHIM_CURSOR_STATUS_SECONDS"

FALSE_VALUES = frozenset({"", "0", "false", "no", "off"})
MIN_PROMPT_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class CursorSettings:
    """One consistent set of settings, in seconds and bytes."""

    disabled: bool = False
    binary: str = ""
    """The program that CURSOR_AGENT_BIN names; empty means the first on PATH."""
    model: str = "composer-2.5"
    fast_model: str = "composer-2.5-fast"
    workspace: str = ""
    """The only folder that a turn may work in; empty means that the client or the shim decides."""
    mode: Mode = "agent"
    tools: Tools = "cursor"
    """Which tools act: Cursor's own, or those of Codex; then Cursor contributes text only."""
    force: bool = False
    environment: frozenset[str] = frozenset()
    """Variables that are passed to a child although they look like keys."""
    max_concurrent: int = 4
    prompt_bytes: int = 600_000
    start_seconds: float = 30.0
    """The limit from the start of a child to its first event."""
    idle_seconds: float = 300.0
    """The limit on silence after the first event."""
    total_seconds: float = 3600.0
    exit_seconds: float = 5.0
    """The time that a child has to exit by itself after its result."""
    status_seconds: float = 30.0
    """How long a login status counts as fresh."""
    problems: tuple[str, ...] = ()

    @property
    def child_mode(self) -> Mode:
        """The mode of the child. While Codex's tools act, Cursor's own must not."""
        return "ask" if self.tools == "codex" else self.mode

    @property
    def child_force(self) -> bool:
        """Whether the child may run every command."""
        return self.force and self.tools == "cursor" and self.mode == "agent"


def is_on(value: str) -> bool:
    """Return whether the value of a switch means on."""
    return value.strip().lower() not in FALSE_VALUES


def cursor_settings(env: Mapping[str, str]) -> CursorSettings:
    """Read the settings from the environment."""
    reader = _Reader(env)
    default = CursorSettings()
    return CursorSettings(
        disabled=is_on(env.get(DISABLE, "")),
        binary=env.get(BINARY, ""),
        model=reader.name(MODEL, default.model),
        fast_model=reader.name(FAST_MODEL, default.fast_model),
        workspace=env.get(WORKSPACE, ""),
        mode=reader.mode(),
        tools=reader.tools(),
        force=is_on(env.get(FORCE, "")),
        environment=frozenset(env.get(ENVIRONMENT, "").replace(",", " ").split()),
        max_concurrent=int(reader.number(MAX_CONCURRENT, default.max_concurrent, 1)),
        prompt_bytes=int(reader.number(PROMPT_BYTES, default.prompt_bytes, MIN_PROMPT_BYTES)),
        start_seconds=reader.number(START_SECONDS, default.start_seconds),
        idle_seconds=reader.number(IDLE_SECONDS, default.idle_seconds),
        total_seconds=reader.number(TOTAL_SECONDS, default.total_seconds),
        exit_seconds=reader.number(EXIT_SECONDS, default.exit_seconds),
        status_seconds=reader.number(STATUS_SECONDS, default.status_seconds),
        problems=tuple(reader.problems),
    )


@dataclass(slots=True)
class _Reader:
    env: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def name(self, variable: str, default: str) -> str:
        """Return a model name. It becomes an argument, so it must not look like a flag."""
        value = self.env.get(variable, "").strip()
        if value.startswith("-") or not value.isprintable():
            self._wrong(variable, value, "not the name of a model")
            return default
        return value or default

    def mode(self) -> Mode:
        """Return the mode, `agent` by default."""
        match self.env.get(MODE, "").strip().lower():
            case "" | "agent":
                return "agent"
            case "ask":
                return "ask"
            case "plan":
                return "plan"
        self._wrong(MODE, self.env[MODE], f"none of {', '.join(get_args(Mode))}")
        # Not the default: a typo must not grant more than the user meant to allow.
        return "ask"

    def tools(self) -> Tools:
        """Return whose tools act, `cursor` by default."""
        match self.env.get(TOOLS, "").strip().lower():
            case "" | "cursor":
                return "cursor"
            case "codex":
                return "codex"
        self._wrong(TOOLS, self.env[TOOLS], f"none of {', '.join(get_args(Tools))}")
        return "codex"

    def number(self, variable: str, default: float, minimum: float = 0.0) -> float:
        """Return a number above 0 and not below `minimum`."""
        text = self.env.get(variable, "").strip()
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if minimum <= value < float("inf") and value > 0:
            return value
        self._wrong(
            variable,
            text,
            f"not a number of at least {minimum:g}" if minimum else "not a number above 0",
        )
        return default

    def _wrong(self, variable: str, value: str, reason: str) -> None:
        self.problems.append(f"{variable}: {shown(value)} is {reason}")
