"""`codex-shim budget`: the list of budgets, and `budget lift`."""
