"""The providers that a row can name in one word, as data: address, key, protocol.

Never does: decide anything by a model's name (that is `addons.core.profiles`). Invariant: every word in it is lower
case and stands for one preset; a word that is not in it is a chat-completions endpoint whose address the row gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from addons.core.key_places import API_KEY, BEARER, X_API_KEY, AuthForm
from addons.core.translate.conversation import Dialects

CHAT, MESSAGES, RESPONSES = Dialects.CHAT, Dialects.MESSAGES, Dialects.RESPONSES


@dataclass(frozen=True, slots=True)
class Preset:
    """What one word says."""

    words: tuple[str, ...]
    base_url: str = ""
    """Where it is, when the row does not say."""
    key_env: tuple[str, ...] = ()
    """Variables that are looked at, in order, when the row names no key."""
    needs_key: bool = False
    """Whether a turn without a key is pointless at `base_url`."""
    dialect: Dialects = CHAT
    auth: AuthForm = BEARER
    version_segment: str = "/v1"
    hosts: tuple[str, ...] = ()
    """Host names, or their ends after a dot, that are this provider under whatever word."""

    @property
    def name(self) -> str:
        """What profiles call it."""
        return self.words[0]


PRESETS: tuple[Preset, ...] = (
    Preset(("openai",), "https://api.openai.com/v1", ("OPENAI_API_KEY",), needs_key=True, hosts=("api.openai.com",)),
    Preset(("openai-responses", "responses"), "https://api.openai.com/v1", ("OPENAI_API_KEY",), needs_key=True, dialect=RESPONSES, hosts=("api.openai.com",)),
    Preset(("anthropic", "claude"), "https://api.anthropic.com/v1", ("ANTHROPIC_API_KEY",), needs_key=True, dialect=MESSAGES, auth=X_API_KEY, hosts=("api.anthropic.com",)),
    Preset(("generic-chat-completion-api", "generic", "chat", "openai-compatible")),
    Preset(("ollama",), "http://127.0.0.1:11434/v1", ("OLLAMA_API_KEY",), hosts=("ollama.com",)),
    Preset(("lmstudio", "lm-studio"), "http://127.0.0.1:1234/v1", ("LM_API_TOKEN",)),
    Preset(("vllm",), "http://127.0.0.1:8000/v1", ("VLLM_API_KEY",)),
    Preset(("llamacpp", "llama.cpp", "llama-cpp"), "http://127.0.0.1:8080/v1"),
    Preset(("deepseek",), "https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",), needs_key=True, hosts=("api.deepseek.com",)),
    Preset(("openrouter",), "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",), needs_key=True, hosts=("openrouter.ai",)),
    Preset(("zai", "z.ai", "zhipu", "glm"), "https://api.z.ai/api/paas/v4", ("ZAI_API_KEY", "ZHIPU_API_KEY"), needs_key=True, hosts=("api.z.ai", "open.bigmodel.cn")),
    Preset(("zai-coding-plan", "zai-coding"), "https://api.z.ai/api/coding/paas/v4", ("ZAI_API_KEY", "ZHIPU_API_KEY"), needs_key=True, hosts=("api.z.ai",)),
    Preset(("nvidia-nim", "nim", "nvidia"), "https://integrate.api.nvidia.com/v1", ("NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"), needs_key=True, hosts=("integrate.api.nvidia.com",)),
    Preset(("kimi", "moonshot", "moonshotai"), "https://api.moonshot.ai/v1", ("MOONSHOT_API_KEY", "KIMI_API_KEY"), needs_key=True, hosts=("api.moonshot.ai", "api.moonshot.cn")),
    Preset(("kimi-coding", "kimi-for-coding"), "https://api.kimi.com/coding/v1", ("KIMI_API_KEY",), needs_key=True, hosts=("api.kimi.com",)),
    Preset(("gemini", "google"), "https://generativelanguage.googleapis.com/v1beta/openai", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), needs_key=True, hosts=("generativelanguage.googleapis.com",)),
    Preset(("groq",), "https://api.groq.com/openai/v1", ("GROQ_API_KEY",), needs_key=True, hosts=("api.groq.com",)),
    Preset(("mistral", "mistralai"), "https://api.mistral.ai/v1", ("MISTRAL_API_KEY",), needs_key=True, hosts=("api.mistral.ai",)),
    Preset(("dashscope", "qwen", "alibaba"), "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", ("DASHSCOPE_API_KEY",), needs_key=True, hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com")),
    Preset(("xai", "grok"), "https://api.x.ai/v1", ("XAI_API_KEY",), needs_key=True, hosts=("api.x.ai",)),
    Preset(("together",), "https://api.together.xyz/v1", ("TOGETHER_API_KEY",), needs_key=True, hosts=("api.together.xyz", "api.together.ai")),
    Preset(("fireworks",), "https://api.fireworks.ai/inference/v1", ("FIREWORKS_API_KEY",), needs_key=True, hosts=("api.fireworks.ai",)),
    Preset(("cerebras",), "https://api.cerebras.ai/v1", ("CEREBRAS_API_KEY",), needs_key=True, hosts=("api.cerebras.ai",)),
    Preset(("minimax",), "https://api.minimax.io/v1", ("MINIMAX_API_KEY",), needs_key=True, hosts=("api.minimax.io", "api.minimaxi.com")),
    Preset(("azure-openai", "azure"), "", ("AZURE_OPENAI_API_KEY",), needs_key=True, auth=API_KEY, version_segment="/openai/v1", hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com")),
)  # fmt: skip
"""Addresses and variables as each provider's own API documentation has them."""

GENERIC = "generic-chat-completion-api"
BY_WORD: Mapping[str, Preset] = {word: preset for preset in PRESETS for word in preset.words}
NOT_OURS = frozenset({"chatgpt", "cursor", "cursor-agent", "cursor-agent-cli", "cursor-cli", "cursor-acp", "cursor-agent-grpc"})  # fmt: skip
"""Words of earlier shims whose models need no row here."""
LOCAL_MARKS = ("11434", "ollama")
"""What an address of a local Ollama holds, under whatever word."""


def preset_of(word: str) -> Preset:
    """What a provider's word stands for; a chat endpoint when it is nobody's."""
    return BY_WORD.get(word.strip().lower(), BY_WORD[GENERIC])


def family_of(word: str, host: str) -> str:
    """Whose habits a provider has: those of its word, or for a word that says nothing those of its host."""
    named = preset_of(word)
    if named.name != GENERIC:
        return named.name
    return next((preset.name for preset in PRESETS if is_host_of(preset, host)), named.name)


def is_host_of(preset: Preset, host: str) -> bool:
    """Whether a host is one of the provider's own."""
    return any(host == end or host.endswith(f".{end}") for end in preset.hosts)
