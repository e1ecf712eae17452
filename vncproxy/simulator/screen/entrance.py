"""The built-in server's handshake. Sans-I/O. Source: RFC 6143, section 7.1 to 7.3."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from enum import Enum, auto

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

NONE, VNC_AUTH = 1, 2
UNKNOWN = 100
"""Assigned to nobody, so that no client knows it. Source: rfbproto, Security Types."""
_VERSIONS = {b"RFB 003.003\n": 3, b"RFB 003.007\n": 7, b"RFB 003.008\n": 8}
_WRONG = b"Authentication failed"


def answer_to(challenge: bytes, password: str) -> bytes:
    """The right response to a challenge: DES with the password's bytes, bits mirrored.

    Source: RFC 6143, section 7.2.2.
    """
    key = password.encode("latin-1", "replace")[:8].ljust(8, b"\0")
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    # Three DES with one key is DES; VNC's ECB mode is the protocol's, not a choice.
    encryptor = Cipher(TripleDES(mirrored * 3), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(challenge) + encryptor.finalize()


class _State(Enum):
    VERSION = auto()
    CHOICE = auto()
    RESPONSE = auto()
    INIT = auto()
    DONE = auto()
    FAILED = auto()


class Entrance:
    """Takes a client from its first byte to ServerInit."""

    def __init__(
        self,
        password: str | None,
        server_init: Callable[[], bytes],
        random_bytes: Callable[[int], bytes],
        *,
        odd_security: bool = False,
    ) -> None:
        """Begin with the server's version.

        Args:
            password: For VncAuth; None: security type None.
            server_init: The ServerInit to send.
            random_bytes: Makes the challenge.
            odd_security: Offer only a type that nobody knows, which then acts as None.
        """
        self.output = bytearray(b"RFB 003.008\n")
        self.exclusive = False
        self._password = password
        self._server_init = server_init
        self._random_bytes = random_bytes
        self._type = UNKNOWN if odd_security else NONE if password is None else VNC_AUTH
        self._state = _State.VERSION
        self._minor = 8
        self._challenge = b""

    @property
    def done(self) -> bool:
        """Whether the client is in."""
        return self._state is _State.DONE

    @property
    def failed(self) -> bool:
        """Whether the connection must be ended once `output` is sent."""
        return self._state is _State.FAILED

    def feed(self, received: bytearray) -> None:
        """Take what it needs off the front of `received`."""
        handlers: dict[_State, tuple[int, Callable[[bytes], None]]] = {
            _State.VERSION: (12, self._version),
            _State.CHOICE: (1, self._choice),
            _State.RESPONSE: (16, self._response),
            _State.INIT: (1, self._init),
        }
        while self._state in handlers:
            size, handler = handlers[self._state]
            if len(received) < size:
                return
            taken = bytes(received[:size])
            del received[:size]
            handler(taken)

    def _version(self, version: bytes) -> None:
        if version not in _VERSIONS:
            self._state = _State.FAILED
            return
        self._minor = _VERSIONS[version]
        if self._minor == 3:
            self.output += struct.pack(">I", self._type)
            self._begin()
        else:
            self.output += bytes((1, self._type))
            self._state = _State.CHOICE

    def _choice(self, choice: bytes) -> None:
        if choice[0] != self._type:
            self._state = _State.FAILED
            return
        self._begin()

    def _begin(self) -> None:
        if self._type == VNC_AUTH:
            self._challenge = self._random_bytes(16)
            self.output += self._challenge
            self._state = _State.RESPONSE
            return
        if self._minor == 8:
            self.output += bytes(4)
        self._state = _State.INIT

    def _response(self, response: bytes) -> None:
        if hmac.compare_digest(response, answer_to(self._challenge, self._password or "")):
            self.output += bytes(4)
            self._state = _State.INIT
            return
        self.output += struct.pack(">I", 1)
        if self._minor == 8:
            self.output += struct.pack(">I", len(_WRONG)) + _WRONG
        self._state = _State.FAILED

    def _init(self, shared: bytes) -> None:
        self.exclusive = shared == b"\0"
        self.output += self._server_init()
        self._state = _State.DONE
