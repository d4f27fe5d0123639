"""Refusals in the words of users' reports, beyond those of `refusals.py`: plain words, Chinese words, other notations.

A row that stands for a class names the class. The texts are rewritten from public reports.
"""

# ruff: noqa: RUF001

from __future__ import annotations

from typing import Any

from tests.core.upstream.refusals import (
    CHAT_PICTURES,
    JPG,
    PICTURES,
    PNG,
    THINKING,
    TOOLS,
    Refused,
    error,
    leaf,
)

NO_PICTURES = {"images": False}
NEWEST = {"notes": [JPG]}
NOT_OFF = {"efforts": ...}
SWITCH_OUT = {"effort_style": "none"}
ADAPTIVE: dict[str, Any] = {
    "profile": {"effort_style": "adaptive_thinking"},
    "sent": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    "messages": True,
}
BUDGET: dict[str, Any] = {
    "profile": {"effort_style": "thinking_budget"},
    "sent": {"thinking": {"type": "enabled", "budget_tokens": 4096}, "max_tokens": 32000},
    "messages": True,
}
OFF: dict[str, Any] = {
    "profile": {"effort_style": "reasoning_effort"},
    "sent": {"reasoning_effort": "none"},
}
SYSTEM: dict[str, Any] = {
    "sent": {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]}
}
LONG_TOOLS = {
    "tools": [
        {"type": "function", "function": {"name": "a", "description": "x" * 2780, "parameters": {}}}
    ]
}

