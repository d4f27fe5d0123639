"""Pure: bytes and values in, bytes and values out. No mitmproxy, sockets, files, clock or randomness."""
