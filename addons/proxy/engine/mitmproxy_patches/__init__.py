"""Changes to mitmproxy itself, one module per subject."""
