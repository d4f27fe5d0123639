"""Cassettes: the commands `record` and `replay`, and a pytest plugin for other projects."""

__all__ = ["pytest_plugin"]
