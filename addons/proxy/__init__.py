"""The only code that imports mitmproxy."""
