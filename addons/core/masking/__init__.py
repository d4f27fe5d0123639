"""Credentials of clients by their shape, and the mask that hides every echo of a secret in what is kept of a turn."""
