"""The three RFB versions and how the others are read. Source: RFC 6143, section 7.1.1; rfbproto,
ProtocolVersion.
"""

from __future__ import annotations

import re
from enum import IntEnum

VERSION_BYTES = 12
"""Length of a ProtocolVersion message."""

_PATTERN = re.compile(rb"RFB (\d{3})\.(\d{3})\n")


class ProtocolVersion(IntEnum):
    """A version whose handshake the daemon speaks; they compare by age."""

    V3_3 = 3
    V3_7 = 7
    V3_8 = 8

    @property
    def line(self) -> bytes:
        """The ProtocolVersion message."""
        return b"RFB 003.%03d\n" % self.value

    @classmethod
    def understood(cls, line: bytes) -> ProtocolVersion | None:
        """The version to speak with a peer that named this one, or None if it is no RFB version.

        What isn't published has 3.3's handshake if it is older than 3.7 (3.5, UltraVNC's 3.6), and
        3.8's if it is newer (Apple's 3.889, RealVNC's 4 and 5). Repeaters (0.0) are refused.
        """
        match = _PATTERN.fullmatch(line)
        if match is None:
            return None
        version = int(match[1]), int(match[2])
        if version < (3, 0):
            return None
        if version < (3, 7):
            return cls.V3_3
        return cls.V3_7 if version == (3, 7) else cls.V3_8
