"""The terms of the protocols: everything that stays readable in a masked turn.

Invariant: an allow-list. A name or value that is neither listed here nor matches a pattern of this module is masked.
"""

from __future__ import annotations

import re

KEYS = frozenset(
    ["action", "additional_properties", "additionalProperties", "allOf", "annotations", "anyOf", "arguments", "background", "base_resp", "base64", "budget_tokens", "cache_control", "cache_creation", "cache_creation_input_tokens", "cache_read_input_tokens", "cached", "cached_tokens", "cache_written", "call_id", "choices", "client_metadata", "cmd", "code", "command", "completion_tokens", "completion_tokens_details", "const", "content", "content_block", "context_management", "count", "created", "created_at", "cut", "data", "default", "definitions", "delta", "description", "detail", "details", "developer", "dropped", "effort", "encrypted_content", "ended", "enum", "error", "event", "events", "exclusiveMaximum", "exclusiveMinimum", "file_data", "file_id", "finish_reason", "first_byte", "format", "function", "function_call", "headers", "id", "image_url", "include", "incomplete_details", "index", "input", "input_schema", "input_tokens", "input_tokens_details", "instructions", "is_error", "item", "item_id", "items", "json_schema", "json", "lines", "log_prob", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "max_tool_calls", "maximum", "media_type", "message", "messages", "metadata", "method", "minimum", "model", "name", "namespace", "not", "num", "object", "oneOf", "order", "outcome", "output", "output_index", "output_text", "output_tokens", "output_tokens_details", "parallel_tool_calls", "parameters", "partial_json", "part", "parts", "path", "pattern", "phase", "previous_response_id", "primary", "prompt", "prompt_cache_key", "prompt_tokens", "prompt_tokens_details", "properties", "provider", "rate_limits", "reason", "reasoning", "reasoning_content", "reasoning_details", "reasoning_effort", "reasoning_tokens", "refusal", "request", "required", "response", "response_format", "role", "route", "safety_identifier", "schema", "secondary", "seconds", "seed", "sequence_number", "service_tier", "session_id", "signature", "size", "slug", "source", "started", "status", "stop", "stop_reason", "stop_sequence", "store", "stream", "stream_options", "include_usage", "strict", "subtype", "summary", "summary_index", "summary_text", "system", "system_fingerprint", "temperature", "terminal", "text", "thinking", "thread", "threads", "timestamp_ms", "tool", "tool_call", "tool_call_id", "tool_calls", "tool_choice", "tool_use_id", "tools", "top_p", "total_tokens", "truncation", "ttft", "turn", "type", "url", "usage", "used_percent", "user", "uniqueItems", "verbosity", "window_minutes", "resets_at", "reset_at", "cwd", "workdir", "duration_ms", "duration_api_ms", "is_error", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "call", "tool_use", "content_index", "obfuscation", "bytes_in", "bytes_out", "attempts", "answer", "body", "kept", "models", "aliases", "chatgpt", "credential", "limits", "api_key", "api_key_env", "api_key_file", "auth_command", "base_url", "endpoint_url", "extra_body", "extra_headers", "fallback", "display_name", "max_context_limit", "price", "allow_http", "allowed_hosts", "enabled", "head_seconds", "body_seconds", "connect_seconds", "heartbeat_seconds", "stall_seconds", "answer_seconds", "linger_seconds", "drain_seconds", "body_bytes", "head_bytes", "error_body_bytes", "event_bytes", "queue_bytes", "time", "ms", "requested", "version", "at", "level"]
)  # fmt: skip
"""Names of members that stay. Any other name may come from the user."""

TERM_KEYS = frozenset(
    ["type", "role", "status", "object", "effort", "finish_reason", "stop_reason", "subtype", "code", "tool_choice", "service_tier", "verbosity", "detail", "format", "phase", "terminal", "reason", "outcome", "event", "method", "summary", "include", "provider", "credential", "route", "ended", "error", "truncation", "media_type", "required"]
)  # fmt: skip
"""Members whose values are terms of a protocol."""

ID_KEYS = frozenset(
    ["id", "call_id", "item_id", "tool_call_id", "tool_use_id", "session_id", "response_id", "previous_response_id", "prompt_cache_key", "thread"]
)  # fmt: skip

