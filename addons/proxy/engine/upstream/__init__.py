"""What one upstream connection needs from outside of the engine: a request in bytes, its socket, the options of its trust."""
