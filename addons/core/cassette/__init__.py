"""Recorded turns: their file format, the comparison of requests, and which recorded turn answers a request."""
