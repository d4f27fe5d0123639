"""`codex-shim radar`: what a version of Codex sends and reads, measured with the program itself."""
