"""Refusals of public issue threads that were replayed after the rules were written. `source` names the thread.

The texts are rewritten; `tests/field/LOG.md` says which of them were not understood at first.
"""

# ruff: noqa: RUF001

from __future__ import annotations

from typing import Any

from tests.core.upstream.refusals import (
    CHAT_PICTURES,
    EFFORT,
    JPG,
    THINKING,
    TOOLS,
    Refused,
    chat_picture,
    error,
    leaf,
    user,
)
from tests.core.upstream.refusals_field import ADAPTIVE, ALL_FIELDS, BUDGET, NEWEST, NO_PICTURES

THREE = {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high", "ultra": "high"}  # fmt: skip
DEVELOPER: dict[str, Any] = {"profile": {"system_role": "developer"}}
LINK = "https://a.example.test/x.png?size=9"
LINKED = {"messages": [user(chat_picture(LINK)), user(chat_picture(JPG))]}
FILE = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}
FILES: dict[str, Any] = {"native": True, "sent": {"input": [user(FILE)]}}
SEARCH = {"type": "web_search_call", "id": "ws_1", "action": {"type": "other"}}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
ITEMS: dict[str, Any] = {
    "native": True,
    "sent": {
        "input": [
            SEARCH,
            REASONING,
            {"type": "message", "id": "msg_1", "role": "assistant", "content": []},
            {"type": "function_call", "id": "call_1", "call_id": "call_1", "name": "a"},
            {"type": "function_call_output", "call_id": "call_1", "output": "x"},
        ],
        "tools": [{"type": "function", "name": "a"}, {"type": "web_search"}],
    },
}
SWITCH: dict[str, Any] = {
    "profile": {"effort_style": "enable_thinking"},
    "sent": {"enable_thinking": True},
}
NO_EFFORT = {"effort_style": "none"}
NO_IDS = leaf("input.*.id")

