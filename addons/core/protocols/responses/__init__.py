"""The OpenAI Responses API: requests in, events out."""
