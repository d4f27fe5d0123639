"""The speed of the shim compared with no proxy and a bare mitmdump: `uv run python -m benchmarks.speed`."""
