"""`codex-shim what-if`: the same turn on other models, side by side."""
