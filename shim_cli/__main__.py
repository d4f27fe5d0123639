"""`python -P -m shim_cli` runs `codex-shim`. Child processes use it to run the same installation."""

from shim_cli.start import main

main()
