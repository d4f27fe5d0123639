"""Cassettes on disk: the writer's thread, and the reading and pacing of a recorded turn."""
