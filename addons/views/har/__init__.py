"""Turns as an HTTP Archive, for the network panels of browsers."""
