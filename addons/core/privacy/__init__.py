"""The privacy gate: private values of a request become placeholders, and the placeholders of its answer these values again."""
