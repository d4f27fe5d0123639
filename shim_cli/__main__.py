"""`python -P -m shim_cli`: the same as `codex-shim`, for children of ours that must run this very installation."""

from shim_cli.app import main

main()
