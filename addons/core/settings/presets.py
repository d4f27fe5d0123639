"""The providers that a row can name in one word, as data: address, key, protocol.

Never decides what a model takes or refuses (`addons.core.settings.profiles` does). Invariant: every word is lower case
and names one preset; an unknown word names a chat-completions endpoint whose address the row gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from addons.core.secrets import Origin
from addons.core.settings.near_miss import nearest
from addons.core.upstream.api_keys import API_KEY, BEARER, AuthScheme
from addons.core.upstream.protocol import Protocol

CHAT, MESSAGES, RESPONSES = Protocol.CHAT, Protocol.MESSAGES, Protocol.RESPONSES
PORTKEY_KEY = AuthScheme(b"x-portkey-api-key")


@dataclass(frozen=True, slots=True)
class Preset:
    """The defaults of one provider."""

    words: tuple[str, ...]
    base_url: str = ""
    """The address, when the row gives none."""
    key_env: tuple[str, ...] = ()
    """The environment variables that may hold the key, in order, when the row names no key."""
    needs_key: bool = False
    """Whether a turn needs a key at `base_url`."""
    protocol: Protocol = CHAT
    own_auth: AuthScheme | None = None
    """The header that carries the key, where it is not the protocol's."""
    own_version_segment: str | None = None
    """The path segment that an address without a version gets, where it is not the protocol's."""
    own_path: str = ""
    """The path after the address, where it is not the protocol's. `{model}` stands for the model's name."""
    body: Mapping[str, object] = field(default_factory=dict)
    """Fields of every request, below those of the row. None takes a field out."""
    protocols: tuple[tuple[str, Protocol], ...] = ()
    """Pattern of a model's name → its protocol, for a gateway that serves each model by one protocol only."""
    hosts: tuple[str, ...] = ()
    """Host names, or their ends after a dot, that are this provider whatever `provider` the row uses. `*` is in one label."""

    @property
    def name(self) -> str:
        """The name that profiles use."""
        return self.words[0]

    @property
    def auth(self) -> AuthScheme:
        """The header that carries the key."""
        return self.own_auth or self.protocol.spec.auth

    @property
    def version_segment(self) -> str:
        """The path segment that an address without a version gets."""
        own = self.own_version_segment
        return self.protocol.spec.version_segment if own is None else own

    def for_model(self, model: str) -> Preset:
        """Return the preset with the protocol of a model."""
        name = model.lower().rpartition("/")[2]
        found = (protocol for pattern, protocol in self.protocols if fnmatchcase(name, pattern))
        return replace(self, protocol=next(found, self.protocol), protocols=())

    def speaking(self, protocol: Protocol) -> Preset:
        """Return the preset for an address of another protocol. The key stays in the provider's header."""
        return replace(self, protocol=protocol, own_auth=self.auth, own_version_segment=None)


def _protocol_presets() -> Iterator[Preset]:
    """Yield the presets that name a protocol and no provider."""
    for protocol in Protocol:
        if protocol.spec.providers:
            yield Preset(protocol.spec.providers, protocol=protocol)


