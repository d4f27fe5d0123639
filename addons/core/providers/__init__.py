"""One file a provider: the plan of its turns."""
