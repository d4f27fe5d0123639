"""The OpenAI chat completions API as an upstream protocol."""
