"""Each protocol's own shapes and incremental readers."""
