"""Ollama's native chat protocol: request writer and answer reader in one module."""
