"""Refusals of real servers, each with the change of the request that it asks for.

The texts are rewritten from public reports; `source` names the report or the server's reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

PNG = "data:image/png;base64,iVBORw0KGgo="
JPG = "data:image/jpeg;base64,/9j/4AAQ"


@dataclass(frozen=True)
class Refused:
    """One refusal: what was sent, what the server said, and the first change that helps."""

    source: str
    said: Any
    """The body: text, or JSON."""
    wanted: dict[str, Any]
    """Trait → value of the first proposed change (`...`: the next of a ladder); `notes`: which items, or how many."""
    status: int = 400
    sent: dict[str, Any] = field(default_factory=dict)
    """Fields of the request other than model, messages and stream."""
    profile: dict[str, Any] = field(default_factory=dict)
    messages: bool = False
    """Whether the upstream has the messages protocol."""
    key_header: str = "authorization"
    native: bool = False
    """Whether the upstream has the Responses API."""

    @property
    def body(self) -> bytes:
        return self.said.encode() if isinstance(self.said, str) else orjson.dumps(self.said)


def error(message: str, **rest: Any) -> dict[str, Any]:
    return {"error": {"message": message, **rest}}


def leaf(*paths: str) -> dict[str, Any]:
    return {f"omit:{path}": True for path in paths}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def chat_picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def picture(data: str) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return {"type": "image", "source": source}


CHAT_PICTURES = {
    "messages": [user(chat_picture(PNG)), user({"type": "text", "text": "a"}, chat_picture(JPG))]
}
PICTURES = {"messages": [user(picture("AAAA"), picture("BBBB")), user(picture("CCCC"))]}
MANY = {"messages": [user(*(picture(f"A{index:03}") for index in range(21)))]}
TOOLS = {
    "tools": [{"type": "function", "function": {"name": "a", "parameters": {}, "strict": True}}]
}
THINKING = {
    "messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": "s1"},
            {"type": "redacted_thinking", "data": "d2"},
            {"type": "tool_use", "id": "c", "name": "a", "input": {}},
        ]},
    ]
}  # fmt: skip
EFFORT: dict[str, Any] = {
    "profile": {"effort_style": "reasoning_effort"},
    "sent": {"reasoning_effort": "xhigh"},
}

FIELDS = [
    Refused("OpenAI; langchain_dart#712", error("Unrecognized request argument supplied: verbosity", param=None), leaf("verbosity"), sent={"verbosity": "low"}),
    Refused("OpenAI, new form", error("Unknown parameter: 'user'.", param="user", code="unknown_parameter"), leaf("user"), sent={"user": "u"}),
    Refused("OpenAI reasoning models", error("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.", param="temperature", code="unsupported_value"), leaf("temperature"), sent={"temperature": 0.7}),
    Refused("Azure Foundry DeepSeek; pi#9645", error("Extra inputs are not permitted", param="prompt_cache_key", code="extra_forbidden"), leaf("prompt_cache_key"), sent={"prompt_cache_key": "k"}),
    Refused("NVIDIA NIM; garak#748", {"title": "Unprocessable Entity", "status": 422, "detail": "body -> top_p\n  Extra inputs are not permitted (type=extra_forbidden)\nbody -> seed\n  Extra inputs are not permitted (type=extra_forbidden)", "requestId": "380d3287"}, leaf("top_p", "seed"), 422, {"top_p": 1, "seed": 3}),
    Refused("Mistral; mistralai_client_dart#44", {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "messages", 0, "user", "prefix"], "msg": "Extra inputs are not permitted", "input": None}]}}, leaf("messages.*.prefix"), 422, {"messages": [{"role": "user", "content": "a", "prefix": False}]}),
    Refused("vLLM, repr of a list; MaxKB#2912", {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'service_tier'), 'msg': 'Extra inputs are not permitted', 'input': 800}]", "code": 400}, leaf("service_tier"), sent={"service_tier": "auto"}),
    Refused("Copilot; copilot-api#145", error("system.1.cache_control.ephemeral.scope: Extra inputs are not permitted"), leaf("system.*.cache_control"), sent={"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]}, messages=True),
    Refused("Anthropic", error("top_k: Extra inputs are not permitted", type="invalid_request_error"), leaf("top_k"), sent={"top_k": 1}, messages=True),
    Refused("Gemini", {"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "parallel_tool_calls": Cannot find field.', "status": "INVALID_ARGUMENT"}}, leaf("parallel_tool_calls"), sent={"parallel_tool_calls": True}),
    Refused("Go server (json)", error('json: unknown field "store"'), leaf("store"), sent={"store": False}),
    Refused("serde server", "Failed to deserialize the JSON body: unknown field `metadata`, expected one of `model`, `messages`, `temperature` at line 1", leaf("metadata"), 422, {"metadata": {"a": "b"}, "temperature": 1}),
    Refused("zod gateway", error("Unrecognized key(s) in object: 'seed', 'logprobs'"), leaf("seed", "logprobs"), sent={"seed": 1, "logprobs": True}),
    Refused("jsonschema", {"detail": "Additional properties are not allowed ('top_k' was unexpected)"}, leaf("top_k"), sent={"top_k": 1}),
    Refused("Python server, 500", error("Completions.create() got an unexpected keyword argument 'min_p'"), leaf("min_p"), 500, {"min_p": 0.1}),
    Refused("xAI; hermes-agent#23435", {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: presencePenalty"}, leaf("presence_penalty"), sent={"presence_penalty": 0}),
    Refused("LiteLLM", error("litellm.UnsupportedParamsError: groq does not support parameters: ['logit_bias'], for model=x."), leaf("logit_bias"), sent={"logit_bias": {"1": 1}}),
    Refused("Groq", error("property 'logprobs' is unsupported", type="invalid_request_error"), leaf("logprobs"), sent={"logprobs": True}),
    Refused("Bedrock", {"message": "Malformed input request: extraneous key [frequency_penalty] is not permitted, please reformat your input and try again."}, leaf("frequency_penalty"), sent={"frequency_penalty": 0}),
    Refused("OpenAI Responses", error("Unsupported parameter: 'reasoning.summary' is not supported with this model.", param="reasoning.summary"), leaf("reasoning.summary"), sent={"reasoning": {"summary": "auto", "effort": "low"}}),
    Refused("strict JSON pointer", {"errors": [{"instancePath": "/stream_options/include_obfuscation", "message": "must NOT have additional properties"}]}, leaf("stream_options.include_obfuscation"), sent={"stream_options": {"include_usage": True, "include_obfuscation": False}}),
    Refused("MiMo; pi#4602", error("Param Incorrect", code="400", param="Not supported: top_logprobs"), leaf("top_logprobs"), sent={"top_logprobs": 1}),
    Refused("Writer", {"tpe": "fail.input.generic", "errors": [{"description": "Unknown field 'seed'.", "key": "fail.input.generic"}]}, leaf("seed"), sent={"seed": 1}),
    Refused("OpenRouter around another error", error("Provider returned error", code=400, metadata={"raw": '{"error":{"message":"Unrecognized request argument supplied: seed"}}'}), leaf("seed"), sent={"seed": 1}),
]  # fmt: skip

PICTURE = [
    Refused("Z.ai; cc-switch#6151", error("messages.content.type is invalid, allowed values: ['text']", code="1210"), {"images": False}, sent=CHAT_PICTURES),
    Refused("DeepSeek; cc-switch#3540", error("Failed to deserialize the JSON body into the target type: messages[1]: unknown variant `image_url`, expected `text` at line 1 column 5120"), {"images": False}, sent=CHAT_PICTURES),
    Refused("Ollama; ollama#17301", error("this model does not support image input (ref: b8bd630e)"), {"images": False}, sent=CHAT_PICTURES),
    Refused("Volcengine; opencode#47994", error("Model do not support image input. Request id: 0217"), {"images": False}, sent=CHAT_PICTURES),
    Refused("OpenRouter", error("No endpoints found that support image input", code=404), {"images": False}, 404, CHAT_PICTURES),
    Refused("llama.cpp", error("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj", code=500), {"images": False}, 500, CHAT_PICTURES),
    Refused("OpenAI", error("Invalid content type. image_url is only supported by certain models.", param="messages.[0].content.[0].type"), {"images": False}, sent=CHAT_PICTURES),
    Refused("vLLM", error("At most 0 image(s) may be provided in one prompt. x is not a multimodal model"), {"images": False}, sent=CHAT_PICTURES),
    Refused("Anthropic; claude-code#12009", error("messages.0.content.1.image.source.base64.data: Image does not match the provided media type image/png", type="invalid_request_error"), {"notes": ["BBBB"]}, sent=PICTURES, messages=True),
    Refused("Anthropic, no position", error("Could not process image", type="invalid_request_error"), {"notes": ["CCCC"]}, sent=PICTURES, messages=True),
    Refused("Anthropic, size", error("messages.1.content.0.image.source.base64: image exceeds 5 MB maximum: 7340032 bytes > 5242880 bytes"), {"notes": ["CCCC"]}, sent=PICTURES, messages=True),
    Refused("Anthropic; claude-code#24630", error("messages.0.content.20.image.source.base64.data: At least one of the image dimensions exceed max allowed size for many-image requests: 2000 pixels"), {"notes": 11}, sent=MANY, messages=True),
    Refused("vLLM, count", error("At most 4 image(s) may be provided in one request."), {"notes": 19}, sent=MANY, messages=True),
    Refused("Groq, count", error("Too many images provided. This model supports up to 5 images"), {"notes": 18}, sent=MANY, messages=True),
    Refused("OpenAI, file", error("You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp'].", code="image_parse_error"), {"notes": [JPG]}, sent=CHAT_PICTURES),
]  # fmt: skip

ROLES = [
    Refused("Mistral; zed#37021", error("Unexpected role 'user' after role 'tool'"), {"user_after_tool": False}),
    Refused("vLLM", error("Unexpected message role 'developer'"), {"system_role": "system"}, profile={"system_role": "developer"}),
    Refused("Mistral", {"object": "error", "message": {"detail": [{"type": "union_tag_invalid", "loc": ["body", "messages", 0], "msg": "Input tag 'developer' found using 'role' does not match any of the expected tags: 'assistant', 'system', 'tool', 'user'"}]}}, {"system_role": "system"}, 422, profile={"system_role": "developer"}),
]  # fmt: skip

REASONING = [
    Refused("DeepSeek; pi#3636", error("The `reasoning_content` in the thinking mode must be passed back to the API."), {"needs_own_reasoning": True}),
    Refused("Kimi; pi#7702", error("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2"), {"needs_own_reasoning": True}),
    Refused("Anthropic; Antigravity-Manager#139", error("messages.129.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is enabled, a final `assistant` message must start with a thinking block"), {"needs_own_reasoning": True}, messages=True),
    Refused("Anthropic; claude-code#10627", error("messages.1.content.0: Invalid `signature` in `thinking` block"), {"notes": ["s1"]}, sent=THINKING, messages=True),
    Refused("Vertex around Anthropic; Antigravity-Manager#498", {"error": {"code": 400, "message": '{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.1: Invalid `data` in `redacted_thinking` block"}}', "status": "INVALID_ARGUMENT"}}, {"notes": ["d2"]}, sent=THINKING, messages=True),
    Refused("Bedrock", {"message": "The model returned the following errors: thinking blocks in the latest assistant message cannot be modified"}, {"notes": 2}, sent=THINKING, messages=True),
]  # fmt: skip

EFFORTS = [
    Refused("OpenAI", error("Unsupported value: 'reasoning_effort' does not support 'xhigh' with this model. Supported values are: 'low', 'medium', and 'high'.", param="reasoning_effort"), {"efforts": {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high", "ultra": "high"}}, **EFFORT),
    Refused("Groq", error("`reasoning_effort` must be one of `none` or `default`"), {"efforts": dict.fromkeys(("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"), "none")}, **EFFORT),
    Refused("Ollama; harness-engineering#978", error('"qwen3-coder:30b" does not support thinking'), {"effort_style": "none"}, **EFFORT),
    Refused("xAI; hermes-agent#23435", {"error": "Model grok-4.20-0309-reasoning does not support parameter reasoningEffort."}, {"effort_style": "none"}, **EFFORT),
    Refused("DashScope; Qwen-Agent#941", {"code": "InvalidParameter", "message": "<400> InternalError.Algo.InvalidParameter: The thinking_budget parameter must be a positive integer and not greater than 0"}, {"effort_style": "none"}, sent={"enable_thinking": True}, profile={"effort_style": "enable_thinking"}),
    Refused("OpenAI gpt-4o; wechat-acp#16", error("Unrecognized request argument supplied: reasoning_effort"), {"effort_style": "none"}, **EFFORT),
    Refused("OpenAI; LibreChat#14355", error("Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. Please use /v1/responses instead."), {"protocol": "responses"}, **EFFORT),
    Refused("Anthropic, newer", error('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'), {"effort_style": "adaptive_thinking"}, profile={"effort_style": "thinking_budget"}, messages=True),
    Refused("Anthropic, older", error("adaptive thinking is not supported on this model"), {"effort_style": "thinking_budget"}, profile={"effort_style": "adaptive_thinking"}, messages=True),
    Refused("Anthropic, level", error("output_config.effort: Input should be 'low', 'medium', 'high' or 'max'"), {"efforts": {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "max", "ultra": "max"}}, sent={"output_config": {"effort": "xhigh"}}, profile={"effort_style": "adaptive_thinking"}, messages=True),
]  # fmt: skip

LIMITS = [
    Refused("OpenAI", error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", param="max_tokens"), {"output_limit_field": "max_completion_tokens"}, sent={"max_tokens": 9000}),
    Refused("vLLM; MaxKB#2912", {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted', 'input': 800}]"}, {"output_limit_field": "max_tokens"}, sent={"max_completion_tokens": 9000}, profile={"output_limit_field": "max_completion_tokens"}),
    Refused("DeepSeek; DeepSeek-V3#69", error("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"), {"max_output_tokens": 8192}, sent={"max_tokens": 32000}),
    Refused("DashScope; open-webui#10507", error("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]"), {"max_output_tokens": 8192}, sent={"max_tokens": 9000}),
    Refused("OpenAI; code-gpt-docs#284", error("max_tokens is too large: 6000. This model supports at most 4096 completion tokens, whereas you provided 6000."), {"max_output_tokens": 4096}, sent={"max_tokens": 6000}),
    Refused("Volcengine; openclaude#331", error("The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, expected a value <= 12288, but got 32000 instead.", param="max_completion_tokens"), {"max_output_tokens": 12288}, sent={"max_completion_tokens": 32000}, profile={"output_limit_field": "max_completion_tokens"}),
    Refused("Anthropic", error("max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet-20241022"), {"max_output_tokens": 8192}, sent={"max_tokens": 32000}, messages=True),
]  # fmt: skip

TOOLING = [
    Refused("Groq; vercel/ai#16540", error("json mode cannot be combined with tool/function calling"), {"format_with_tools": False}, sent=TOOLS),
    Refused("Gemini; openai-agents-python#656", error("Function calling with a response mime type: 'application/json' is unsupported"), {"format_with_tools": False}, sent=TOOLS),
    Refused("DeepSeek", error("This response_format type is unavailable now"), {"structured_output": "json_object"}),
    Refused("Cerebras; Roo-Code#10334", error("Tools with mixed values for 'strict' are not allowed.", code="wrong_api_format"), {"strict_tools": False}, 422, TOOLS),
    Refused("Fireworks", error("Extra inputs are not permitted, field: 'tools[0].function.strict', value: True"), {"strict_tools": False}, sent=TOOLS),
    Refused("LM Studio; page-agent#367", error("Invalid tool_choice type: 'object'. Supported string values: none, auto, required"), {"tool_choice_named": False}, sent={"tool_choice": {"type": "function", "function": {"name": "a"}}}),
    Refused("vLLM; tt-example-apps#1", error('Value error, `tool_choice` must either be a named tool, "auto", or "none".'), {"tool_choice_required": False}, sent={"tool_choice": "required"}),
    Refused("Gemini, name", error("GenerateContentRequest.tools[0].function_declarations[3].name: Invalid function name. Must start with a letter or an underscore."), {"tool_names": "word"}),
    Refused("Moonshot, name", error("Invalid request: function name is invalid, must start with a letter and can contain letters, numbers, underscores, and dashes"), {"tool_names": "word"}),
    Refused("Kimi; lean-lsp-mcp#213", error("At path 'properties.a': when using anyOf, type should be defined in anyOf items instead of the parent schema"), {"schema_cleaning": ...}),
    Refused("OpenAI", error("Invalid schema for function 'a': In context=('properties',), array schema missing items.", param="tools[0].function.parameters", code="invalid_function_parameters"), {"schema_cleaning": ...}),
    Refused("OpenAI, id; agno#5382", error("Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40, but got a string with length 73 instead.", code="string_above_max_length"), {"call_ids": "openai"}),
    Refused("Mistral, id; langchain#24668", error("Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."), {"call_ids": "openai"}),
    Refused("Cohere-like", error("messages.1.content: content must not be null"), {"empty_content": "empty"}),
    Refused("Bedrock", {"message": "The content field in the Message object at messages.1 is empty. Add a ContentBlock object to the content field and try again."}, {"empty_content": "text"}),
]  # fmt: skip

KEYS = [
    Refused("MiniMax /anthropic; models.dev#1398", error("login fail: Please carry the API secret key in the 'Authorization' field of the request header"), {"auth": "authorization"}, 401, key_header="x-api-key"),
    Refused("LiteLLM", error("Authentication Error, No api key passed in. Expected Authorization: Bearer <key>"), {"auth": "authorization"}, 401, key_header="x-api-key"),
    Refused("Anthropic", error("x-api-key header is required", type="authentication_error"), {"auth": "x-api-key"}, 401),
    Refused("Azure gateway", {"statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include the api-key header."}, {"auth": "api-key"}, 401),
    Refused("plain gateway", error("Missing API key"), {"auth": "x-api-key"}, 401),
]  # fmt: skip

ALL = [*FIELDS, *PICTURE, *ROLES, *REASONING, *EFFORTS, *LIMITS, *TOOLING, *KEYS]

NOT_REPAIRABLE = [
    Refused("OpenAI, wrong key", error("Incorrect API key provided: sk-x. You can find your API key at https://platform.openai.com.", code="invalid_api_key"), {}, 401),
    Refused("Anthropic, wrong key", error("invalid x-api-key", type="authentication_error"), {}, 401, key_header="x-api-key"),
    Refused("OpenAI, context", error("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", code="context_length_exceeded"), {}, sent={"max_tokens": 9000}),
    Refused("Anthropic, context", error("prompt is too long: 210000 tokens > 200000 maximum"), {}, messages=True, sent={"max_tokens": 32000}),
    Refused("OpenAI, model", error("The model `x` does not exist or you do not have access to it.", code="model_not_found"), {}, 404),
    Refused("DeepSeek, content", error("Content Exists Risk"), {}),
    Refused("plain 500", error("Internal server error"), {}, 500, {"temperature": 1, "user": "u"}),
    Refused("plain 500 with a common word", error("An unknown error occurred while the user request was processed"), {}, 500, {"temperature": 1, "user": "u"}),
    Refused("Cloudflare page", "<html><title>403 Forbidden</title></html>", {}, 403),
    Refused("empty", "", {}),
    Refused("tools not supported", error("registry.ollama.ai/library/gemma does not support tools"), {}, sent=TOOLS),
    Refused("a value of the user in an echo", {"detail": [{"type": "value_error", "loc": ["body"], "msg": "boom", "input": {"temperature": "Unrecognized request argument supplied: temperature"}}]}, {}, sent={"temperature": 1}),
]  # fmt: skip
