"""The Responses API over WebSocket: one text frame for each request, and one for each event of its answer."""
