"""The addon: one short method a hook."""
