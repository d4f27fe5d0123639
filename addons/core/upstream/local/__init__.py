"""Model servers on this machine: what they offer, and whether they answer."""