PICTURE = [
    Refused("OpenAI, not valid", error("You uploaded an unsupported image. Please make sure your image is valid.", code="invalid_image_format"), NEWEST, sent=CHAT_PICTURES),
    Refused("OpenAI, URL; chatbox#2210", error("Invalid image URL. The URL must be a valid HTTP or HTTPS URL, or a data URL with base64 encoding.", code="invalid_image_url", param="messages.[0].content.[0].image_url.url"), {"notes": [PNG]}, sent=CHAT_PICTURES),
    Refused("OpenAI, download", error("Error while downloading https://a.example.test/x.png.", code="invalid_value", param="url"), NEWEST, sent=CHAT_PICTURES),
    Refused("OpenAI, timeout", error("Timeout while downloading https://a.example.test/x.png. Please make sure your URL is correct.", code="invalid_image_url"), NEWEST, sent=CHAT_PICTURES),
    Refused("Anthropic, URL", error("Unable to download the file. Please verify the URL and try again."), {"notes": ["CCCC"]}, sent=PICTURES, messages=True),
    Refused("xAI, fetch", {"code": "Client specified an invalid argument", "error": "Unable to fetch image from the given URL"}, NEWEST, sent=CHAT_PICTURES),
    Refused("Mistral, fetch", {"object": "error", "message": "Image, https://a.example.test/x.png, could not be loaded as a valid image"}, NEWEST, sent=CHAT_PICTURES),
    Refused("vLLM, fetch; vllm#11629", error("404, message='Not Found', url='https://a.example.test/x.png' (image_url)"), NEWEST, sent=CHAT_PICTURES),
    Refused("vLLM, PIL", error("cannot identify image file <_io.BytesIO object at 0x7f>"), NEWEST, 500, CHAT_PICTURES),
    Refused("DashScope, download", error("<400> InternalError.Algo.InvalidParameter: Download the media resource timed out during the data inspection process."), NEWEST, sent=CHAT_PICTURES),
    Refused("DashScope, multimodal file", error("<400> InternalError.Algo.InvalidParameter: Failed to download multimodal content"), NEWEST, sent=CHAT_PICTURES),
    Refused("Volcengine, URL", error("Error while connecting: invalid image url: failed to get image", code="InvalidParameter", param="image_url"), NEWEST, sent=CHAT_PICTURES),
    Refused("Chinese, damaged", error("图片输入格式/解析错误", code="1210"), NEWEST, sent=CHAT_PICTURES),
    Refused("Chinese, download", error("图片下载失败，请检查图像链接"), NEWEST, sent=CHAT_PICTURES),
    Refused("Chinese, size in the request", error("请求中的图片大小超过限制"), NEWEST, sent=CHAT_PICTURES),
    Refused("Chinese, size", error("图片大小超过限制"), NEWEST, sent=CHAT_PICTURES),
    Refused("Chinese, model", error("当前模型不支持图片输入"), NO_PICTURES, sent=CHAT_PICTURES),
    Refused("Chinese, model, other words", error("该模型不具备视觉能力，仅支持文本输入"), NO_PICTURES, sent=CHAT_PICTURES),
    Refused("Chinese, multimodal", error("模型不支持多模态消息"), NO_PICTURES, sent=CHAT_PICTURES),
    Refused("pydantic, place of the part", {"detail": [{"type": "string_type", "loc": ["body", "messages", 1, "content", "str"], "msg": "Input should be a valid string", "input": []}, {"type": "literal_error", "loc": ["body", "messages", 1, "content", 1, "type"], "msg": "Input should be 'text'"}]}, NO_PICTURES, 422, CHAT_PICTURES),
    Refused("pydantic, only the place", {"detail": [{"type": "extra_forbidden", "loc": ["body", "messages", 1, "content", 1, "image_url"], "msg": "Extra inputs are not permitted"}]}, NO_PICTURES, 422, CHAT_PICTURES),
    Refused("pydantic, string", {"detail": [{"type": "string_type", "loc": ["body", "messages", 1, "content"], "msg": "Input should be a valid string"}]}, NO_PICTURES, 422, CHAT_PICTURES),
    Refused("serde, untagged", "Failed to deserialize the JSON body into the target type: messages[1].content: data did not match any variant of untagged enum MessageContent at line 1 column 5120", NO_PICTURES, 422, CHAT_PICTURES),
    Refused("serde, sequence", "Failed to deserialize the JSON body into the target type: messages[1].content: invalid type: sequence, expected a string at line 1 column 90", NO_PICTURES, 422, CHAT_PICTURES),
    Refused("Go, array", error("json: cannot unmarshal array into Go struct field ChatMessage.messages.content of type string"), NO_PICTURES, sent=CHAT_PICTURES),
    Refused("Bedrock, Converse", {"message": "This model doesn't support the image content block that you provided. Remove the image content block."}, NO_PICTURES, sent=CHAT_PICTURES),
]  # fmt: skip

THINKS = [
    Refused("Anthropic, older schema", error("thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: 'disabled', 'enabled'", type="invalid_request_error"), {"effort_style": "thinking_budget"}, **ADAPTIVE),
    Refused("Anthropic, newer schema", error("thinking: Input tag 'enabled' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled'", type="invalid_request_error"), {"effort_style": "adaptive_thinking"}, **BUDGET),
    Refused("LiteLLM around Bedrock, older schema", error('litellm.BadRequestError: BedrockException - {"message":"thinking.type: Input should be \'enabled\' or \'disabled\'"}'), {"effort_style": "thinking_budget"}, **ADAPTIVE),
    Refused("OpenRouter, mandatory", error("Reasoning is mandatory for this endpoint and cannot be disabled.", code=400), NOT_OFF, profile={"effort_style": "reasoning_object"}, sent={"reasoning": {"effort": "none"}}),
    Refused("Gemini, budget", {"error": {"code": 400, "message": "Budget 0 is invalid. This model only works in thinking mode.", "status": "INVALID_ARGUMENT"}}, NOT_OFF, **OFF),
    Refused("Z.ai, always thinks", error("thinking cannot be disabled for this model"), SWITCH_OUT, profile={"effort_style": "thinking_switch"}, sent={"thinking": {"type": "disabled"}}),
    Refused("Qwen, thinking only", error("The value of the enable_thinking parameter is restricted to True."), SWITCH_OUT, profile={"effort_style": "enable_thinking"}, sent={"enable_thinking": False}),
    Refused("Chinese, thinking only", error("该模型仅支持思考模式，不能关闭"), SWITCH_OUT, profile={"effort_style": "enable_thinking"}, sent={"enable_thinking": False}),
    Refused("Anthropic, not validated", error("messages.1.content.0: Thinking block could not be validated"), {"notes": ["s1"]}, sent=THINKING, messages=True),
    Refused("Anthropic, no position", error("Invalid signature in thinking block"), {"notes": 2}, sent=THINKING, messages=True),
    Refused("Anthropic, parameters; claude-code#2171", error("messages.1.content.0: When providing `thinking` or `redacted_thinking` blocks, the blocks must match the parameters during the original request."), {"notes": ["s1"]}, sent=THINKING, messages=True),
]  # fmt: skip

