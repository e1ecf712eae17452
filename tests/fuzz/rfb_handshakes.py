"""RFB's handshakes: with an upstream, as its viewer, and with a viewer, as its server."""

from __future__ import annotations

from tests.fuzz.target import Choices, Target, splits
from tests.property.handshakes import CHALLENGE, check_upstream, check_viewer
from vncproxy.rfb.vnc_auth import response


def upstream_handshake(data: bytes) -> None:
    """What an upstream sends."""
    choices = Choices(data)
    password = (None, "secret")[choices.number(1)]
    seed, wire = choices.number(255), choices.rest
    check_upstream(wire, password, splits(wire, seed))


def viewer_handshake(data: bytes) -> None:
    """What a viewer sends."""
    choices = Choices(data)
    password = (None, "secret")[choices.number(1)]
    ahead = password is None and choices.number(1) == 1
    failure, seed = choices.number(1) == 1, choices.number(255)
    wire = choices.rest
    check_viewer(wire, password, splits(wire, seed), ahead=ahead, failure=failure)


_WORDS = (b"RFB 003.008\n", b"RFB 003.007\n", b"RFB 003.003\n", b"\x01\x02", b"\0\0\0\1")
TARGETS = (
    Target("upstream-handshake", upstream_handshake, words=_WORDS),
    Target("viewer-handshake", viewer_handshake, words=(*_WORDS, response("secret", CHALLENGE))),
)
