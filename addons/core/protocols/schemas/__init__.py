"""Cleans the JSON schemas of tools and of structured answers, for the chat and the messages protocol."""
