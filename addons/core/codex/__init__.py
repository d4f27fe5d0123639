"""Codex's own files and catalog: config.toml, auth.json, threads and the model catalog."""
