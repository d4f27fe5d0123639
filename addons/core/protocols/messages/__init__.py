"""The Anthropic messages API as an upstream protocol."""
