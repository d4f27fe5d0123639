"""The only code that touches the internals of mitmproxy: layers, connections, replay."""
