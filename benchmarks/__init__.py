"""Benchmarks and long runs: cost, speed, memory, fuzzing, soak. Each is one command."""
