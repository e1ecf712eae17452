"""VNC Authentication: proving that one knows a password of up to eight bytes.

Weak by today's measure (DES, nothing encrypted): for loopback and for what the cloud demands.
Source: RFC 6143, section 7.2.2; rfbproto, VNC Authentication.
"""

from __future__ import annotations

import hmac

# At the start, though it takes 7 MB: once a password is asked for, the installation may be another
# one (tests/fault/test_upgrade.py).
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

CHALLENGE_BYTES = 16
"""Length of a challenge and of its answer."""


def response(password: str, challenge: bytes) -> bytes:
    """The 16 bytes that answer a challenge.

    Raises:
        ValueError: The challenge has another length than 16.
    """
    if len(challenge) != CHALLENGE_BYTES:
        raise ValueError(f"a challenge of {len(challenge)} bytes")
    key = password.encode("utf-8", "replace")[:8].ljust(8, b"\0")
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    # DES is Triple DES with one key three times. ECB on purpose: RFC 6143 says so.
    cipher = Cipher(TripleDES(mirrored * 3), modes.ECB())  # noqa: S305
    encryptor = cipher.encryptor()
    return encryptor.update(challenge) + encryptor.finalize()


class PasswordVerifier:
    """Checks one viewer's answer to one challenge.

    Args:
        password: An empty one verifies nobody.
        challenge: 16 random bytes, fresh for each viewer.

    Raises:
        ValueError: The challenge isn't 16 bytes long.
    """

    def __init__(self, password: str, challenge: bytes) -> None:
        """Work the right answer out, so that the password need not be kept."""
        self.challenge = bytes(challenge)
        self._expected = response(password, self.challenge) if password else None

    def accepts(self, answer: bytes) -> bool:
        """Whether the answer is right, compared in constant time."""
        return self._expected is not None and hmac.compare_digest(self._expected, answer)
