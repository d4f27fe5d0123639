"""The pages and their data."""
