"""The privacy gate of this process: its key, its settings, and the plans of the turns that pass it."""
