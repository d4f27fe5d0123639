"""The words in which upstreams refuse: data for `addons.core.upstream_errors`, nothing else.

Sources: the error pages of the OpenAI, Anthropic, Gemini, Bedrock, DeepSeek, Moonshot, Z.ai, DashScope, Mistral,
Groq, xAI and OpenRouter APIs, and what vLLM, llama.cpp, LM Studio and Ollama answer; each row names whose words it
knows. Invariant: a row holds only what its provider says of that kind, so that no other refusal is mistaken for it.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What a refusal is about."""

    AUTH = "auth"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    CONTEXT = "context"
    TOO_LARGE = "too_large"
    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    SERVER = "server"
    CONTENT = "content"
    BAD_REQUEST = "bad_request"


# status → kind, where nothing in the body says it better
STATUSES: dict[int, Kind] = {
    401: Kind.AUTH,
    402: Kind.QUOTA,  # DeepSeek, OpenRouter: balance or credits used up
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    409: Kind.TIMEOUT,  # SDKs of OpenAI and Anthropic: a lock timed out, worth another try
    413: Kind.TOO_LARGE,
    429: Kind.RATE_LIMIT,
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
    529: Kind.OVERLOADED,  # Anthropic
}

# `type`, `code` or `status` of an error object, in lower case without punctuation → kind
WORDS: dict[str, Kind] = {
    # OpenAI, Azure, and everyone who copies them
    "invalidapikey": Kind.AUTH,
    "modelnotfound": Kind.NOT_FOUND,
    "deploymentnotfound": Kind.NOT_FOUND,
    "contextlengthexceeded": Kind.CONTEXT,
    "ratelimitexceeded": Kind.RATE_LIMIT,
    "insufficientquota": Kind.QUOTA,
    "billinghardlimitreached": Kind.QUOTA,
    "usagelimitreached": Kind.QUOTA,  # a ChatGPT plan, behind another proxy
    "usagenotincluded": Kind.QUOTA,
    "serverisoverloaded": Kind.OVERLOADED,
    "slowdown": Kind.OVERLOADED,
    "servererror": Kind.SERVER,
    "internalservererror": Kind.SERVER,
    "contentpolicyviolation": Kind.CONTENT,
    "contentfilter": Kind.CONTENT,
    "responsibleaipolicyviolation": Kind.CONTENT,
    # Anthropic
    "authenticationerror": Kind.AUTH,
    "permissionerror": Kind.PERMISSION,
    "notfounderror": Kind.NOT_FOUND,
    "requesttoolarge": Kind.TOO_LARGE,
    "ratelimiterror": Kind.RATE_LIMIT,
    "billingerror": Kind.QUOTA,
    "timeouterror": Kind.TIMEOUT,
    "overloadederror": Kind.OVERLOADED,
    "apierror": Kind.SERVER,
    # Google
    "unauthenticated": Kind.AUTH,
    "apikeyinvalid": Kind.AUTH,
    "permissiondenied": Kind.PERMISSION,
    "notfound": Kind.NOT_FOUND,
    "resourceexhausted": Kind.RATE_LIMIT,
    "unavailable": Kind.OVERLOADED,
    "deadlineexceeded": Kind.TIMEOUT,
    "internal": Kind.SERVER,
    # Bedrock
    "accessdeniedexception": Kind.PERMISSION,
    "resourcenotfoundexception": Kind.NOT_FOUND,
    "throttlingexception": Kind.RATE_LIMIT,
    "servicequotaexceededexception": Kind.QUOTA,
    "serviceunavailableexception": Kind.OVERLOADED,
    "modelnotreadyexception": Kind.OVERLOADED,
    "modeltimeoutexception": Kind.TIMEOUT,
    "internalserverexception": Kind.SERVER,
    "modelstreamerrorexception": Kind.SERVER,
    # Moonshot
    "invalidauthenticationerror": Kind.AUTH,
    "exceededcurrentquotaerror": Kind.QUOTA,
    "ratelimitreachederror": Kind.RATE_LIMIT,
    "engineoverloadederror": Kind.OVERLOADED,
    # Mistral
    "ratelimited": Kind.RATE_LIMIT,
    # Z.ai
    "1113": Kind.QUOTA,
    "1261": Kind.CONTEXT,
    "1301": Kind.CONTENT,
    "1302": Kind.RATE_LIMIT,
    "1303": Kind.RATE_LIMIT,
    "1305": Kind.OVERLOADED,
    "1308": Kind.QUOTA,
    # DashScope, where Qwen lives
    "arrearage": Kind.QUOTA,
    "datainspectionfailed": Kind.CONTENT,
    "throttlingratequota": Kind.RATE_LIMIT,
    "throttlingallocationquota": Kind.RATE_LIMIT,
    # llama.cpp
    "exceedcontextsizeerror": Kind.CONTEXT,
    "unavailableerror": Kind.OVERLOADED,
}

