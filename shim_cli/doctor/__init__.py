"""`codex-shim doctor`: one file a section, all of them read-only."""
