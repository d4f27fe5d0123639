"""Web searches of rows: what Codex asks for, the search services, and the text that the model gets."""
