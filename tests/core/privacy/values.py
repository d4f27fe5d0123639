"""Private values of every kind, none of which belongs to anybody, and a masker for them."""

from __future__ import annotations

from addons.core.privacy.detectors import Detector
from addons.core.privacy.masker import TextMasker
from addons.core.privacy.placeholders import Namer
from addons.core.settings.privacy import SETS

RANDOM = "9f3kq7v2mz81xw4b6t0c"
KEYS = (
    "sk-" + "ant-api03-" + RANDOM,
    "sk-" + "proj-" + RANDOM,
    "gh" + "p_" + RANDOM * 2,
    "xox" + "b-1234567890-" + RANDOM,
    "AI" + "za" + RANDOM * 2,
    "AK" + "IA" + "QWERTZUIOPAS1234",
    ".".join(("ey" + "J" + RANDOM, "ey" + "J" + RANDOM, RANDOM)),
    f"-----BEGIN {'RSA'} PRIVATE KEY-----\n{RANDOM}\n{RANDOM}==\n-----END {'RSA'} PRIVATE KEY-----",
)
EMAILS = ("ada.lovelace@example.com", "b@c.io", "x+tag%1@mail.example.co.uk", "o'neil@example.org")
PHONES = (
    "+49 30 901820", "+14155550132", "+1 (415) 555-0132", "0049 30 901820 11", "(415) 555-0132", "415-555-0132",
    "415.555.0132", "01 23 45 67 89", "020 7946 0958", "07700 900123", "0171 1234567", "+33 1 23 45 67 89",
)  # fmt: skip
CARDS = ("4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "3782 822463 10005")
ALL = {"key": KEYS, "email": EMAILS, "phone": PHONES, "card": CARDS}


def masker(thread: str = "thread", key: bytes = b"k" * 32) -> TextMasker:
    """Return a masker that knows nothing yet."""
    return TextMasker(Detector(SETS, {}), Namer(key, thread), {}, [])
