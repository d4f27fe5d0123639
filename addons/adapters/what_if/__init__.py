"""The turn of a comparison, sent to the port of a running shim."""