LIMITS = [
    Refused("Bedrock", {"message": "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is lower than 8192."}, {"max_output_tokens": 8192}, sent={"max_tokens": 32000}),
    Refused("plain words", error("Requested output of 32000 tokens is above the limit of 16384 output tokens"), {"max_output_tokens": 16384}, sent={"max_tokens": 32000}),
    Refused("Chinese", error("max_tokens 参数非法：取值范围为 [1, 4096]"), {"max_output_tokens": 4096}, sent={"max_tokens": 32000}),
    Refused("Chinese, words", error("最大输出长度不能超过 8192"), {"max_output_tokens": 8192}, sent={"max_tokens": 32000}),
    Refused("Azure, long description", error("Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024, but got a string with length 2780 instead.", param="tools[0].function.description", code="string_above_max_length"), {"max_tool_description": 1024}, sent=LONG_TOOLS),
    Refused("pydantic, long description", {"detail": [{"type": "string_too_long", "loc": ["body", "tools", 0, "function", "description"], "msg": "String should have at most 1000 characters"}]}, {"max_tool_description": 1000}, 422, LONG_TOOLS),
    Refused("long description, no number", error("tools[0].function.description is too long"), {"max_tool_description": 1024}, sent=LONG_TOOLS),
]  # fmt: skip

ROLES = [
    Refused("Gemma", {"error": {"code": 400, "message": "Developer instruction is not enabled for models/gemma-3-27b-it", "status": "INVALID_ARGUMENT"}}, {"system_role": "user"}, **SYSTEM),
    Refused("Gemma, template", error("System role not supported"), {"system_role": "user"}, **SYSTEM),
    Refused("Cohere-like", error("This model does not support system messages"), {"system_role": "user"}, **SYSTEM),
    Refused("o1-mini", error("Unsupported value: 'messages[0].role' does not support 'system' with this model.", param="messages[0].role"), {"system_role": "user"}, **SYSTEM),
    Refused("Bedrock", {"message": "This model doesn't support system messages. Try again without a system message or use a model that supports system messages."}, {"system_role": "user"}, **SYSTEM),
    Refused("Chinese", error("该模型不支持 system 角色"), {"system_role": "user"}, **SYSTEM),
]  # fmt: skip

