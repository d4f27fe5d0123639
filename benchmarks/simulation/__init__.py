"""A deterministic simulation of clients, upstreams and faults around the engine. No socket, no thread, no real time."""
