"""Files, locks, paths and child processes."""