ALL = [
    Refused("llm_wiki#670", {"error": {"cause": '{\n "error": {\n "message": "Unsupported value: \'temperature\' does not support 0.1 with this model. Only the default (1) value is supported.", "param": "temperature"}}', "code": 400, "message": "模型服务调用失败", "status": "FAILED_RESPONSE"}}, leaf("temperature"), sent=ALL_FIELDS),
    Refused("chiken#21", error("litellm.BadRequestError: OpenAIException - Unrecognized request argument supplied: num_ctx"), leaf("num_ctx"), sent={"num_ctx": 9}),
    Refused("litellm#13959", {"message": "The model returned the following errors: Failed to deserialize the JSON body into the target type: thinking: unknown field `thinking`, expected one of `messages`, `model`, `reasoning_effort`, `max_tokens` at line 1 column 445"}, NO_EFFORT, profile={"effort_style": "thinking_switch"}, sent={"thinking": {"type": "enabled"}}),
    Refused("CLIProxyAPI#1307", {"detail": "Invalid request: {\"detail\":{\"error\":{\"message\":\"1 validation error: `reasoning_effort`: expected one of 'low' | 'medium' | 'high', received 'xhigh'\"}}}"}, {"efforts": THREE}, **EFFORT),
    Refused("CLIProxyAPI#1572", {"object": "error", "message": "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low', 'medium' or 'high'\", 'input': 'xhigh'}\n File http_server.py", "code": 400}, {"efforts": THREE}, **EFFORT),
    Refused("llama_index#19121", {"object": "error", "message": "2 validation errors for ChatCompletionRequest\ntools.0.function.strict\n  Extra inputs are not permitted [type=extra_forbidden, input_value=False, input_type=bool]"}, {"strict_tools": False}, sent=TOOLS),
    Refused("claude-code-hub#518", {"type": "error", "error": {"type": "request_fail", "upstream_error": {"type": "error", "error": {"type": "invalid_request_error", "message": "messages.1.content.0: Invalid `signature` in `thinking` block"}}}}, {"notes": ["s1"]}, sent=THINKING, messages=True),
    Refused("new-api#5330", error("invalid parameter 'messages[0].role': invalid role 'developer', must be one of: system, user, assistant, tool"), {"system_role": "system"}, **DEVELOPER),
    Refused("redmine_ai_helper#242", error("developer is not one of ['system', 'assistant', 'user', 'tool', 'function'] - 'messages.['0].role'"), {"system_role": "system"}, **DEVELOPER),
    Refused("PI-Desktop#30", error("Error from provider: Upstream request failed: [1214] Incorrect role information"), {"system_role": "system"}, **DEVELOPER),
    Refused("halogen-flash-server#32", error("chat template rejected the request: Unexpected message role."), {"system_role": "system"}, **DEVELOPER),
    Refused("pi PR 1578", {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Input should be 'system', 'user', 'assistant', or 'tool'"}]}, {"system_role": "system"}, 422, **DEVELOPER),
    Refused("Cebian#57", error("message role is 'developer', not one of ['system', 'assistant', 'function', 'user', 'tool']"), {"system_role": "system"}, **DEVELOPER),
    Refused("claude-code-router#845", error("Provider returned error", code=400, metadata={"raw": '{"error": {"code": 400, "message": "Invalid value at \'contents[0].parts[2].inline_data.data\' (TYPE_BYTES), Base64 decoding failed for \\"data:image/png;base64\\""}}'}), NEWEST, sent=CHAT_PICTURES),
    Refused("ollama#13267", error("Cannot decode or download image URL too long"), NEWEST, sent=CHAT_PICTURES),
    Refused("llmcord#126", {"error": "'url' field must be a base64 encoded image."}, {"notes": [LINK]}, sent=LINKED),
    Refused("agentscope-java#2700, quoted", error(f"Failed to download multimodal content: {LINK}"), {"notes": [LINK]}, sent=LINKED),
    Refused("quepid#1697", error("Failed to download image from image. Image URL is invalid.", code="invalid_image_url"), NEWEST, sent=CHAT_PICTURES),
    Refused("qwen-code PR 1838", error("Invalid value: file. Supported values are: 'text','image_url','video_url' and 'video'."), {"files": False}, **FILES),
    Refused("llxprt-code#2608", error("Missing required parameter: 'input[0].content[0]'.", param="input[0].content[0]"), {"notes": 1}, **FILES),
    Refused("opencode#3383", error("'file part media type application/pdf' functionality not supported"), {"files": False}, **FILES),
    Refused("omlx#434", error("body -> messages -> 1 -> content -> str: Input should be a valid string; body -> messages -> 1 -> content -> list[ContentBlockText] -> 2 -> type: Input should be 'text'"), NO_PICTURES, 422, CHAT_PICTURES),
    Refused("Roo-Code#4399", {"error": {"code": 400, "message": "The thinking budget (52428) is invalid.", "status": "INVALID_ARGUMENT"}}, NO_EFFORT, **BUDGET),
    Refused("9router#2023", {"message": "Validation: `thinking.type` must be `enabled` or `disabled`", "type": "Bad Request", "code": 400}, {"effort_style": "thinking_budget"}, **ADAPTIVE),
    Refused("UmiOCR plugin#39", {"code": 20015, "message": "Value error, current model does not support parameter `enable_thinking`.", "data": None}, NO_EFFORT, **SWITCH),
    Refused("Roo-Code#11395", error("Invalid combination of reasoning_effort and thinking type: high + disabled"), NO_EFFORT, **EFFORT),
    Refused("lmstudio-bug-tracker#189", {"error": "'response_format.type' must be 'json_schema'"}, {"structured_output": "none"}, profile={"structured_output": "json_object"}),
    Refused("mi-gpt#142", error("Invalid parameter: 'response_format' of type 'json_object' is not supported with this model."), {"structured_output": "none"}, profile={"structured_output": "json_object"}),
    Refused("xray.koplugin#33", error("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.", param="messages"), {"structured_output": "none"}, profile={"structured_output": "json_object"}),
    Refused("any-llm#1384", error("Thinking mode does not support this tool_choice"), {"tool_choice_none": False}, profile={"effort_style": "thinking_switch"}, sent={**TOOLS, "tool_choice": "none", "thinking": {"type": "enabled"}}),
    Refused("worker-vllm#85", {"code": 400, "message": "2 validation errors for ChatCompletionRequest\ntool_choice\n  Extra inputs are not permitted [type=extra_forbidden, input_value='required']"}, {"tool_choice_required": False}, sent={**TOOLS, "tool_choice": "required"}),
    Refused("Kiro#11026", {"message": "The value at toolConfig.tools.26.toolSpec.inputSchema.json.type must be one of the following: object."}, {"schema_cleaning": ...}, sent=TOOLS),
    Refused("cline#7339", {"error": {"code": 400, "message": "* GenerateContentRequest.tools[0].function_declarations[16].parameters.properties[includeTags].items: missing field."}}, {"schema_cleaning": ...}, sent=TOOLS),
    Refused("ccs#25", {"error": {"code": 400, "message": "The GenerateContentRequest proto is invalid:\n  * tools[0].function_declarations[53].name: [FIELD_INVALID] Invalid function name. Must start with a letter or an underscore."}}, {"tool_names": "word"}, sent=TOOLS),
    Refused("codex#7073", error("Invalid value: 'other'. Supported values are: 'search', 'open_page', and 'find_in_page'.", param="input[0].action.type", code="invalid_value"), {"notes": 1}, **ITEMS),
    Refused("continue#8933", error("Item 'rs_1' of type 'reasoning' was provided without its required following item.", param="input"), {"notes": 1}, **ITEMS),
    Refused("am17an/llama.cpp#50", error("item['content'] is not an array"), {"notes": 1}, **ITEMS),
    Refused("am17an/llama.cpp#50, type", error("Cannot determine type of 'item'"), {"notes": 1}, **ITEMS),
    Refused("continue#11994", error("Item 'msg_1' was provided without its required 'reasoning' item: 'rs_2'.", param="input"), NO_IDS, **ITEMS),
    Refused("continue PR 11785", error("Invalid 'input[3].id': 'call_1'. Expected an ID that begins with 'fc'.", param="input[3].id", code="invalid_value"), NO_IDS, **ITEMS),
    Refused("llama.cpp#20156", error("'type' of tool must be 'function'"), {"hosted_tools": False}, **ITEMS),
    Refused("command-code#885", error('Only `type:"function"` tools are supported on this endpoint. Built-in tools (web_search, file_search, code_interpreter, computer_use, mcp) are not executed here.', param="tools.1.type"), {"hosted_tools": False}, **ITEMS),
    Refused("just-every/code#149", error("Unsupported tool type 'web_search'"), {"hosted_tools": False}, **ITEMS),
]  # fmt: skip

_SENT = {**ALL_FIELDS, **TOOLS, "messages": CHAT_PICTURES["messages"]}
_ALL_SENT = {**_SENT, "reasoning_effort": "high", "max_tokens": 32000}
ORDINARY = (
    (400, "Invalid request"),
    (400, "Bad Request"),
    (400, "Request contains an invalid argument."),
    (400, "Model is overloaded, please retry"),
    (403, "Access denied"),
    (403, "Your request was blocked by Cloudflare"),
    (403, "You do not have access to this model"),
    (403, "This model requires that you accept its license"),
    (404, "The model `gpt-4-vision-preview` has been deprecated, learn more here"),
    (404, "model 'llava:7b' not found, try pulling it first"),
    (404, "404 page not found"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (404, "No endpoints found matching your data policy (Paid model training)."),
    (404, "No allowed providers are available for the selected model."),
    (400, "The requested model is not supported."),
    (400, "Model not supported: x"),
    (400, "user location is not supported for the API use."),
    (400, "invalid model: image-gen-1 is not a chat model"),
    (500, "Internal server error: CUDA error: an illegal memory access was encountered"),
    (500, "out of memory"),
    (500, "failed to process request: context canceled"),
    (500, "An unexpected error occurred"),
    (400, "Unexpected end of JSON input"),
    (400, "Could not parse request body"),
    (400, "tool_call_id call_1 not found"),
    (400, "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."),
    (400, "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."),
    (400, "The model produced invalid tool call JSON"),
    (400, "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details."),
    (400, "This request would exceed your organization's rate limit"),
    (400, "The API deployment for this resource does not exist."),
    (400, "Sorry, this feature is not supported in your country"),
    (400, "request timed out while downloading model weights"),
    (400, "内部错误"),
    (400, "模型不存在"),
    (400, "该令牌无权使用模型：x"),
    (403, "余额不足"),
    (500, "当前分组上游负载已饱和，请稍后再试"),
    (400, "请求的模型不支持"),
    (500, "推理超时"),
    (400, "Forbidden"),
    (403, "rejected"),
    (400, "unsupported_api_version"),
    (400, "The api-version query parameter (?api-version=) is required"),
    (400, "Invalid model image-gen"),
)  # fmt: skip
"""Refusals that no other form of the request helps, whatever it holds."""
NOT_REPAIRABLE = [
    *(Refused(text, error(text), {}, status, _ALL_SENT) for status, text in ORDINARY),
    Refused("Augment-BYOK#8", error("Message has tool role, but there was no previous assistant message with a tool call!"), {}, sent=_SENT),
    Refused("qwen-code#1039", error("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'"), {}, sent=_SENT),
    Refused("cherry-studio#9901", error("The request is not supported by this model.", code=400), {}, sent=_SENT),
    Refused("LibreChat#6759", error("Unsupported data type"), {}, sent=_SENT),
    Refused("zed#32946", error("Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 158 instead.", param="tools", code="array_above_max_length"), {}, sent=_SENT),
    Refused("command-code#893", error("Invalid input", param="input"), {}, **ITEMS),
    Refused("langchaingo#776", error("Add an image to use models/gemini-1.0-pro-vision-latest, or switch your model to a text model."), {}, sent={**ALL_FIELDS, **TOOLS}),
    Refused("vllm#25426", error("Auto tool choice is not supported yet unless using Harmony"), {}, sent=TOOLS),
]  # fmt: skip
