"""WebSockets of clients, as one more kind of connection of mitmproxy's HTTP layer."""
