"""Fabricated secrets of every kind, and a request with all of them in every member."""

from __future__ import annotations

import json

from tests.fakes.model_upstream import Json

PLANTED = {
    "bearer": "Bearer oX9mQ2vT7pLs4RfKz8Wc",
    "api key": "sk-proj-Zp3nV8sQ1xRt6YbM",
    "cookie": "session=Qm4tR8yU2iP6sD1f",
    "aws id": "AKIAQ7ZXW3ERT9YUIOP2",
    "aws secret": "wJq7Xr2nFEMIk3MDENGbPxRfiCYz9AMPLEKEYa1b",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJxIn0.h4rT9vWq2ZxC7bNm",
    "e-mail": "ada.lovelace@engines.example.org",
    "home path": "/home/adalovelace/work/engine.py",
    "mac home": "/Users/adalovelace/notes.txt",
    "windows home": "C:\\Users\\adalovelace\\notes.txt",
    "password": "password=correcthorse7",
    "url login": "https://ada:battery9staple@db.example.org/x",
    "hex": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "private key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----",
    "plain words": "the launch is on friday at dawn",
    "tool name": "weaving_loom_tool",
    "number": "4929 1187 2230 5541",
}
"""No pattern can recognize the last three: only masking hides them."""
NEEDLES = {
    **{name: text.split()[-1] if name == "bearer" else text for name, text in PLANTED.items()},
    "cookie": "Qm4tR8yU2iP6sD1f",
    "password": "correcthorse7",
    "url login": "battery9staple",
    "home path": "adalovelace",
    "private key": "MIIEvQIBADANBgkqhkiG9w0BAQ",
}
ALL = "\n".join(PLANTED.values())


def request_with_secrets(model: str) -> Json:
    """Return a request in which every value that a user or a tool sets holds every secret."""
    arguments = json.dumps({"cmd": ALL, PLANTED["aws id"]: ALL, "card": 4929118722305541})
    schema = {
        "type": "object",
        "properties": {PLANTED["e-mail"]: {"type": "string", "description": ALL, "enum": [ALL]}},
        "required": [PLANTED["e-mail"]],
    }
    user = [
        {"type": "input_text", "text": ALL},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PLANTED['aws secret']}"},
    ]
    return {
        "model": model,
        "stream": True,
        "store": False,
        "instructions": ALL,
        "metadata": {PLANTED["aws id"]: ALL},
        "prompt_cache_key": PLANTED["jwt"],
        "user": ALL,
        "input": [
            {"type": "message", "role": "user", "content": user},
            {"type": "message", "role": "user", "content": ALL},
            {
                "type": "function_call",
                "name": PLANTED["tool name"],
                "call_id": PLANTED["aws id"],
                "arguments": arguments,
            },
            {"type": "function_call_output", "call_id": PLANTED["aws id"], "output": ALL},
        ],
        "tools": [
            {
                "type": "function",
                "name": PLANTED["tool name"],
                "description": ALL,
                "parameters": schema,
            }
        ],
    }


UNRECOGNIZABLE = {"plain words", "tool name", "number"}


def leaked(data: bytes) -> list[str]:
    """Return the names of the planted secrets that bytes hold, plain or escaped as in JSON."""
    text = data.decode("utf-8", "replace")
    return [
        name
        for name, needle in NEEDLES.items()
        if needle in text or json.dumps(needle)[1:-1] in text or needle.replace(" ", "") in text
    ]