ALL_FIELDS: dict[str, Any] = {
    "parallel_tool_calls": True,
    "stream_options": {"include_usage": True},
    "prompt_cache_key": "k",
    "temperature": 0.2,
    "tool_choice": "none",
}
FIELDS = [
    Refused("plain words", error("parallel tool calls are not supported"), leaf("parallel_tool_calls"), sent=ALL_FIELDS),
    Refused("plain words, disabled", error("stream options are disabled"), leaf("stream_options"), sent=ALL_FIELDS),
    Refused("plain words, singular", error("Parallel tool calling is not available for this deployment"), leaf("parallel_tool_calls"), sent=ALL_FIELDS),
    Refused("plain words, hyphens", error("prompt-cache-key cannot be used here"), leaf("prompt_cache_key"), sent=ALL_FIELDS),
    Refused("plain words, capitals", error("Prompt Cache Key is not enabled for this model"), leaf("prompt_cache_key"), sent=ALL_FIELDS),
    Refused("Chinese, label", error("不支持的参数：parallel_tool_calls"), leaf("parallel_tool_calls"), sent=ALL_FIELDS),
    Refused("Chinese, first", error("参数 stream_options 不被支持"), leaf("stream_options"), sent=ALL_FIELDS),
    Refused("Chinese, illegal", error("temperature 参数非法"), leaf("temperature"), sent=ALL_FIELDS),
    Refused("Chinese, unknown", error("未知参数 [prompt_cache_key]"), leaf("prompt_cache_key"), sent=ALL_FIELDS),
    Refused("Chinese, model", error("该模型暂不支持temperature"), leaf("temperature"), sent=ALL_FIELDS),
    Refused("Chinese, not recognised", error("无法识别字段“temperature”"), leaf("temperature"), sent=ALL_FIELDS),
    Refused("colon, forbidden", error("prompt_cache_key: forbidden"), leaf("prompt_cache_key"), sent=ALL_FIELDS),
    Refused("colon, one word", error("temperature: unsupported"), leaf("temperature"), sent=ALL_FIELDS),
    Refused("property", error("property 'temperature' is unsupported"), leaf("temperature"), sent=ALL_FIELDS),
    Refused("protobuf", {"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "stream_options": Cannot find field.'}}, leaf("stream_options"), sent=ALL_FIELDS),
    Refused("disallowed", error("disallowed field: prompt_cache_key"), leaf("prompt_cache_key"), sent=ALL_FIELDS),
    Refused("rejected", error("Rejected: the request contains temperature, which this route blocks"), leaf("temperature"), sent=ALL_FIELDS),
    Refused("Chinese, form", error("参数不合规：temperature"), leaf("temperature"), sent=ALL_FIELDS),
    Refused("remove", error("Please remove 'temperature' from your request"), leaf("temperature"), sent=ALL_FIELDS),
]  # fmt: skip

NO_PICTURE_WORDS = (
    "This model cannot see images", "Images are not accepted by this endpoint", "Model is text only", "Multimodal inputs disabled",
    "attachments are not supported", "only text content is allowed in messages", "Unsupported content part type: image_url",
    "content parts of type image_url are not implemented", "本模型为纯文本模型，请勿上传图片", "图像无法识别",
)  # fmt: skip
BAD_PICTURE_WORDS = (
    "Failed to fetch remote resource", "Broken PNG file", "PNG header missing", "The image is empty", "Zero-size image",
    "Image too small: minimum 10x10", "Unable to decode base64 payload", "data URI is malformed", "Invalid MIME type image/heic",
)  # fmt: skip
CACHE_KEY_WORDS = (
    "Illegal parameter: prompt_cache_key", 'request body has an extra field "prompt_cache_key"', "prompt_cache_key is read-only", "不识别的字段 prompt_cache_key",
    "字段prompt_cache_key不存在", "参数prompt_cache_key未定义", "parâmetro não suportado: prompt_cache_key", "Paramètre inconnu : prompt_cache_key",
    "Unbekannter Parameter: prompt_cache_key", "サポートされていないパラメータ: prompt_cache_key",
)  # fmt: skip
TEMPERATURE_WORDS = (
    "cannot set temperature for reasoning models",
    "temperature must be 1",
    "Temperature is fixed for this model",
)
ROLE_WORDS = (
    "System prompts are not supported by this model", "system instructions are disabled", "role 'system' is not allowed",
    "Only user and assistant roles are allowed", "the first message must have role user",
)  # fmt: skip
LIMIT_WORDS = (
    "max_tokens must be <= 4096", "max_tokens should be at most 4096", "output too long: limit 4096 tokens", "max_completion_tokens cannot be greater than 4096",
    "最大输出token数为4096", "completion length exceeds model maximum 4096",
)  # fmt: skip
WORDS = [
    *(Refused(text, error(text), NO_PICTURES, sent=CHAT_PICTURES) for text in NO_PICTURE_WORDS),
    *(Refused(text, error(text), NEWEST, sent=CHAT_PICTURES) for text in BAD_PICTURE_WORDS),
    *(Refused(one, error(one), leaf("prompt_cache_key"), sent=ALL_FIELDS) for one in CACHE_KEY_WORDS),
    *(Refused(one, error(one), leaf("temperature"), sent=ALL_FIELDS) for one in TEMPERATURE_WORDS),
    *(Refused(text, error(text), {"system_role": "user"}, **SYSTEM) for text in ROLE_WORDS),
    *(Refused(one, error(one), {"max_output_tokens": 4096}, sent={"max_tokens": 32000}) for one in LIMIT_WORDS),
]  # fmt: skip
"""Words of the reviewers, each in any server's mouth."""
ALL = [*WORDS, *PICTURE, *THINKS, *LIMITS, *ROLES, *FIELDS]

_SENT = {**ALL_FIELDS, **TOOLS, "messages": CHAT_PICTURES["messages"]}
NOT_REPAIRABLE = [
    Refused("Azure, content", error("The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.", code="content_filter", param="prompt", innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}), {}, sent=_SENT),
    Refused("OpenAI, picture against the policy", error("Your request was rejected as a result of our safety system. Your image may contain content that is not allowed by our safety system.", code="content_policy_violation"), {}, sent=_SENT),
    Refused("DashScope, content", {"code": "data_inspection_failed", "message": "Input image data may contain inappropriate content."}, {}, sent=_SENT),
    Refused("Chinese, content", error("输入内容包含敏感信息，不支持处理", code="1301"), {}, sent=_SENT),
    Refused("Chinese, money", error("余额不足，请充值，temperature 不支持"), {}, sent=_SENT),
    Refused("Chinese, overflow", error("输入内容过长，超出模型上下文，不支持"), {}, sent=_SENT),
    Refused("Gemini, key", {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}, {}, sent=_SENT, key_header="x-goog-api-key"),
    Refused("money", error("Your credit balance is too low to access the API. Parallel tool calls are not available.", type="invalid_request_error"), {}, sent=_SENT),
    Refused("quota", error("You exceeded your current quota; tools are not allowed on this plan", code="insufficient_quota"), {}, 403, _SENT),
    Refused("region", error("Country, region, or territory not supported", code="unsupported_country_region_territory"), {}, 403, _SENT),
    Refused("model of a plan", error("This model is not available in your plan", code="model_not_available"), {}, sent=_SENT),
    Refused("organization", error("Your organization must be verified to use this model"), {}, 404, _SENT),
    Refused("overflow", error("prompt is too long: 210000 tokens > 200000 maximum"), {}, sent=_SENT),
    Refused("Chinese, service", error("推理服务不可用，请稍后重试"), {}, 500, {**_SENT, "reasoning_effort": "high"}, {"effort_style": "reasoning_effort"}),
    Refused("server, file of the model", error("failed to load model file"), {}, 500, _SENT),
    Refused("role of a tool", {"detail": [{"loc": ["body", "messages", 3, "role"], "msg": "Input should be 'system', 'user' or 'assistant'"}]}, {}, 422, {"messages": [{"role": "system", "content": "a"}]}),
    Refused("Anthropic, output", error("Output blocked by content filtering policy; temperature is not supported"), {}, sent=_SENT),
    Refused("Chinese, content again", error("输入内容违规，参数 temperature 不支持"), {}, sent=_SENT),
    Refused("user's words", error("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", code="invalid_prompt"), {}, sent=_SENT),
    Refused("tools not supported at all", error("No endpoints found that support tool use."), {}, 404, {**ALL_FIELDS, **TOOLS}),
]  # fmt: skip
