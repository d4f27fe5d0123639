"""The WebSocket protocol as a client speaks it: handshake, frames, compression of messages. Bytes in, bytes out."""
