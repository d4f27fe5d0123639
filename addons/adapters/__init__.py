"""Adapters: files, sockets and processes behind the pure core."""
