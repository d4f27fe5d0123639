"""What a user sets about Cursor, all of it by environment: switches, policy, model names, limits.

Never does: touch a file, start anything. Invariant: total. A wrong value leaves the default in force and is named.
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

OFF = frozenset({"", "0", "false", "no", "off"})
LEAST_PROMPT_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class CursorSettings:
    """One consistent state of them. Seconds and bytes."""

    disabled: bool = False
    binary: str = ""
    """What CURSOR_AGENT_BIN names; empty: look on PATH."""
    model: str = "composer-2.5"
    fast_model: str = "composer-2.5-fast"
    workspace: str = ""
    """When set, the only folder that a turn may work in."""
    mode: Mode = "agent"
    tools: Tools = "cursor"
    """Whose tools act: Cursor's own, or those of Codex, for which Cursor only speaks."""
    force: bool = False
    environment: frozenset[str] = frozenset()
    """Variables that a child gets although they look like keys."""
    max_concurrent: int = 4
    prompt_bytes: int = 600_000
    start_seconds: float = 30.0
    """From the start of a child to its first event."""
    idle_seconds: float = 300.0
    """Silence of a child that has begun."""
    total_seconds: float = 3600.0
    exit_seconds: float = 5.0
    """What a child has to end by itself once it has given its result."""
    status_seconds: float = 30.0
    """How often Cursor's login is asked for."""
    problems: tuple[str, ...] = ()

    @property
    def child_mode(self) -> Mode:
        """The mode that a child runs in. While Codex's tools act, Cursor's must not."""
        return "ask" if self.tools == "codex" else self.mode

    @property
    def child_force(self) -> bool:
        """Whether a child may run every command."""
        return self.force and self.tools == "cursor" and self.mode == "agent"


def is_on(value: str) -> bool:
    """Whether a switch of the environment is on."""
    return value.strip().lower() not in OFF


def cursor_settings(env: Mapping[str, str]) -> CursorSettings:
    """Read them."""
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
        prompt_bytes=int(reader.number(PROMPT_BYTES, default.prompt_bytes, LEAST_PROMPT_BYTES)),
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
        """A model's name: it becomes an argument, so it must not look like a flag."""
        value = self.env.get(variable, "").strip()
        if value.startswith("-") or not value.isprintable():
            self._wrong(variable, value, "not the name of a model")
            return default
        return value or default

    def mode(self) -> Mode:
        """The mode, agent by default."""
        match self.env.get(MODE, "").strip().lower():
            case "" | "agent":
                return "agent"
            case "ask":
                return "ask"
            case "plan":
                return "plan"
        self._wrong(MODE, self.env[MODE], f"none of {', '.join(get_args(Mode))}")
        # Not the default: who wanted less than agent must not get it by a slip of the pen.
        return "ask"

    def tools(self) -> Tools:
        """Whose tools act."""
        match self.env.get(TOOLS, "").strip().lower():
            case "" | "cursor":
                return "cursor"
            case "codex":
                return "codex"
        self._wrong(TOOLS, self.env[TOOLS], f"none of {', '.join(get_args(Tools))}")
        return "codex"

    def number(self, variable: str, default: float, least: float = 0.0) -> float:
        """A number above 0 and not below `least`."""
        text = self.env.get(variable, "").strip()
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if least <= value < float("inf") and value > 0:
            return value
        self._wrong(
            variable,
            text,
            f"not a number of at least {least:g}" if least else "not a number above 0",
        )
        return default

    def _wrong(self, variable: str, value: str, reason: str) -> None:
        self.problems.append(f"{variable}: {shown(value)} is {reason}")
