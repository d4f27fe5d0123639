"""Upstreams: targets, keys, outbound proxies, and the mapping of their errors."""

__all__ = ["api_keys", "profile", "protocol", "target"]
