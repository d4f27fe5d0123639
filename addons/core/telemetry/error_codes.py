"""The error codes that a record may hold.

A code of an upstream is text of that upstream: it may quote a key. So a record holds one of the codes listed here, and
`OTHER_ERROR` in place of any other. Sources: the codes of this program, those of the OpenAI API that Codex 0.169 acts on,
and the error types of the OpenAI and Anthropic APIs.
"""

from __future__ import annotations

OTHER_ERROR = "other_error"
"""Stands in place of a code that is not listed."""

OWN_CODES = frozenset(
    ["answer_unread", "bad_request", "client_refused", "cloudflare_challenge", "context_length_exceeded", "empty_answer", "invalid_prompt", "key_pending", "local_token_missing", "local_token_unusable", "local_token_wrong", "login_agent_identity", "login_api_base", "login_changed", "login_disabled", "login_expired", "login_garbled", "login_keyring", "login_missing", "login_no_token", "login_no_way", "login_unreadable", "login_unsupported", "method_not_allowed", "model_hidden", "model_not_found", "no_turn", "not_found", "rate_limit_exceeded", "request_head_too_large", "request_refused", "request_timeout", "request_too_large", "server_error", "shim_bug", "shutting_down", "stream_interrupted", "tool_call_incomplete", "too_many_listeners", "unknown_path", "unsupported_media_type", "upstream_closed", "upstream_html", "upstream_protocol", "upstream_redirect", "upstream_stalled", "upstream_timeout", "upstream_unreachable", "websocket_not_spoken", "insufficient_quota", "invalid_frame"]
)  # fmt: skip
API_CODES = frozenset(
    ["account_deactivated", "api_error", "authentication_error", "billing_error", "billing_hard_limit_reached", "content_filter", "content_policy_violation", "cyber_policy", "deactivated_workspace", "internal_server_error", "invalid_api_key", "invalid_encrypted_content", "invalid_request_error", "invalid_value", "missing_required_parameter", "model_not_available", "model_not_supported", "not_found_error", "overloaded_error", "permission_error", "previous_response_not_found", "rate_limit_error", "request_too_large", "server_is_overloaded", "slow_down", "string_above_max_length", "timeout_error", "token_expired", "token_invalidated", "token_revoked", "unknown_parameter", "unsupported_country_region_territory", "unsupported_parameter", "unsupported_value", "usage_limit_reached", "usage_not_included", "websocket_connection_limit_reached"]
)  # fmt: skip
KNOWN_CODES = OWN_CODES | API_CODES
TERMINAL_TYPES = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "error"}
)


def known_code(code: str) -> str:
    """Return a code if it is listed, else `OTHER_ERROR`; an empty one stays empty."""
    return code if not code or code in KNOWN_CODES else OTHER_ERROR


def known_terminal(kind: str) -> str:
    """Return the type of a terminal event, empty for anything else."""
    return kind if kind in TERMINAL_TYPES else ""
