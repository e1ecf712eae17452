"""What the gateway makes of the bytes that pass: it follows the handshake and counts messages.

Sans-I/O and passive: it sees both directions, changes nothing, and works the same before a built-in
screen and before a real VNC server.
"""

from __future__ import annotations

from enum import Enum, auto

from vncproxy.simulator import lengths
from vncproxy.simulator.faults import Step
from vncproxy.simulator.lengths import ClientMessage
from vncproxy.simulator.record import Breach

_MAX_HELD_BYTES = 4 << 20
_CHALLENGE_BYTES = 16
_NONE, _VNC_AUTH = 1, 2
_VERSIONS = {b"RFB 003.003\n": 3, b"RFB 003.007\n": 7, b"RFB 003.008\n": 8}


class _Turn(Enum):
    """Whose bytes come next, and which."""

    SERVER_VERSION = auto()
    CLIENT_VERSION = auto()
    SECURITY_TYPES = auto()
    SECURITY_CHOICE = auto()
    CHALLENGE = auto()
    RESPONSE = auto()
    RESULT = auto()
    CLIENT_INIT = auto()
    SERVER_INIT = auto()
    RUNNING = auto()
    OPAQUE = auto()
    ENDED = auto()


_SERVER_STEPS = {
    _Turn.SERVER_VERSION: Step.VERSION,
    _Turn.CLIENT_VERSION: Step.SECURITY_TYPES,
    _Turn.SECURITY_TYPES: Step.SECURITY_TYPES,
    _Turn.SECURITY_CHOICE: Step.CHALLENGE,
    _Turn.CHALLENGE: Step.CHALLENGE,
    _Turn.RESPONSE: Step.SECURITY_RESULT,
    _Turn.RESULT: Step.SECURITY_RESULT,
    _Turn.CLIENT_INIT: Step.SERVER_INIT,
    _Turn.SERVER_INIT: Step.SERVER_INIT,
}


