"""How one viewer takes over a connection whose security the daemon doesn't know.

The daemon has already answered the upstream's version line. So the viewer is given that line as if
it came first, and its own answer is swallowed, provided that it is the same; from then on both
directions are relayed untouched. A viewer that answers otherwise can't have this connection: the
upstream would have to be dialled anew, with nothing sent by the daemon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from vncproxy.rfb.handshake_events import UnknownSecurity
from vncproxy.rfb.protocol_version import VERSION_BYTES


@dataclass(frozen=True, slots=True)
class Relay:
    """The viewer has taken over: send these, then relay both directions untouched."""

    to_viewer: bytes = field(repr=False)
    to_upstream: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The viewer speaks another version than the daemon answered: this connection is of no use.

    Args:
        answer: What the viewer has sent, which a connection without a handshake may be given.
    """

    answer: bytes = field(repr=False)


OpaqueOutcome: TypeAlias = Relay | Mismatch


class OpaqueStart:
    """One viewer's takeover: `start()`, then `feed()` until it gives an outcome.

    Args:
        found: What the upstream's handshake ended with.
    """

    def __init__(self, found: UnknownSecurity) -> None:
        """Wait for start()."""
        self._found = found
        self._pending = bytearray()

    def start(self) -> bytes:
        """The upstream's version line, for the viewer."""
        return self._found.greeting

    def feed(self, data: bytes | bytearray | memoryview) -> OpaqueOutcome | None:
        """Take some of the viewer's bytes; None: more are needed. Not to be called afterwards."""
        self._pending += data
        if len(self._pending) < VERSION_BYTES:
            return None
        if self._pending[:VERSION_BYTES] != self._found.sent:
            return Mismatch(bytes(self._pending))
        return Relay(self._found.rest, bytes(self._pending[VERSION_BYTES:]))
