"""Other proxies that `--peer NAME` can run: how each is installed, and its command.

Each is installed into an environment of its own, whose programs are on PATH. Each forwards to the upstream on loopback,
with a home folder in which it finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.speed.protocols import Protocol

_LITELLM = """model_list:
- {model_name: gpt-5.5, litellm_params: {model: openai/bench, api_base: $UPSTREAM/v1, api_key: bench}}
- {model_name: bench-chat, litellm_params: {model: deepseek/bench, api_base: $UPSTREAM/v1, api_key: bench}}
- {model_name: bench-messages, litellm_params: {model: anthropic/bench, api_base: $UPSTREAM, api_key: bench}}
"""
_OPENCODEX = """{"port": $PORT, "defaultProvider": "chat", "providers": {
"chat": {"adapter": "openai-chat", "baseUrl": "$UPSTREAM/v1", "apiKey": "bench",
  "models": ["bench-chat"], "allowPrivateNetwork": true},
"messages": {"adapter": "anthropic", "baseUrl": "$UPSTREAM", "apiKey": "bench",
  "models": ["bench-messages"], "allowPrivateNetwork": true}}}
"""
_FERROGW = "strategy: {mode: fallback}\ntargets: [{virtual_key: openai}]\n"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One proxy."""

    install: str
    routes: tuple[Protocol, ...]
    """The protocols of upstreams for which it takes Responses requests."""
    command: str
    """For a shell whose environment has PORT, UPSTREAM and an empty HOME."""


RECIPES: Mapping[str, Recipe] = {
    "codex-relay": Recipe(
        "pip install codex-relay==0.5.8",
        ("chat",),
        "exec codex-relay --port $PORT --upstream $UPSTREAM/v1 --api-key bench",
    ),
    "ferrogw": Recipe(
        "pip install ferrogw==1.5.10",
        ("responses",),
        f"cat > $HOME/config.yaml <<END\n{_FERROGW}END\n"
        "export GATEWAY_CONFIG=$HOME/config.yaml OPENAI_API_KEY=bench OPENAI_BASE_URL=$UPSTREAM\n"
        "export ALLOW_UNAUTHENTICATED_PROXY=true RATE_LIMIT_RPS=0\n"
        "exec ferrogw serve",
    ),
    "litellm": Recipe(
        "pip install 'litellm[proxy]==1.108.7'",
        ("responses", "chat", "messages"),
        f"cat > $HOME/config.yaml <<END\n{_LITELLM}END\n"
        "export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False LITELLM_LOG=ERROR\n"
        "export LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true\n"
        "exec litellm --config $HOME/config.yaml --host 127.0.0.1 --port $PORT",
    ),
    "opencodex": Recipe(
        "npm install @bitkyc08/opencodex@2.63.0",
        ("chat", "messages"),
        f"mkdir $HOME/.opencodex && cat > $HOME/.opencodex/config.json <<END\n{_OPENCODEX}END\n"
        "exec ocx start",
    ),
}
"""Each with the version that was measured. Other versions may need another command."""
