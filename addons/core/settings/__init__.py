"""models.json: its schema, and the targets and keys of its rows."""