class ClientWatch:
    """Follows one session. `broken` is the reason why the client must be dropped, once it must."""

    def __init__(self) -> None:
        """Start before the server's version."""
        self.broken = ""
        self.asked: frozenset[int] = frozenset()
        self.announced: frozenset[int] | None = None
        """Pseudo-encodings that the server confirmed; None where only the client's asking shows."""
        self.request_outstanding = False
        self._turn = _Turn.SERVER_VERSION
        self._server = bytearray()
        self._client = bytearray()
        self._minor = 8
        self._offered: bytes = b""
        self._handshake_breaches: list[Breach] = []

    @property
    def step(self) -> Step:
        """What the server sends next."""
        return _SERVER_STEPS.get(self._turn, Step.RUNNING)

    @property
    def running(self) -> bool:
        """Whether the handshake is over."""
        return self._turn in {_Turn.RUNNING, _Turn.OPAQUE}

    @property
    def mid_message(self) -> bool:
        """Whether the client's stream ends within a message."""
        return bool(self._client) and self._turn is not _Turn.OPAQUE

    def feed_server(self, data: bytes) -> None:
        """Read bytes on their way to the client."""
        if self._turn in {_Turn.RUNNING, _Turn.OPAQUE, _Turn.ENDED}:
            # Anything sent is taken for the update: a breach may be missed so, but none is made up.
            self.request_outstanding = False
            return
        self._server += data
        self._advance()

    def feed_client(self, data: bytes) -> list[ClientMessage | Breach]:
        """The whole messages that these bytes complete, and the rules that they break."""
        if self.broken or self._turn is _Turn.ENDED:
            return []
        if self._turn is _Turn.OPAQUE:
            return [ClientMessage("opaque", bytes(data))] if data else []
        self._client += data
        self._advance()
        seen: list[ClientMessage | Breach] = list(self._handshake_breaches)
        self._handshake_breaches.clear()
        if self._turn is _Turn.RUNNING and not self.broken:
            self._read_messages(seen)
        elif len(self._client) > _MAX_HELD_BYTES:
            self._break("too much sent before its turn")
            seen.append(Breach.BAD_HANDSHAKE)
        return seen

    def _read_messages(self, seen: list[ClientMessage | Breach]) -> None:
        try:
            while True:
                long_pointer = lengths.EXTENDED_BUTTONS in self._agreed()
                measured = lengths.measure(self._client, extended_buttons=long_pointer)
                if measured is None or len(self._client) < measured[1]:
                    return
                kind, size = measured
                raw = bytes(self._client[:size])
                del self._client[:size]
                lengths.check(kind, raw)
                self._note(kind, raw, seen)
                seen.append(ClientMessage(kind, raw))
                if self.broken:
                    return
        except lengths.UnknownMessage as error:
            self._break(str(error))
            seen.append(Breach.UNKNOWN_MESSAGE)
        except lengths.InvalidMessage as error:
            self._break(str(error))
            seen.append(Breach.INVALID_MESSAGE)

    def _note(self, kind: str, raw: bytes, seen: list[ClientMessage | Breach]) -> None:
        if kind == "set-encodings":
            self.asked = frozenset(
                int.from_bytes(raw[at : at + 4], "big", signed=True) for at in range(4, len(raw), 4)
            )
        elif kind == "update-request":
            self.request_outstanding = True
        elif kind == "set-pixel-format" and self.request_outstanding:
            seen.append(Breach.FORMAT_WITH_REQUEST_OUTSTANDING)
        needed = lengths.NEEDS.get(kind)
        if needed is not None and needed not in self._agreed():
            seen.append(Breach.REQUEST_NOT_NEGOTIATED)
            if self.announced is not None:
                self._break(f"{kind} was not negotiated")

    def _agreed(self) -> frozenset[int]:
        return self.asked if self.announced is None else self.announced

    def _break(self, reason: str) -> None:
        self.broken = reason
        self._client.clear()

    def _bad_handshake(self, reason: str) -> None:
        self._handshake_breaches.append(Breach.BAD_HANDSHAKE)
        self._break(reason)
        self._turn = _Turn.ENDED

    def _advance(self) -> None:
        while self._advance_once():
            pass

    def _take(self, source: bytearray, size: int) -> bytes | None:
        if len(source) < size:
            return None
        taken = bytes(source[:size])
        del source[:size]
        return taken

    def _advance_once(self) -> bool:
        match self._turn:
            case _Turn.SERVER_VERSION:
                if self._take(self._server, 12) is None:
                    return False
                self._turn = _Turn.CLIENT_VERSION
            case _Turn.CLIENT_VERSION:
                return self._client_version()
            case _Turn.SECURITY_TYPES:
                return self._old_security() if self._minor == 3 else self._security_types()
            case _Turn.SECURITY_CHOICE:
                return self._security_choice()
            case _Turn.CHALLENGE:
                if self._take(self._server, _CHALLENGE_BYTES) is None:
                    return False
                self._turn = _Turn.RESPONSE
            case _Turn.RESPONSE:
                if self._take(self._client, _CHALLENGE_BYTES) is None:
                    return False
                self._turn = _Turn.RESULT
            case _Turn.RESULT:
                result = self._take(self._server, 4)
                if result is None:
                    return False
                self._turn = _Turn.ENDED if any(result) else _Turn.CLIENT_INIT
            case _Turn.CLIENT_INIT:
                shared = self._take(self._client, 1)
                if shared is None:
                    return False
                if shared == b"\0":
                    self._handshake_breaches.append(Breach.EXCLUSIVE_REQUEST)
                self._turn = _Turn.SERVER_INIT
            case _Turn.SERVER_INIT:
                if len(self._server) < 24:
                    return False
                size = 24 + int.from_bytes(self._server[20:24], "big")
                if self._take(self._server, size) is None:
                    return False
                self._turn = _Turn.RUNNING
            case _:
                return False
        return True

    def _client_version(self) -> bool:
        version = self._take(self._client, 12)
        if version is None:
            return False
        if version not in _VERSIONS:
            self._bad_handshake("the client's RFB version is unknown")
            return False
        self._minor = _VERSIONS[version]
        self._turn = _Turn.SECURITY_TYPES
        return True

    def _old_security(self) -> bool:
        """3.3: the server decides. Source: RFC 6143, section 7.1.2 and appendix A."""
        chosen = self._take(self._server, 4)
        if chosen is None:
            return False
        turns = {0: _Turn.ENDED, _NONE: _Turn.CLIENT_INIT, _VNC_AUTH: _Turn.CHALLENGE}
        self._turn = turns.get(int.from_bytes(chosen, "big"), _Turn.OPAQUE)
        return True

    def _security_types(self) -> bool:
        if not self._server or len(self._server) < 1 + self._server[0]:
            return False
        offered = self._take(self._server, 1 + self._server[0])
        assert offered is not None, "the length was just checked"
        self._offered = offered[1:]
        self._turn = _Turn.SECURITY_CHOICE if self._offered else _Turn.ENDED
        return True

    def _security_choice(self) -> bool:
        choice = self._take(self._client, 1)
        if choice is None:
            return False
        if choice not in self._offered:
            self._bad_handshake("the client chose a security type that was not offered")
            return False
        if choice[0] == _VNC_AUTH:
            self._turn = _Turn.CHALLENGE
        elif choice[0] == _NONE:
            self._turn = _Turn.CLIENT_INIT if self._minor == 7 else _Turn.RESULT
        else:
            self._turn = _Turn.OPAQUE
            self._client.clear()
        return True
