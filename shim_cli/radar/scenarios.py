"""The scripted runs of Codex in which it shows its contract.

Never does: run a command that changes a file. Invariant: a scenario asks only for tools that every supported version of
Codex has or answers with an error of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from addons.core.contract.answers import (
    Answer,
    answer,
    custom_call,
    function_call,
    message,
    probes,
    reasoning,
    script,
)
from shim_cli.radar.recorder import DONE

ROW, FIRST_BUNDLED, FIRST_LITE = "codex-shim-radar", "first bundled", "first responses-lite"
"""The models that a scenario may ask for: a row of models.json, or one of Codex's own catalog."""

NO_PATCH = "*** Begin Patch\n*** Delete File: no-such-file\n*** End Patch\n"
_SCHEMA = '{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}'
PICTURE, SCHEMA = "{picture}", "{schema}"
"""In arguments: the paths of the files that the runner writes."""
FILES: Mapping[str, str] = {SCHEMA: _SCHEMA}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run of `codex exec`."""

    name: str
    answers: Sequence[Answer]
    arguments: tuple[str, ...] = ()
    model: str = ROW
    config: Mapping[str, object] = field(default_factory=dict)
    """Settings of Codex, by their dotted names. None leaves out one that every run has."""
    has_login: bool = False
    """Whether Codex has a ChatGPT login, a fabricated one."""
    traced: bool = False
    """Whether Codex writes its trace, in which it names the events that it ignores."""


_PROVIDER = "model_providers.codex_shim"
_LOGIN: Mapping[str, object] = {
    f"{_PROVIDER}.requires_openai_auth": True,
    f"{_PROVIDER}.supports_standalone_web_search": True,
}
_SEARCH = "text(await tools.web__run({search_query: [{q: 'example'}]}));"
_DRAW = "await tools.image_gen__imagegen({prompt: 'a cat'});"
TOOLS = answer(
    reasoning("Look first."),
    message("I look first."),
    function_call("exec_command", {"cmd": "true"}),
    custom_call("apply_patch", NO_PATCH),
)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "tools and reasoning on a row",
        (TOOLS, DONE),
        ("-i", PICTURE, "--output-schema", SCHEMA),
    ),
    Scenario("events", (probes(),), traced=True),
    Scenario(
        "compaction",
        (answer(function_call("exec_command", {"cmd": "true"}), tokens=100_000), DONE),
    ),
    Scenario(
        "sub-agents",
        (
            answer(function_call("spawn_agent", {"message": "Say hello.", "task_name": "hello"}, "multi_agent_v1")),
            answer(function_call("spawn_agent", {"message": "Say hello.", "task_name": "hello"}, "collaboration")),
            answer(function_call("wait_agent", {"timeout_ms": 2_000}, "multi_agent_v1", 3)),
            DONE,
        ),
    ),
    Scenario(
        "web search on a row",
        (answer(function_call("run", {"search_query": [{"q": "example"}]}, "web")), DONE),
        config={**_LOGIN, "features.standalone_web_search": True},
        has_login=True,
    ),
    Scenario(
        "a bundled model, whose list Codex asks for",
        (answer(reasoning("Think."), message("Hello.")),),
        model=FIRST_BUNDLED,
        config={**_LOGIN, "model_catalog_json": None},
        has_login=True,
    ),
    Scenario(
        "a responses-lite model, with web search and an image",
        (answer(script(_SEARCH, 1)), answer(script(_DRAW, 2)), DONE),
        model=FIRST_LITE,
        config=_LOGIN,
        has_login=True,
    ),
    Scenario(
        "WebSocket",
        (answer(function_call("exec_command", {"cmd": "true"})), DONE),
        config={f"{_PROVIDER}.supports_websockets": True},
    ),
)  # fmt: skip
