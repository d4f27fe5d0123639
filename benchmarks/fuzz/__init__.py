"""Fuzz campaigns for every parser of external data."""
