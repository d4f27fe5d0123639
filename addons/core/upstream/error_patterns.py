"""The messages with which upstreams refuse requests, as data for `addons.core.upstream.error_mapping`.

Sources: each pattern names its providers; `tests/core/upstream/error_texts.py` holds their texts with the reports that
they were taken from. Invariant: a pattern holds only phrases that are specific to its kind, so that no other refusal
matches it; where two kinds share phrases, `MESSAGE_PATTERNS` has the more specific one first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from addons.core.upstream.error_codes import ErrorKind
from addons.core.upstream.patterns import at_first_use

MIN_WINDOW = 1_000
"""A smaller number of tokens is no context window."""


def _any(*alternatives: str) -> re.Pattern[str]:
    return at_first_use("|".join(alternatives), re.IGNORECASE)


_LIMIT = r"(?:context[ _-]?(?:length|window|size|limit|len)|max(?:imum)?[ _](?:model[ _]|context[ _]|seq(?:uence)?[ _]|prompt[ _]|input[ _])(?:len(?:gth)?|tokens?|size|window)|(?:allowed|supported) (?:input|prompt|context) (?:length|size)|n_ctx\b|(?:model|prompt|input)[ _]token[ _]limit)"
_BEYOND = r"(?:exceed\w{0,8}|(?:long|larg|great)er than|more than|less than|overflow\w{0,8}|beyond|above|too (?:long|large|big|many tokens) for|fits? (?:in|into|within)|out of)"

CONTEXT = _any(
    r"maximum (?:context|prompt|input|sequence) length",  # OpenAI, vLLM, DeepSeek, Mistral, OpenRouter, xAI
    rf"{_BEYOND}[^.\n]{{0,80}}?{_LIMIT}",  # OpenAI, Anthropic, SGLang, Ollama, LM Studio, llama.cpp, SiliconFlow, omlx, Moonshot
    r"context[ _-]?(?:length|window|size|limit)s?\b[^.\n]{0,40}?(?:exceed|overflow|is full|reached|too small)",  # MiniMax, LiteLLM, Cloudflare
    r"context overflow|context the overflows|contextwindowexceeded",  # LM Studio, LiteLLM
    r"\b(?:prompt|input|conversation|context|chat history|message history|request|messages?)(?: text| tokens?| length| content)?(?: is| are| was|:)? too long\b",  # Anthropic, Bedrock, Cohere, omlx
    r"\b(?:prompt|input|request|conversation)\b[^.\n]{0,40}(?:tokens?|length)[^.\n]{0,30}(?:exceeds?|too (?:large|big) for)",  # Gemini, GitHub Copilot, Mistral, Poolside
    r"tokens? in (?:the )?(?:request|prompt)[^.\n]{0,30}(?:(?:more|greater|larger) than|cannot exceed)",  # Z.ai, Cohere
    r"reduce (?:the |your )?(?:(?:length|size|number) of )?(?:the |your )?(?:messages|input|prompt|conversation|context)\b",  # OpenAI, Groq, Cerebras
    r"(?:prompt|input) exceeds max",  # Z.ai
    r"exceeded model token limit",  # Moonshot
    r"range of input length should be",  # DashScope
    r"(?:requested tokens?|tokens?) \(?\d+\)? exceeds? (?:the )?(?:context|model)",  # llama-cpp-python
    r"must be (?:less|smaller|lower) than (?:or equal to )?(?:the )?max_(?:seq|model)_len",  # SiliconFlow
    r"`?inputs`?(?: tokens)? (?:\+ `?max_new_tokens`? )?must (?:be|have)|tokens`? ?\+ ?`?max_new_tokens`? must be",  # Text Generation Inference, Together
    r"(?:message|prompt|input|conversation|context) size:? \d+[^.\n]{0,20}exceeds?[^.\n]{0,10}(?:limit|max)",  # Moonshot
    r"request too large for|must be reduced in order to run",  # OpenAI, Groq: more than the tokens per minute
    r"extra usage is required for long context",  # Anthropic: more than the plan's part of the window
    r"request body too large for .{1,80} tokens",  # GitHub Models
    r"too many (?:input |prompt )?tokens(?! per)(?!,? please wait)(?! processed)(?:[^.\n]{0,30}(?:max|limit|\d))",  # Cohere, Vertex
    r"sum of (?:the )?prompt length[^\n]{0,120}exceed|(?:prompt|input)[^.\n]{0,60}exceeds?[^.\n]{0,20}max_(?:num|input)_(?:tokens|len)",  # TensorRT-LLM
    r"(?:prompt|input|context|conversation)_too_long",  # codes as text
    r"\b(?:prompt|input|request|conversation)\b[^.\n]{0,20}\b\d{4,9} tokens\b[^.\n]{0,20}\b(?:above|over|beyond|exceed(?:s|ing)?|but|more than)\b[^.\n]{0,20}(?<!daily )(?<!weekly )(?<!rate )(?<!usage )\b(?:maximum|limit)\b(?![^.\n]{0,40}\b(?:per|of requests)\b)",  # gateways
    r"\b(?:prompts?|inputs?|messages|history|conversation)(?: (?:text|content|history|length|size|tokens?|count|of|\(?\d[\d,]{0,12}\)?|is|are|was|were)){0,6} (?:exceed(?:s|ed)?|(?:longer|larger) than|over)\b[^.;\n]{0,30}(?:\btoken limit|\bcontext\b|\bmodel'?s? (?:context|limit))(?![^.\n]{0,30}\bper\b)",  # gateways
    r"(?:does not|doesn't|do not|don't|will not|won't|cannot|can't|not) fit\b[^.\n]{0,60}\b(?:context|window|tokens?)\b",  # local servers
    r"(?:输入|提示词?|上下文|消息|对话|请求)[^。\n]{0,16}(?:过长|超长|超出|超过|太长)",  # DashScope, Qianfan, Z.ai
    r"(?:超出|超过)[^。\n]{0,16}(?:上下文|最大长度|最大.{0,4}token|长度限制)",  # Qianfan, Hunyuan
)
"""The conversation does not fit. Limits on tokens per minute are not here, because waiting helps there."""

_TOO_LARGE_FOR_A_RATE = _any(
    r"request too large for|must be reduced in order to run|extra usage is required for long context"
)


def is_too_large_for_a_rate(text: str) -> bool:
    """Return whether one request exceeds a limit by itself, so that waiting does not help: OpenAI, Groq, Anthropic."""
    return _TOO_LARGE_FOR_A_RATE.search(text) is not None


OUTPUT_LIMIT = _any(
    r"max_(?:completion_|output_|new_)?tokens[^.\n]{0,40}? (?:is |are )?(?:too (?:large|big|high)|must be (?:less|at most|between|no more)|must not exceed|cannot exceed)",  # OpenAI, vLLM, Fireworks
    r"max_(?:completion_|output_)?tokens: \d+ > \d+",  # Anthropic
    r"max_(?:completion_|output_)?tokens[^.\n]{0,30} exceeds? (?:the )?(?:model'?s? )?(?:maximum|max|limit)",  # Bedrock
    r"(?:maximum|max)(?: allowed)? number of (?:output|completion) tokens|allowed (?:output|completion) tokens",  # Anthropic, Azure
    r"(?:valid )?range of max_tokens",  # DeepSeek, DashScope
    r"at most \d+ (?:completion|output) tokens",  # OpenAI
    r"invalid max_(?:completion_|output_)?tokens",  # DeepSeek
    r"maximum tokens you requested exceeds?|maximum tokens value",  # Bedrock
    r"(?:max_tokens|最大输出)[^。\n]{0,20}(?:非法|不合法|取值范围|不能超过|超出|超过)",  # Chinese providers
)

# (input, output, window): how the texts of several servers give the parts of a request that is too long
_SPLITS: tuple[tuple[re.Pattern[str], tuple[int, int]], ...] = (
    (_any(r"(?:maximum )?context length is (?:only )?(\d+)[^\n]{0,200}?(\d+) (?:in|of)(?: the| your)? (?:messages|prompt|text input|input)"), (2, 1)),  # OpenAI, DeepSeek, OpenRouter
    (_any(r"context length is (?:only )?(\d+)[^\n]{0,160}?(?:prompt contains at least|request has|passed) (\d+) input"), (2, 1)),  # vLLM
    (_any(r"context length of (\d+)[^\n]{0,80}?(\d+) tokens from the input"), (2, 1)),  # SGLang
    (_any(r"context limit:? (\d+) \+ \d+ > (\d+)"), (1, 2)),  # Anthropic
    (_any(r"must be <= ?(\d+)[^\n]{0,40}?given: (\d+) `?inputs"), (2, 1)),  # Text Generation Inference
)  # fmt: skip


def is_output_mistake(text: str) -> bool:
    """Return whether a text means that the requested output is too long for a conversation that would fit.

    With numbers, the conversation is short if it takes less than half of the window: then compacting does not help.
    """
    for pattern, (given, limit) in _SPLITS:
        if match := pattern.search(text):
            size, window = int(match[given]), int(match[limit])
            return window >= MIN_WINDOW and size < window / 2
    return OUTPUT_LIMIT.search(text) is not None


TEMPLATE = _any(
    r"conversation roles must alternate",  # Mistral, Gemma and Llama templates
    r"jinja|raise_exception|chat[ _]template|templateerror|error rendering prompt|template error",  # vLLM, SGLang, llama.cpp, LM Studio, TGI
    r"while executing \w+ at line \d+",  # llama.cpp (minja)
    r"after the optional system message|only user(?:,| and) (?:system|assistant)[^.\n]{0,40} roles are supported",  # Mistral and Gemma templates
    r"system message must be at the beginning",  # Qwen3.5 template
)

MONEY = _any(
    r"(?:insufficient|not enough|no|low|negative|zero)(?: \w+){0,2} (?:balance|funds)\b|balance is (?:too low|insufficient|not enough|negative|exhausted)",  # DeepSeek, Moonshot, Z.ai, MiniMax, MiMo
    r"credit balance",  # Anthropic
    r"(?:requires? more|insufficient|out of|no|not enough|exhausted (?:your|all)|doesn'?t have any|don'?t have (?:any|enough)|run out of|used (?:up )?all)(?: \w+){0,3} credits?\b|credits? (?:have been |has been |is |are )?(?:exhausted|used up|depleted|expired)",  # OpenRouter, xAI, GitHub Copilot, Hugging Face
    r"billing hard limit|billing (?:is not active|not active)|account is not active",  # OpenAI
    r"(?:spend(?:ing)?|cost|usage) (?:limit|cap)[^.\n]{0,30}(?:reached|exceeded|hit)|budget (?:has been )?exceeded|over budget|exceeded[^.\n]{0,20}budget",  # Together, LiteLLM, Anthropic
    r"payment (?:is )?required|overdue|arrears?\b|(?:please )?(?:top[ -]?up|recharge)\b",  # Fireworks, DashScope
    r"account[^.\n]{0,40}(?:suspended|in good standing)",  # Moonshot, DashScope
    r"free (?:trial|tier)[^.\n]{0,40}(?:ended|expired|exhausted|used up)",  # DashScope, Cohere
    r"out of extra usage",  # Anthropic
    r"user quota is not enough|pre-?consume[^.\n]{0,20} quota failed|token quota is not enough",  # New API
    r"余额不足|欠费|充值|额度不足|额度已用|预扣费额度失败",  # Chinese providers
)
"""Money is used up: no wait helps."""

_PERIOD = r"(?:daily|weekly|monthly|yearly|hourly|\d{1,4}[- ]?hours?|\d{1,4}[- ]?days?|per[- ](?:day|week|month)|session|usage|plan|token plan)"
USED_UP = _any(
    r"exceeded your current quota",  # OpenAI, Gemini
    rf"{_PERIOD}(?:[ /](?:\w+|/)){{0,3}}? (?:limit|quota|allowance|cap)s?\b[^.\n]{{0,30}}(?:reached|exceeded|exhausted|used up|hit)",  # Z.ai, Cerebras
    rf"(?:reached|exceeded|exhausted|hit|used up)[^.\n]{{0,40}}\b{_PERIOD}(?: \w+){{0,2}} (?:limit|quota|allowance|cap)\b",  # Ollama Cloud, ChatGPT, Kimi
    r"limit exhausted|quota (?:has been |is |was )?(?:exceeded|exhausted|reached|used up|depleted)|exhausted your (?:\w+ )?(?:quota|capacity)",  # Z.ai, Google, Azure
    r"free-models-per-day",  # OpenRouter
    r"usage limits?\b",  # Anthropic, Kimi, Ollama Cloud
    r"使用上限|用量上限|额度.{0,8}(?:用完|耗尽|上限)|限额",  # Z.ai
)
"""A quota is used up, or a limit per minute is worded as one."""

PASSING = _any(
    r"per[ _-]?(?:min(?:ute)?|sec(?:ond)?)\b|perminute|persecond|\b[rtq]p[ms]\b|minute_per|tokens_per_minute|requests_per_minute",
    r"concurren|in parallel|simultaneous|too (?:fast|frequent)|burst|slow down|throttl|allocated quota",
)
"""Phrases of a limit that passes within minutes."""

LASTING = _any(
    r"per[ _-]?(?:day|week|month|year|hour)\b|perday|permonth|\bdaily\b|\bweekly\b|\bmonthly\b|\b[rtq]pd\b|billing (?:cycle|period)",
    r"\blimit: 0\b",  # Gemini: the model is not part of the plan
    r"weekly/monthly",
)
"""Phrases of a limit that lasts for hours or longer."""

_MEMORY = _any(
    r"requires? more (?:system |gpu )?memory\b(?: \(| than)|\bload\w{0,3}\b[^.\n]{0,40}insufficient system resources|not enough (?:free )?(?:gpu |system |video )?memory to load"  # Ollama, LM Studio
)
_CONTENT = _any(
    r"content management policy",  # Azure
    r"content exists risk",  # DeepSeek
    r"inappropriate content",  # DashScope
    r"requires moderation|was flagged",  # OpenRouter
    r"(?:input|output) new_sensitive|sensitive (?:content|words)|敏感",  # MiniMax, Z.ai
    r"safety (?:system|filter|polic)|(?:content|usage|safety)[ _]polic(?:y|ies)\b|blocked by (?:our |the )?(?:safety|content)|content filtering|(?:内容|输入|提示词?|文本)[^。\n]{0,8}(?:违规|不合规)|违规内容|内容审核",  # OpenAI, Google, Qianfan
)
_AUTH = _any(
    r"api key not valid|api key expired",  # Gemini
    r"(?:incorrect|invalid|wrong) api[ -]?key",  # xAI, OpenAI, MiniMax
    r"no auth credentials found|authentication fails",  # OpenRouter, DeepSeek
)
_UNKNOWN_MODEL = r"(?<!for )\bmodel \S{1,120}(?<![:,]) is not supported\b"  # OpenCode Zen
_NOT_FOUND = _any(
    r"model not exist",  # DeepSeek
    r"is not a valid model id",  # OpenRouter
    r"model .{1,120} (?:not found|does not exist)",  # Ollama, vLLM, OpenAI
    _UNKNOWN_MODEL,
    r"unknown model",
    r"no such model|model is not available",
)
_NAMES_UNKNOWN_MODEL = _any(_UNKNOWN_MODEL)


def names_unknown_model(text: str) -> bool:
    """Return whether a text is about the model, although its status is about the key: OpenCode Zen."""
    return _NAMES_UNKNOWN_MODEL.search(text) is not None


_OVERLOADED = _any(
    r"overloaded|at capacity|over capacity|capacity exceeded|experiencing high demand",  # Mistral, Gemini
    r"no (?:available|healthy) (?:channel|provider|upstream|deployment|capacity)|temporarily unavailable",  # New API, LiteLLM
)
_RATE_LIMIT = _any(r"rate.?limit|too many requests|too many tokens|temporarily rate-limited|请求过于频繁|访问量过大|并发")  # fmt: skip

MESSAGE_PATTERNS: Sequence[tuple[ErrorKind, re.Pattern[str]]] = (
    (ErrorKind.MEMORY, _MEMORY),
    (ErrorKind.TEMPLATE, TEMPLATE),
    (ErrorKind.CONTEXT, CONTEXT),
    (ErrorKind.OUTPUT_LIMIT, OUTPUT_LIMIT),
    (ErrorKind.QUOTA, MONEY),
    (ErrorKind.QUOTA, USED_UP),
    (ErrorKind.CONTENT, _CONTENT),
    (ErrorKind.AUTH, _AUTH),
    (ErrorKind.NOT_FOUND, _NOT_FOUND),
    (ErrorKind.OVERLOADED, _OVERLOADED),
    (ErrorKind.RATE_LIMIT, _RATE_LIMIT),
)
"""Pattern of a text → kind; the first match counts."""

_CONTENT_CODES = _any(
    r"content_filter\b|content_policy_violation|responsibleaipolic|data_inspection_failed|prohibited_content"
)
_NO_ACCESS = _any(
    r"(?:incorrect|invalid|wrong|expired|revoked) api[ -]?key|api key (?:not valid|expired)|api_key_invalid",
    r"(?:country|region|territory)[^.\n]{0,40}not supported|unsupported_country",
    r"\b(?:your|this|current|free) (?:plan|tier|subscription)\b|must be verified(?! to generate reasoning summar)|not authorized|no permission|permission denied",
    r"(?:invalid|unknown|no such) model\b(?! (?:input|param))|not a chat model|模型不存在",
    r"无权限?|未授权|套餐",
)


_SIZE_OF_A_PICTURE = _any(
    r"图片|图像|\bimages?\b[^.\n]{0,40}exceed|\bimages?\b[^.\n]{0,40}too (?:large|big|many)"
)


def is_about_the_form(text: str) -> bool:
    """Return whether another form of the same request may be accepted.

    Not if its content, its length, the key, the plan or the balance is what the upstream refused.
    """
    others = (_CONTENT, _CONTENT_CODES, MONEY, USED_UP, _NO_ACCESS)
    if any(pattern.search(text) for pattern in others):
        return False
    if CONTEXT.search(text) is None or _SIZE_OF_A_PICTURE.search(text):
        return True
    return is_output_mistake(text)
