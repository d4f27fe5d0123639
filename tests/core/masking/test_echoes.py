"""Which parts of a credential are searched for."""

from __future__ import annotations

import base64
import sys
import tracemalloc

import pytest

from addons.core.masking import echoes
from addons.core.masking.echoes import Echoes, fold
from addons.core.masking.mask import prepare_mask
from addons.core.secrets import Secret


def test_folded_text_has_only_lower_case_letters_and_digits() -> None:
    assert fold("Aé-b_\t1=Z\u200b".encode()) == b"ab1z"


def pieces(part: bytes) -> set[int]:
    """Return each eight bytes of a part, as integers."""
    return {int.from_bytes(part[at : at + 8], sys.byteorder) for at in range(len(part) - 7)}


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (b"Bearer hunter2hunter2", b"hunter2hunter2"),
        (b"a=b; session=abcdef123456; c=d", b"abcdef123456"),
        (b"realtime, openai-insecure-api-key.sk-abc12345", b"openaiinsecureapikeyskabc12345"),
        (b"Basic " + base64.b64encode(b"user:pass1234"), b"pass1234"),
        (b"%61bcdef123", b"abcdef123"),
    ],
)
def test_secret_part_of_a_value_is_searched_for(value: bytes, part: bytes) -> None:
    echoes = Echoes.of(value)
    assert part in echoes.short or pieces(part) <= {*echoes.dense, *echoes.expanded}


@pytest.mark.parametrize("value", [b"", b"a", b"12345", b"test", b"Bearer dummy", b"codex-shim", b"not-needed", b"ollama", b"<kept by codex-shim>"])  # fmt: skip
def test_value_that_is_no_secret_is_not_searched_for(value: bytes) -> None:
    echoes = Echoes.of(value)
    assert (echoes.short, len(echoes.dense), len(echoes.expanded)) == (frozenset(), 0, 0)


def test_echoes_show_nothing() -> None:
    assert repr(Echoes.of(b"hunter2hunter2")) == "<echoes>"


def test_pieces_of_a_login_take_little_memory() -> None:
    """A process keeps them from its start to its end: as sets of bytes they took 17 MiB."""
    token = base64.urlsafe_b64encode(bytes(at * at % 251 ^ at >> 3 for at in range(1_500)))
    tracemalloc.start()
    try:
        mask = prepare_mask([Secret(token.decode())])
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert mask.data(b"the token " + token + b" again") == b"the token <secret> again"
    assert taken < 6 << 20


def test_base_85_is_that_of_the_standard_library() -> None:
    for length in range(1, 70):
        value = bytes((length * 7 + at * 31) % 255 + 1 for at in range(length))
        for shifted in (value, b"\0" + value, b"\0\0\0" + value):
            assert echoes._b85encode(shifted) == base64.b85encode(shifted)
            assert echoes._a85encode(shifted) == base64.a85encode(shifted)
