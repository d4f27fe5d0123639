"""The providers of docs/models.md as their references describe them, one `Api` each. Data only.

Addresses, key headers and fields are those of the named page; behaviour that no reference states comes from the report
that the comment beside it names.
"""

from __future__ import annotations

from tests.strict import provider_streams as streams
from tests.strict.providers import Api

CLASSIC = frozenset({"low", "medium", "high"})
PARALLEL = frozenset({"parallel_tool_calls"})
LIMIT = frozenset({"max_completion_tokens"})
EFFORT = frozenset({"reasoning_effort"})
SWITCH = frozenset({"enabled", "disabled"})
NO_NAMED = frozenset({"auto", "none", "required"})
VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5"

CHAT_APIS = (
    Api(id="deepseek", row={"provider": "deepseek", "model": "deepseek-v4-pro"}, variable="DEEPSEEK_API_KEY", url="https://api.deepseek.com/v1/chat/completions", reference="https://api-docs.deepseek.com/",
        fields=EFFORT | {"thinking"}, efforts=frozenset({"low", "high", "max"}), switch=SWITCH, thinks="unless off", back="reasoning_content", choices=frozenset({"auto", "none"}), stream=streams.chat("reasoning_content")),
    # hermes-agent#14018: "reasoning_content in the thinking mode must be passed back"
    Api(id="kimi", row={"provider": "kimi", "model": "kimi-k2.6"}, variable="MOONSHOT_API_KEY", url="https://api.moonshot.ai/v1/chat/completions", reference="https://platform.kimi.ai/docs/api/overview",
        fields=LIMIT | {"thinking", "prompt_cache_key"}, switch=SWITCH, thinks="unless off", back="reasoning_content", without=frozenset({"temperature", "top_p"}), choices=frozenset({"auto", "none"}), stream=streams.kimi(), call_id="functions.exec_command:0"),
    # models.dev kimi-k3.toml: "thinking.type is not supported"; agentscope: sampling is fixed
    Api(id="kimi-k3", row={"provider": "kimi", "model": "kimi-k3"}, variable="MOONSHOT_API_KEY", url="https://api.moonshot.ai/v1/chat/completions", reference="https://platform.kimi.ai/docs/api/models-overview",
        fields=LIMIT | EFFORT | {"prompt_cache_key"}, efforts=frozenset({"low", "high", "max"}), thinks="always", back="reasoning_content", without=frozenset({"temperature", "top_p", "max_tokens"}), choices=frozenset({"auto", "none"}), stream=streams.kimi(), call_id="functions.exec_command:0"),
    # synaps-engine 0.11: "disabled" is an error for K2.7, which has no levels
    Api(id="kimi-k2.7", row={"provider": "kimi", "model": "kimi-k2.7-code", "base_url": "https://api.moonshot.cn/v1"}, variable="MOONSHOT_API_KEY", url="https://api.moonshot.cn/v1/chat/completions", reference="https://platform.kimi.com/docs/api/overview",
        fields=LIMIT | {"thinking", "prompt_cache_key"}, switch=frozenset({"enabled"}), thinks="always", back="reasoning_content", without=frozenset({"temperature", "top_p"}), choices=frozenset({"auto", "none"}), stream=streams.kimi(), call_id="functions.exec_command:0"),
    Api(id="kimi-coding", row={"provider": "kimi-coding", "model": "kimi-for-coding"}, variable="KIMI_API_KEY", url="https://api.kimi.com/coding/v1/chat/completions", reference="https://docs.link-ai.tech/platform/maas/coding-plan",
        fields=LIMIT | {"prompt_cache_key"}, choices=frozenset({"auto", "none"}), stream=streams.kimi(), call_id="functions.exec_command:0"),
    Api(id="zai", row={"provider": "zai", "model": "glm-5.2"}, variable="ZAI_API_KEY", url="https://api.z.ai/api/paas/v4/chat/completions", reference="https://docs.z.ai/api-reference/llm/chat-completion",
        fields=frozenset({"thinking"}), switch=SWITCH, choices=frozenset({"auto", "none"}), stream=streams.chat("reasoning_content")),
    # https://dev.to/aihubmix/glm-53-api-guide-always-on-thinking-3-effort-levels-and-the-support-matrix-1d8e
    Api(id="zai-5.3", row={"provider": "glm", "model": "glm-5.3"}, variable="ZHIPU_API_KEY", url="https://api.z.ai/api/paas/v4/chat/completions", reference="https://docs.z.ai/guides/capabilities/thinking-mode",
        fields=EFFORT | {"thinking"}, efforts=frozenset({"low", "high", "max"}), switch=frozenset({"enabled"}), choices=frozenset({"auto", "none"}), stream=streams.chat("reasoning_content")),
    Api(id="zai-coding-plan", row={"provider": "zai-coding-plan", "model": "glm-5.2"}, variable="ZAI_API_KEY", url="https://api.z.ai/api/coding/paas/v4/chat/completions", reference="https://docs.link-ai.tech/platform/maas/coding-plan",
        fields=frozenset({"thinking"}), switch=SWITCH, choices=frozenset({"auto", "none"}), stream=streams.chat("reasoning_content")),
    # CodexPlusPlus#267: a second system message is error 2013
    Api(id="minimax", row={"provider": "minimax", "model": "MiniMax-M2.7"}, variable="MINIMAX_API_KEY", url="https://api.minimax.io/v1/chat/completions", reference="https://platform.minimax.io/docs/api-reference/text-openai-api",
        fields=LIMIT, without=frozenset({"max_tokens", "response_format"}), choices=frozenset({"auto", "none"}), stream=streams.tagged("think")),
    Api(id="dashscope", row={"provider": "qwen", "model": "qwen3.5-plus"}, variable="DASHSCOPE_API_KEY", url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions", reference="https://www.alibabacloud.com/help/en/model-studio/base-url",
        fields=PARALLEL | {"enable_thinking"}, choices=frozenset({"auto", "none"}), stream=streams.chat("reasoning_content")),
    # "Qwen-Coder (does not support thinking mode)": https://www.alibabacloud.com/help/en/model-studio/claude-code
    Api(id="dashscope-coding", row={"provider": "qwen-coding", "model": "qwen3-coder-plus"}, variable="BAILIAN_CODING_PLAN_API_KEY", url="https://coding-intl.dashscope.aliyuncs.com/v1/chat/completions", reference="https://github.com/QwenLM/qwen-code/blob/main/docs/users/configuration/auth.md",
        fields=PARALLEL, choices=frozenset({"auto", "none"}), stream=streams.chat(), reasoning=""),
    # zed#37021: "Unexpected role 'user' after role 'tool'"
    Api(id="mistral", row={"provider": "mistral", "model": "devstral-medium-latest"}, variable="MISTRAL_API_KEY", url="https://api.mistral.ai/v1/chat/completions", reference="https://docs.mistral.ai/api/endpoint/chat",
        fields=PARALLEL, without=frozenset({"stream_options"}), flags={"call_ids": r"[a-zA-Z0-9]{9}", "user_after_tool": False}, stream=streams.whole_call(call_id="D681PevKs"), reasoning="", call_id="D681PevKs"),
    # vercel/ai PR 16540: "json mode cannot be combined with tool/function calling"
    Api(id="groq", row={"provider": "groq", "model": "openai/gpt-oss-120b"}, variable="GROQ_API_KEY", url="https://api.groq.com/openai/v1/chat/completions", reference="https://console.groq.com/docs/openai",
        fields=LIMIT | PARALLEL | EFFORT, efforts=CLASSIC, flags={"format_with_tools": False}, stream=streams.groq()),
    # Roo-Code#10334: mixed `strict` is 422
    Api(id="cerebras", row={"provider": "cerebras", "model": "gpt-oss-120b"}, variable="CEREBRAS_API_KEY", url="https://api.cerebras.ai/v1/chat/completions", reference="https://inference-docs.cerebras.ai/api-reference/chat-completions",
        fields=LIMIT | EFFORT, without=frozenset({"max_tokens"}), efforts=CLASSIC, stream=streams.chat("reasoning")),
    # hermes-agent PR 23435: Grok 4.20 does not support the parameter
    Api(id="xai", row={"provider": "xai", "model": "grok-4.5"}, variable="XAI_API_KEY", url="https://api.x.ai/v1/chat/completions", reference="https://docs.x.ai/developers/grok-4-5",
        fields=PARALLEL | EFFORT | LIMIT, efforts=CLASSIC, stream=streams.whole_call("reasoning_content")),
    Api(id="xai-4.20", row={"provider": "grok", "model": "grok-4.20-0309-reasoning"}, variable="XAI_API_KEY", url="https://api.x.ai/v1/chat/completions", reference="https://docs.x.ai/developers/models",
        fields=PARALLEL | LIMIT, stream=streams.whole_call("reasoning_content")),
    Api(id="gemini", row={"provider": "gemini", "model": "gemini-3-pro-preview"}, variable="GEMINI_API_KEY", url="https://generativelanguage.googleapis.com/v1beta/openai/chat/completions", reference="https://ai.google.dev/gemini-api/docs/openai",
        fields=EFFORT, efforts=frozenset({"none", "minimal", "low", "medium", "high"}), flags={"format_with_tools": False}, stream=streams.whole_call(extra_content={"google": {"thought_signature": "c2ln"}}), reasoning=""),
    Api(id="openrouter", row={"provider": "openrouter", "model": "anthropic/claude-sonnet-4.5"}, variable="OPENROUTER_API_KEY", url="https://openrouter.ai/api/v1/chat/completions", reference="https://openrouter.ai/docs/api/reference/overview",
        fields=frozenset({"reasoning"}), flags={"call_ids": r".{1,40}"}, stream=streams.openrouter()),
    Api(id="together", row={"provider": "together", "model": "moonshotai/Kimi-K2-Thinking"}, variable="TOGETHER_API_KEY", url="https://api.together.xyz/v1/chat/completions", reference="https://docs.together.ai/docs/openai-api-compatibility", choices=NO_NAMED, stream=streams.chat("reasoning")),
    Api(id="fireworks", row={"provider": "fireworks", "model": "accounts/fireworks/models/glm-5"}, variable="FIREWORKS_API_KEY", url="https://api.fireworks.ai/inference/v1/chat/completions", reference="https://docs.fireworks.ai/tools-sdks/openai-compatibility", choices=NO_NAMED, stream=streams.chat("reasoning_content")),
    Api(id="siliconflow", row={"provider": "siliconflow", "model": "deepseek-ai/DeepSeek-V3.2"}, variable="SILICONFLOW_API_KEY", url="https://api.siliconflow.com/v1/chat/completions", reference="https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions", choices=NO_NAMED, stream=streams.chat("reasoning_content")),
    # pi#4602: "Param Incorrect" without the reasoning of earlier calls
    Api(id="mimo", row={"provider": "mimo", "model": "mimo-v2.5-pro"}, variable="MIMO_API_KEY", url="https://api.xiaomimimo.com/v1/chat/completions", reference="https://platform.xiaomimimo.com/docs/en-US/quick-start/first-api-call",
        fields=LIMIT | {"thinking"}, without=frozenset({"max_tokens"}), switch=SWITCH, thinks="unless off", back="reasoning_content", choices=frozenset({"auto", "none"}), stream=streams.chat("reasoning_content")),
    Api(id="zen-chat", row={"provider": "opencode-zen", "model": "deepseek-v4-flash-free"}, variable="OPENCODE_API_KEY", url="https://opencode.ai/zen/v1/chat/completions", reference="https://opencode.ai/docs/zen", choices=NO_NAMED, stream=streams.chat("reasoning_content")),
    Api(id="github-models", row={"provider": "github-models", "model": "openai/gpt-4.1"}, variable="GITHUB_TOKEN", url="https://models.github.ai/inference/chat/completions", reference="https://docs.github.com/en/rest/models/inference", flags={"call_ids": r".{1,40}"}, stream=streams.azure(), reasoning=""),
    Api(id="github-models-org", row={"provider": "github-models", "model": "openai/gpt-5", "base_url": "https://models.github.ai/orgs/acme/inference"}, variable="GITHUB_TOKEN", url="https://models.github.ai/orgs/acme/inference/chat/completions", reference="https://docs.github.com/en/rest/models/inference", fields=LIMIT, without=frozenset({"temperature", "top_p", "max_tokens"}), flags={"call_ids": r".{1,40}"}, stream=streams.azure(), reasoning=""),
    Api(id="azure", row={"provider": "azure", "model": "gpt-4.1", "base_url": "https://r.openai.azure.com"}, variable="AZURE_OPENAI_API_KEY", url="https://r.openai.azure.com/openai/v1/chat/completions", reference="https://learn.microsoft.com/en-us/azure/foundry/openai/api-version-lifecycle", key=("api-key", ""), fields=PARALLEL | {"prompt_cache_key"}, flags={"call_ids": r".{1,40}"}, stream=streams.azure(), reasoning=""),
    Api(id="azure-deployment", row={"provider": "azure", "model": "mine", "base_url": "https://r.openai.azure.com/openai/deployments/mine", "api_version": "2024-10-21"}, variable="AZURE_OPENAI_API_KEY", url="https://r.openai.azure.com/openai/deployments/mine/chat/completions?api-version=2024-10-21", reference="https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference", key=("api-key", ""), flags={"call_ids": r".{1,40}"}, stream=streams.azure(), reasoning=""),
    # pi#9645: `prompt_cache_key` is 400 for models that are not OpenAI's
    Api(id="foundry", row={"provider": "foundry", "model": "DeepSeek-V4-Pro", "base_url": "https://r.services.ai.azure.com/openai"}, variable="AZURE_OPENAI_API_KEY", url="https://r.services.ai.azure.com/openai/v1/chat/completions", reference="https://learn.microsoft.com/en-us/azure/foundry/openai/api-version-lifecycle", key=("api-key", ""), flags={"call_ids": r".{1,40}"}, stream=streams.chat("reasoning_content")),
    Api(id="bedrock", row={"provider": "bedrock", "model": "openai.gpt-oss-120b-1:0", "base_url": "https://bedrock-runtime.us-west-2.amazonaws.com"}, variable="AWS_BEARER_TOKEN_BEDROCK", url="https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1/chat/completions", reference="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html", fields=LIMIT | EFFORT, efforts=CLASSIC, stream=streams.tagged("reasoning")),
    Api(id="bedrock-mantle", row={"provider": "bedrock", "model": "openai.gpt-oss-120b", "base_url": "https://bedrock-mantle.us-east-2.api.aws/v1"}, variable="AWS_BEARER_TOKEN_BEDROCK", url="https://bedrock-mantle.us-east-2.api.aws/v1/chat/completions", reference="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions-mantle.html", fields=LIMIT | EFFORT, efforts=CLASSIC, stream=streams.chat("reasoning")),
    # LiteLLM PR 31400: Bedrock refuses calls in the history without tools
    Api(id="litellm-bedrock", row={"provider": "litellm", "model": "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"}, variable="LITELLM_MASTER_KEY", url="http://127.0.0.1:4000/v1/chat/completions", reference="https://docs.litellm.ai/docs/proxy/user_keys", choices=NO_NAMED, stream=streams.chat("reasoning_content")),
    Api(id="portkey", row={"provider": "portkey", "model": "@bedrock-prod/anthropic.claude-sonnet-4-5"}, variable="PORTKEY_API_KEY", url="https://api.portkey.ai/v1/chat/completions", reference="https://portkey.ai/docs/api-reference/inference-api/headers", key=("x-portkey-api-key", ""), choices=NO_NAMED, stream=streams.chat(), reasoning=""),
    Api(id="ollama", row={"provider": "ollama", "model": "qwen3:30b"}, variable="", url="http://127.0.0.1:11434/v1/chat/completions", reference="https://docs.ollama.com/api/openai-compatibility", fields=EFFORT, efforts=CLASSIC | {"none", "max"}, choices=frozenset({"auto", "none"}), stream=streams.whole_call("reasoning")),
    Api(id="ollama-cloud", row={"provider": "ollama-cloud", "model": "gpt-oss:120b"}, variable="OLLAMA_API_KEY", url="https://ollama.com/v1/chat/completions", reference="https://docs.ollama.com/openai", fields=EFFORT, efforts=CLASSIC | {"none", "max"}, choices=frozenset({"auto", "none"}), stream=streams.whole_call("reasoning")),
    Api(id="vllm", row={"provider": "vllm", "model": "meta-llama/Llama-3.3-70B-Instruct"}, variable="", url="http://127.0.0.1:8000/v1/chat/completions", reference="https://docs.vllm.ai/en/latest/serving/openai_compatible_server/", fields=PARALLEL | LIMIT, stream=streams.chat(), reasoning=""),
    # llama.cpp#20733 and lmstudio-bug-tracker#2298: the template takes one leading system message
    Api(id="vllm-qwen", row={"provider": "vllm", "model": "Qwen/Qwen3.5-27B"}, variable="", url="http://127.0.0.1:8000/v1/chat/completions", reference="https://docs.vllm.ai/en/v0.26.0/features/reasoning_outputs/", fields=PARALLEL | {"chat_template_kwargs"}, body={"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}, stream=streams.chat("reasoning")),
    Api(id="sglang", row={"provider": "sglang", "model": "Qwen/Qwen3-8B"}, variable="", url="http://127.0.0.1:30000/v1/chat/completions", reference="https://docs.sglang.io/docs/advanced_features/separate_reasoning", fields=PARALLEL | {"chat_template_kwargs"}, body={"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}, stream=streams.chat("reasoning_content")),
    Api(id="llamacpp", row={"provider": "llama.cpp", "model": "Devstral-Small-2-24B"}, variable="", url="http://127.0.0.1:8080/v1/chat/completions", reference="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md", choices=NO_NAMED, flags={"user_after_tool": False}, stream=streams.chat("reasoning_content")),
    # lmstudio-bug-tracker#670: "Invalid tool_choice type: 'object'"
    Api(id="lmstudio", row={"provider": "lmstudio", "model": "qwen/qwen3.8-27b"}, variable="", url="http://127.0.0.1:1234/v1/chat/completions", reference="https://lmstudio.ai/docs/developer/openai-compat/tools", choices=NO_NAMED, flags={"tool_choice_named": False}, stream=streams.chat("reasoning_content")),
)  # fmt: skip

MESSAGES_APIS = (
    # models.dev#1398: x-api-key is 401
    Api(id="minimax-messages", row={"provider": "minimax-messages", "model": "MiniMax-M2.7"}, variable="MINIMAX_API_KEY", url="https://api.minimax.io/anthropic/v1/messages", reference="https://platform.minimax.io/docs/api-reference/text-anthropic-api", stream=streams.anthropic(), call_id="toolu_1"),
    # CSSwitch#73: it thinks unless `thinking` says otherwise
    Api(id="deepseek-messages", row={"provider": "deepseek-messages", "model": "deepseek-v4-pro"}, variable="DEEPSEEK_API_KEY", url="https://api.deepseek.com/anthropic/v1/messages", reference="https://api-docs.deepseek.com/guides/anthropic_api", key=("x-api-key", ""), stream=streams.anthropic(), call_id="toolu_1"),
    Api(id="zen-messages", row={"provider": "opencode-zen", "model": "claude-opus-4-8"}, variable="OPENCODE_API_KEY", url="https://opencode.ai/zen/v1/messages", reference="https://opencode.ai/docs/zen", key=("x-api-key", ""), headers={"anthropic-version": "2023-06-01"}, stream=streams.anthropic(), call_id="toolu_1"),
    Api(id="azure-anthropic", row={"provider": "azure-anthropic", "model": "claude-sonnet-5", "base_url": "https://r.services.ai.azure.com"}, variable="ANTHROPIC_FOUNDRY_API_KEY", url="https://r.services.ai.azure.com/anthropic/v1/messages", reference="https://platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry", key=("x-api-key", ""), headers={"anthropic-version": "2023-06-01"}, stream=streams.anthropic(), call_id="toolu_1"),
    Api(id="bedrock-messages", row={"provider": "bedrock", "model": "anthropic.claude-opus-4-8", "base_url": "https://bedrock-mantle.us-east-1.api.aws/anthropic"}, variable="AWS_BEARER_TOKEN_BEDROCK", url="https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages", reference="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html", headers={"anthropic-version": "2023-06-01"}, stream=streams.anthropic(), call_id="toolu_1"),
    Api(id="minimax-copied", row={"provider": "minimax", "model": "MiniMax-M3", "base_url": "https://api.minimax.io/anthropic"}, variable="MINIMAX_API_KEY", url="https://api.minimax.io/anthropic/v1/messages", reference="https://platform.minimax.io/docs/api-reference/text-anthropic-api", stream=streams.anthropic(), call_id="toolu_1"),
    Api(id="vertex", row={"provider": "vertex", "model": "claude-sonnet-4-5@20250929", "base_url": VERTEX, "api_key_env": "VERTEX_TOKEN"}, variable="VERTEX_TOKEN", url=f"{VERTEX}/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict", reference="https://docs.anthropic.com/en/api/claude-on-vertex-ai", body={"anthropic_version": "vertex-2023-10-16", "model": None}, stream=streams.anthropic(), call_id="toolu_1"),
)  # fmt: skip

RESPONSES_APIS = (
    # The chat endpoint of the Sonar models ended on 2026-09-27: https://docs.stigg.io/documentation/ai-agents/llm-wrappers/providers/perplexity
    Api(id="perplexity", row={"provider": "perplexity", "model": "openai/gpt-5.5"}, variable="PERPLEXITY_API_KEY", url="https://api.perplexity.ai/v1/responses", reference="https://docs.perplexity.ai/docs/agent-api/openai-compatibility"),
    Api(id="zen-responses", row={"provider": "opencode-zen", "model": "gpt-5.5"}, variable="OPENCODE_API_KEY", url="https://opencode.ai/zen/v1/responses", reference="https://opencode.ai/docs/zen"),
)  # fmt: skip