PRESETS: tuple[Preset, ...] = (
    Preset(("openai",), "https://api.openai.com/v1", ("OPENAI_API_KEY",), needs_key=True, hosts=("api.openai.com",)),
    Preset(("openai-responses", "responses"), "https://api.openai.com/v1", ("OPENAI_API_KEY",), needs_key=True, protocol=RESPONSES, hosts=("api.openai.com",)),
    Preset(("anthropic", "claude"), "https://api.anthropic.com/v1", ("ANTHROPIC_API_KEY",), needs_key=True, protocol=MESSAGES, hosts=("api.anthropic.com",)),
    Preset(("ollama",), "http://127.0.0.1:11434/v1", ("OLLAMA_API_KEY",), hosts=("ollama.com",)),
    Preset(("ollama-cloud",), "https://ollama.com/v1", ("OLLAMA_API_KEY",), needs_key=True, hosts=("ollama.com",)),
    Preset(("lmstudio", "lm-studio"), "http://127.0.0.1:1234/v1", ("LM_API_TOKEN",)),
    Preset(("vllm",), "http://127.0.0.1:8000/v1", ("VLLM_API_KEY",)),
    Preset(("sglang",), "http://127.0.0.1:30000/v1"),
    Preset(("llamacpp", "llama.cpp", "llama-cpp"), "http://127.0.0.1:8080/v1"),
    Preset(("litellm",), "http://127.0.0.1:4000/v1", ("LITELLM_API_KEY", "LITELLM_MASTER_KEY")),
    Preset(("portkey",), "https://api.portkey.ai/v1", ("PORTKEY_API_KEY",), needs_key=True, own_auth=PORTKEY_KEY, hosts=("api.portkey.ai",)),
    Preset(("deepseek",), "https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",), needs_key=True, hosts=("api.deepseek.com",)),
    Preset(("deepseek-messages",), "https://api.deepseek.com/anthropic", ("DEEPSEEK_API_KEY",), needs_key=True, protocol=MESSAGES, hosts=("api.deepseek.com",)),
    Preset(("openrouter",), "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",), needs_key=True, hosts=("openrouter.ai",)),
    Preset(("opencode-zen", "opencode", "zen"), "https://opencode.ai/zen/v1", ("OPENCODE_API_KEY", "OPENCODE_ZEN_API_KEY"), needs_key=True, protocols=(("claude-*", MESSAGES), ("gpt-*", RESPONSES)), hosts=("opencode.ai",)),
    Preset(("zai", "z.ai", "zhipu", "glm"), "https://api.z.ai/api/paas/v4", ("ZAI_API_KEY", "ZHIPU_API_KEY"), needs_key=True, hosts=("api.z.ai", "open.bigmodel.cn")),
    Preset(("zai-coding-plan", "zai-coding"), "https://api.z.ai/api/coding/paas/v4", ("ZAI_API_KEY", "ZHIPU_API_KEY"), needs_key=True, hosts=("api.z.ai", "open.bigmodel.cn")),
    Preset(("nvidia-nim", "nim", "nvidia"), "https://integrate.api.nvidia.com/v1", ("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"), needs_key=True, hosts=("integrate.api.nvidia.com",)),
    Preset(("kimi", "moonshot", "moonshotai"), "https://api.moonshot.ai/v1", ("MOONSHOT_API_KEY", "KIMI_API_KEY"), needs_key=True, hosts=("api.moonshot.ai", "api.moonshot.cn")),
    Preset(("kimi-coding", "kimi-for-coding"), "https://api.kimi.com/coding/v1", ("KIMI_API_KEY",), needs_key=True, hosts=("api.kimi.com",)),
    Preset(("gemini", "google"), "https://generativelanguage.googleapis.com/v1beta/openai", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), needs_key=True, hosts=("generativelanguage.googleapis.com",)),
    Preset(("vertex-anthropic", "vertex"), protocol=MESSAGES, own_auth=BEARER, own_path="/publishers/anthropic/models/{model}:streamRawPredict", body={"anthropic_version": "vertex-2023-10-16", "model": None}),
    Preset(("groq",), "https://api.groq.com/openai/v1", ("GROQ_API_KEY",), needs_key=True, hosts=("api.groq.com",)),
    Preset(("mistral", "mistralai"), "https://api.mistral.ai/v1", ("MISTRAL_API_KEY",), needs_key=True, hosts=("api.mistral.ai",)),
    Preset(("dashscope-coding", "qwen-coding", "alibaba-coding-plan"), "https://coding-intl.dashscope.aliyuncs.com/v1", ("ALIBABA_CODING_PLAN_API_KEY", "BAILIAN_CODING_PLAN_API_KEY"), needs_key=True, hosts=("coding.dashscope.aliyuncs.com", "coding-intl.dashscope.aliyuncs.com")),
    Preset(("dashscope", "qwen", "alibaba"), "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", ("DASHSCOPE_API_KEY",), needs_key=True, hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com", "maas.aliyuncs.com")),
    Preset(("xai", "grok"), "https://api.x.ai/v1", ("XAI_API_KEY",), needs_key=True, hosts=("api.x.ai",)),
    Preset(("together",), "https://api.together.xyz/v1", ("TOGETHER_API_KEY",), needs_key=True, hosts=("api.together.xyz", "api.together.ai")),
    Preset(("fireworks",), "https://api.fireworks.ai/inference/v1", ("FIREWORKS_API_KEY",), needs_key=True, hosts=("api.fireworks.ai",)),
    Preset(("siliconflow",), "https://api.siliconflow.com/v1", ("SILICONFLOW_API_KEY",), needs_key=True, hosts=("api.siliconflow.com", "api.siliconflow.cn")),
    Preset(("cerebras",), "https://api.cerebras.ai/v1", ("CEREBRAS_API_KEY",), needs_key=True, hosts=("api.cerebras.ai",)),
    Preset(("mimo", "xiaomi"), "https://api.xiaomimimo.com/v1", ("MIMO_API_KEY", "XIAOMI_API_KEY"), needs_key=True, hosts=("api.xiaomimimo.com",)),
    Preset(("minimax",), "https://api.minimax.io/v1", ("MINIMAX_API_KEY",), needs_key=True, hosts=("api.minimax.io", "api.minimaxi.com")),
    Preset(("minimax-messages", "minimax-anthropic"), "https://api.minimax.io/anthropic", ("MINIMAX_API_KEY",), needs_key=True, protocol=MESSAGES, own_auth=BEARER, hosts=("api.minimax.io", "api.minimaxi.com")),
    Preset(("perplexity",), "https://api.perplexity.ai/v1", ("PERPLEXITY_API_KEY",), needs_key=True, protocol=RESPONSES, hosts=("api.perplexity.ai",)),
    Preset(("github-models",), "https://models.github.ai/inference", ("GITHUB_TOKEN", "GITHUB_MODELS_TOKEN"), needs_key=True, own_version_segment="", hosts=("models.github.ai",)),
    Preset(("azure-openai", "azure", "foundry", "azure-foundry"), "", ("AZURE_OPENAI_API_KEY",), needs_key=True, own_auth=API_KEY, own_version_segment="/openai/v1", hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com")),
    Preset(("azure-anthropic", "foundry-anthropic"), "", ("ANTHROPIC_FOUNDRY_API_KEY", "AZURE_OPENAI_API_KEY"), needs_key=True, protocol=MESSAGES, own_version_segment="/anthropic/v1", hosts=("services.ai.azure.com",)),
    Preset(("bedrock", "bedrock-openai"), "", ("AWS_BEARER_TOKEN_BEDROCK",), needs_key=True, own_version_segment="/openai/v1", hosts=("bedrock-runtime.*.amazonaws.com", "bedrock-mantle.*.api.aws")),
    *_protocol_presets(),
)  # fmt: skip
"""Source of addresses and variables: each provider's own API documentation."""

GENERIC = CHAT.spec.providers[0]
BY_WORD: Mapping[str, Preset] = {word: preset for preset in PRESETS for word in preset.words}
LOGIN_PROVIDERS = frozenset({"chatgpt", "cursor", "cursor-agent", "cursor-agent-cli", "cursor-cli", "cursor-acp", "cursor-agent-grpc"})  # fmt: skip
"""Words of earlier shims whose models come from a login and need no row."""
OLLAMA_MARKS = ("11434", "ollama")
"""Substrings of the address of a local Ollama, whatever `provider` the row uses."""


def preset_for(word: str) -> Preset:
    """Return the preset of a provider's word; a chat endpoint for an unknown word."""
    return BY_WORD.get(word.strip().lower(), BY_WORD[GENERIC])


def meant_provider(word: str) -> str:
    """Return the known word that another one is nearly; empty if none is, or if digits and signs say that it is a name."""
    return "" if word.lower() in BY_WORD or not word.isalpha() else nearest(word, BY_WORD)


def family_for(word: str, host: str) -> str:
    """Return the provider whose profiles apply: the one of the word, or of the host when the word names no provider."""
    named = preset_for(word)
    if named.name != GENERIC:
        return named.name
    return next((preset.name for preset in PRESETS if is_host_of(preset, host)), named.name)


def is_host_of(preset: Preset, host: str) -> bool:
    """Return whether a host is one of the provider's own."""
    labels = host.split(".")
    return any(_ends_with(labels, pattern.split(".")) for pattern in preset.hosts)


def is_own_address(preset: Preset, origin: Origin) -> bool:
    """Return whether an address is the provider's own. No other address gets a key that the row does not name."""
    is_default = bool(preset.base_url) and Origin.of(preset.base_url) == origin
    return is_default or (origin.scheme == "https" and is_host_of(preset, origin.host))


def _ends_with(labels: list[str], pattern: list[str]) -> bool:
    """Compare label by label, so that `*` never takes in a dot and with it a foreign domain."""
    ending = labels[-len(pattern) :]
    return len(ending) == len(pattern) and all(map(fnmatchcase, ending, pattern))
