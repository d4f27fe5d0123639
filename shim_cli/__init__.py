"""The control plane of codex-shim: everything the user types."""
