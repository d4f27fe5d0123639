"""`codex-shim doctor`: one module per section, all read-only."""
