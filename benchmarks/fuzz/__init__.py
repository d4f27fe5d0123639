"""Fuzz campaigns over everything that reads what others wrote."""
