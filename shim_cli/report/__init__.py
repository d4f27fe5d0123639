"""`codex-shim report`: one archive for a bug report."""
