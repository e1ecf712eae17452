"""DES against that of OpenSSL."""

from __future__ import annotations

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from hypothesis import example, given
from hypothesis import strategies as st

from vncproxy.rfb.des import encrypted

EIGHT_BYTES = st.binary(min_size=8, max_size=8)


@given(EIGHT_BYTES, EIGHT_BYTES, EIGHT_BYTES)
@example(bytes(8), bytes(8), bytes(8))
@example(b"\xff" * 8, b"\xff" * 8, b"\x80" * 8)
def test_it_is_openssl_s(key: bytes, first: bytes, second: bytes) -> None:
    """Whose Triple DES, with one key three times, is DES."""
    cipher = Cipher(TripleDES(key * 3), modes.ECB())
    assert encrypted(key, first + second) == cipher.encryptor().update(first + second)


@pytest.mark.parametrize("bit", range(64))
def test_each_bit_of_a_block_and_of_a_key_counts(bit: int) -> None:
    """But the lowest of each byte of the key, which were for parity."""
    flipped = (1 << bit).to_bytes(8, "big")
    plain = encrypted(bytes(8), bytes(8))
    assert encrypted(bytes(8), flipped) != plain
    assert (encrypted(flipped, bytes(8)) == plain) == (bit % 8 == 0)


@pytest.mark.parametrize(("key", "block"), [(7, 8), (8, 7), (9, 8), (0, 16), (8, 17)])
def test_another_length_is_refused(key: int, block: int) -> None:
    """Nothing is cut, nothing is filled up."""
    with pytest.raises(ValueError, match=f"a key of {key} bytes, blocks of {block}"):
        encrypted(bytes(key), bytes(block))
