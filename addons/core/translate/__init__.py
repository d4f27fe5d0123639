"""Between protocols: one vocabulary of events, and the only writer of `response.*` events."""