# words of a message → kind; the first that is found counts
PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.CONTEXT,
        re.compile(
            r"maximum context length"  # OpenAI, vLLM, DeepSeek, Mistral, OpenRouter
            r"|exceeds the context window"  # OpenAI Responses
            r"|reduce the length of the (?:messages|input|prompt)"  # OpenAI, Groq
            r"|prompt is too long"  # Anthropic
            r"|exceed context limit"  # Anthropic: input length and `max_tokens`
            r"|input is too long for requested model"  # Bedrock
            r"|input token count.{0,60}exceeds the maximum"  # Gemini
            r"|exceeds the available context size"  # llama.cpp
            r"|greater than the context length|context overflow|context the overflows"  # LM Studio
            r"|input length exceeds|longer than the (?:model's )?(?:maximum )?(?:model|context) length"  # Ollama, vLLM
            r"|exceeded model token limit"  # Moonshot
            r"|prompt exceeds max length"  # Z.ai
            r"|range of input length should be"  # DashScope
            r"|maximum prompt length is"  # xAI
            r"|context window exceeds limit"  # MiniMax
            r"|prompt token count of \d+ exceeds the limit"  # GitHub Copilot
            r"|tokens`? ?\+ ?`?max_new_tokens`? must be"  # Text Generation Inference
            r"|request too large for model",  # Groq: more than its tokens per minute, so waiting never helps
            re.IGNORECASE,
        ),
    ),
    (
        Kind.QUOTA,
        re.compile(
            r"insufficient (?:account )?balance"  # DeepSeek, Moonshot, Z.ai
            r"|credit balance is too low"  # Anthropic
            r"|requires more credits|insufficient credits"  # OpenRouter
            r"|exceeded your current quota"  # OpenAI, Gemini
            r"|usage limit reached",  # Z.ai coding plan
            re.IGNORECASE,
        ),
    ),
    (
        Kind.CONTENT,
        re.compile(
            r"content management policy"  # Azure
            r"|content exists risk"  # DeepSeek
            r"|inappropriate content"  # DashScope
            r"|requires moderation|was flagged",  # OpenRouter
            re.IGNORECASE,
        ),
    ),
    (
        Kind.AUTH,
        re.compile(
            r"api key not valid|api key expired"  # Gemini
            r"|(?:incorrect|invalid) api key",  # xAI, OpenAI
            re.IGNORECASE,
        ),
    ),
    (
        Kind.NOT_FOUND,
        re.compile(
            r"model not exist"  # DeepSeek
            r"|is not a valid model id"  # OpenRouter
            r"|model .{1,120} (?:not found|does not exist)"  # Ollama, vLLM, OpenAI
            r"|unknown model",
            re.IGNORECASE,
        ),
    ),
    (
        Kind.OVERLOADED,
        # "capacity exceeded": Mistral
        re.compile(
            r"overloaded|at capacity|capacity exceeded|experiencing high demand", re.IGNORECASE
        ),
    ),
    (Kind.RATE_LIMIT, re.compile(r"rate.?limit|too many requests", re.IGNORECASE)),
)

# These statuses say what they are about; words in the message only mislead.
CERTAIN = frozenset({401, 402, 429})
