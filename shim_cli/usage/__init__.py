"""What turns used: totals, who used a quota, and a line for a prompt."""
