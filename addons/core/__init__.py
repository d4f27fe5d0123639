"""The pure core: bytes and values in, bytes and values out.

Never imports mitmproxy or opens sockets and files. Never reads a clock or random numbers: callers pass them in.
`__all__` names the modules for code outside of this repository, here and in every package that has one.
"""

__all__ = [
    "errors",
    "headers",
    "json_values",
    "limits",
    "routes",
    "secrets",
    "turn",
    "usage",
]