TERMS = frozenset(
    ["aborted", "accepted", "additional_tools", "allowed_tools", "answer", "any", "api", "api_error", "apply_patch", "array", "assistant", "authentication_error", "auto", "billing_error", "blocked", "boolean", "cancelled", "chat", "chat.completion", "chat.completion.chunk", "chatgpt", "client", "commentary", "compaction", "compaction_summary", "compaction_trigger", "complete", "completed", "connect", "content_block_delta", "content_block_start", "content_block_stop", "content_filter", "content_filtered", "context_compaction", "context_length_exceeded", "context_window_exceeded", "cursor", "custom", "custom_tool_call", "custom_tool_call_output", "cut", "default", "delete", "detailed", "developer", "disabled", "done", "enabled", "end_turn", "env", "error", "exec", "exhausted", "failed", "fallback", "file", "flex", "function", "function_call", "function_call_output", "get", "grammar", "high", "image", "image_generation", "image_generation_call", "image_url", "in_progress", "incomplete", "init", "input_audio", "input_file", "input_image", "input_json_delta", "input_text", "insufficient_quota", "integer", "interrupted", "invalid_api_key", "invalid_prompt", "invalid_request_error", "item", "item_reference", "json", "json_object", "json_schema", "lark", "last_message", "length", "list", "local", "local_shell", "local_shell_call", "local_shell_call_output", "low", "max", "max_output_tokens", "max_tokens", "mcp", "medium", "message", "message_delta", "message_start", "message_stop", "messages", "minimal", "missing", "model_context_window_exceeded", "model_not_found", "namespace", "native", "network_error", "none", "not_found", "not_found_error", "null", "number", "object", "ok", "open", "output_text", "overloaded_error", "patch", "pause_turn", "permission_error", "ping", "policy", "post", "priority", "provider", "put", "queued", "rate_limit_error", "rate_limit_exceeded", "rate_limits", "reasoning", "reasoning.encrypted", "reasoning.encrypted_content", "reasoning.summary", "reasoning.text", "reasoning_text", "redacted_thinking", "refusal", "refused", "regex", "regular", "request_error", "required", "response", "response.compaction", "responses", "result", "retried", "retry", "retry_after", "server_error", "server_is_overloaded", "service_unavailable", "signature_delta", "skipped", "slow_down", "stall", "stalled", "standard", "started", "stop", "stop_sequence", "stream_cut", "stream_stalled", "stream_truncated", "string", "success", "summary_text", "system", "temporary", "text", "text_delta", "thinking", "thinking_delta", "thread", "timeout", "timeout_error", "tool", "tool_call", "tool_call_incomplete", "tool_calls", "tool_choice", "tool_result", "tool_search", "tool_search_call", "tool_search_output", "tool_use", "ultra", "unauthorized", "unknown", "unsupported", "update", "upstream_error", "usage_limit_reached", "usage_not_included", "user", "web_search", "web_search_call", "web_search_preview", "xhigh"]
)  # fmt: skip
"""Values of protocols. A new one is masked until it is listed: it costs a reader little and the user nothing."""
EVENTS = re.compile(
    r"(?:response|codex|keepalive)\.(?:created|in_progress|queued|completed|incomplete|failed|output_item|output_text|content_part|refusal|reasoning_text|reasoning_summary_text|reasoning_summary_part|function_call_arguments|custom_tool_call_input|rate_limits|metadata|compaction|error|added|delta|done|annotation|\.)*"
)

MODEL_KEYS = frozenset({"model", "slug", "requested", "fallback"})
NAME_KEYS = frozenset({"name", "namespace"})
URL_KEYS = frozenset({"url", "base_url", "endpoint_url"})

TOOLS = frozenset(
    ["exec_command", "write_stdin", "request_user_input", "view_image", "get_goal", "create_goal", "update_goal", "apply_patch", "shell", "shell_command", "local_shell", "update_plan", "list_mcp_resources", "list_mcp_resource_templates", "read_mcp_resource", "multi_agent_v1", "close_agent", "resume_agent", "send_input", "spawn_agent", "wait_agent", "image_gen", "web_search", "tool_search", "image_generation", "codex_output_schema"]
)  # fmt: skip
"""Codex's built-in tools. Their names do not describe the user."""

SEGMENTS = frozenset(
    ["v1", "v1beta", "v2", "v3", "v4", "api", "openai", "chat", "completions", "messages", "responses", "compact", "models", "backend-api", "codex", "anthropic", "compatible-mode", "paas", "coding", "deployments"]
)  # fmt: skip
"""Segments of a URL's path that stay."""

HEADERS = frozenset(
    ["accept", "accept-encoding", "anthropic-version", "cache-control", "content-encoding", "content-length", "content-type", "date", "openai-model", "openai-processing-ms", "originator", "retry-after", "retry-after-ms", "server", "transfer-encoding", "user-agent", "x-codex-shim-route", "x-codex-beta-features", "x-models-etag", "x-reasoning-included", "x-request-id", "request-id", "vary"]
)  # fmt: skip
"""Headers whose values stay unless a secret is found in them."""
HEADER_FAMILIES = re.compile(
    r"x-codex-(primary|secondary|credits|active-limit|limit-name).*|(x-|anthropic-)?ratelimit-.*"
)

HEADER_NAME = re.compile(r"[a-z][a-z0-9_./-]{0,47}")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,79}")
ID = re.compile(
    r"(?:call|resp|msg|rs|fc|fco|ctc|ctco|item|toolu|chatcmpl|req|rsn|cmp)_[A-Za-z0-9_]{1,64}|chatcmpl-[A-Za-z0-9]{1,40}"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)


def is_term(text: str) -> bool:
    """Return whether a protocol uses the text as a value, as the name of a member or as an event type."""
    return text in TERMS or text in KEYS or EVENTS.fullmatch(text) is not None
