"""`codex-shim drill`: a fault of an upstream, brought about on purpose for the user's own Codex."""
