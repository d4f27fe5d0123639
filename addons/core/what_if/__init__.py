"""One turn on several models: the requests, their answers, and how the answers differ."""
