"""Model servers on this machine: asked for their models, when a user adds one and while the shim runs."""
