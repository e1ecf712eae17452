"""VNC Authentication against a DES of another make, and the verifier."""

from __future__ import annotations

import pytest

from vncproxy.rfb.vnc_auth import PasswordVerifier, response

CHALLENGE = bytes(range(16))

# openssl enc -des-ecb -nopad -K <mirrored key> -provider legacy, of 000102…0f
KNOWN = {
    "secret": bytes.fromhex("ee22539f33a5983ec12f9c2edbc995dd"),
    "": bytes.fromhex("491e890de9ace932838a49792f2213f3"),
}


def test_known_answers() -> None:
    """The answers are those of OpenSSL's own DES under the mirrored key."""
    answer = response("secret", CHALLENGE)
    assert answer == KNOWN["secret"]
    assert response("", CHALLENGE) == KNOWN[""]


def test_the_password_counts_to_eight_bytes() -> None:
    """A longer password is cut, a shorter one padded with zeros."""
    assert response("12345678", CHALLENGE) == response("123456789", CHALLENGE)
    assert response("1234567", CHALLENGE) != response("12345678", CHALLENGE)
    assert response("12", CHALLENGE) == response("12\0\0", CHALLENGE)


def test_a_challenge_of_another_length_is_refused() -> None:
    """Only sixteen bytes are a challenge."""
    with pytest.raises(ValueError, match="15 bytes"):
        response("secret", bytes(15))


def test_the_verifier_takes_the_right_answer_only() -> None:
    """One wrong bit, a short answer and the answer to another challenge are refused."""
    verifier = PasswordVerifier("secret", CHALLENGE)
    right = response("secret", CHALLENGE)
    assert verifier.accepts(right)
    assert not verifier.accepts(right[:15] + bytes([right[15] ^ 1]))
    assert not verifier.accepts(right[:8])
    assert not verifier.accepts(response("secret", bytes(16)))


def test_an_empty_password_verifies_nobody() -> None:
    """A forgotten password is not an open door."""
    assert not PasswordVerifier("", CHALLENGE).accepts(response("", CHALLENGE))


def test_a_verifier_shows_no_password() -> None:
    """Neither its repr nor its attributes hold the password."""
    verifier = PasswordVerifier("planted", CHALLENGE)
    assert "planted" not in repr(verifier)
    assert "planted" not in repr(vars(verifier))
