"""How fast the shim is beside no proxy and a bare mitmdump: `uv run python -m benchmarks.speed`."""
