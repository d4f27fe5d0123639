"""WebSockets in place of HTTP/1 connections: a turn is a turn whatever carries it."""
