"""Data that is shipped: what changes without the code changing."""
