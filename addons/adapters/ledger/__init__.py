"""The access log and the usage ledger."""
