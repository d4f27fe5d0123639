"""What is recorded about turns: the record, rate limits and prices. Pure."""
