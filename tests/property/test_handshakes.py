"""Laws of both handshakes: the cuts don't matter, they understand each other, nothing raises."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.client_messages import pieces
from tests.property.handshakes import (
    CHALLENGE,
    check_upstream,
    check_viewer,
    with_upstream,
    with_viewer,
)
from vncproxy.rfb.handshake_events import (
    AuthenticationFailed,
    HandshakeBroken,
    PasswordAccepted,
    PasswordRejected,
    Ready,
    RefusalSent,
    Refused,
    Send,
    UpstreamHandshakeEvent,
    ViewerHandshakeEvent,
    ViewerReady,
)
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.protocol_version import ProtocolVersion
from vncproxy.rfb.upstream_handshake import UpstreamHandshake
from vncproxy.rfb.viewer_handshake import ViewerHandshake
from vncproxy.rfb.viewer_messages import server_init
from vncproxy.rfb.vnc_auth import PasswordVerifier, response

cuts = st.lists(st.integers(0, 4096), max_size=30)
versions = st.sampled_from([version.line for version in ProtocolVersion])
lines = st.one_of(
    versions, st.sampled_from([b"RFB 003.005\n", b"RFB 003.889\n", b"SSH-2.0-Op\r\n"])
)
passwords = st.sampled_from([None, "secret", "guess"])
sent_by_viewers = st.tuples(
    lines,
    st.one_of(st.just(b"\x01"), st.just(b"\x02"), st.binary(max_size=2)),
    st.one_of(st.just(response("secret", CHALLENGE)), st.binary(max_size=17)),
    st.binary(max_size=20),
).map(b"".join)
reasons = st.binary(max_size=40).map(lambda words: struct.pack(">I", len(words)) + words)
sent_by_upstreams = st.tuples(
    lines,
    st.one_of(
        st.sampled_from([b"\x01\x01", b"\x02\x01\x02", b"\x01\x02", b"\x01\x13", b"\0", b"\0\0\0"]),
        st.binary(max_size=5),
    ),
    st.one_of(st.just(b""), st.just(CHALLENGE), reasons),
    st.one_of(st.just(bytes(4)), st.just(b"\0\0\0\1"), st.binary(max_size=5)),
    st.one_of(reasons, st.just(server_init(640, 480, PixelFormat(), "a name"))),
    st.binary(max_size=20),
).map(b"".join)


@given(sent_by_viewers, passwords, cuts)
@settings(max_examples=100)
def test_any_viewer_in_any_pieces(stream: bytes, password: str | None, places: list[int]) -> None:
    """Right, wrong or garbage at any step: the cuts don't matter, and an end is the end."""
    check_viewer(stream, password, [pieces(stream, places)])


@given(sent_by_upstreams, passwords, cuts)
@settings(max_examples=100)
def test_any_upstream_in_any_pieces(stream: bytes, password: str | None, places: list[int]) -> None:
    """Right, wrong or garbage at any step: the cuts don't matter but for what follows the end."""
    check_upstream(stream, password, [pieces(stream, places)])


@given(st.binary(max_size=200), cuts)
@settings(max_examples=100)
def test_pure_noise_never_raises(noise: bytes, places: list[int]) -> None:
    """Neither handshake takes noise for a peer."""
    events, _ = with_viewer(pieces(noise, places), None)
    assert all(isinstance(event, HandshakeBroken) for event in events) or b"RFB" in noise
    others, _ = with_upstream(pieces(noise, places), None)
    assert all(isinstance(event, HandshakeBroken) for event in others) or b"RFB" in noise


class Conversation:
    """Both handshakes talking to each other, the upstream side offering one version."""

    def __init__(self, version: bytes, known: str | None, asked: str | None) -> None:
        """The server asks for `asked`, the client knows `known`."""
        verifier = PasswordVerifier(asked, CHALLENGE) if asked else None
        self.server = ViewerHandshake(verifier)
        self.client = UpstreamHandshake(known)
        assert self.server.start() == ProtocolVersion.V3_8.line
        # A client answers the version that it is offered: so an older server is played.
        self.to_client = version
        self.server_events: list[ViewerHandshakeEvent] = []
        self.client_events: list[UpstreamHandshakeEvent] = []

    def run(self, sizes: list[int], init: bytes) -> None:
        """Carry bytes to and fro, in pieces of these sizes, until both are quiet."""
        to_client, to_server, turn = self.to_client, b"", 0
        while to_client or to_server:
            size = sizes[turn % len(sizes)]
            turn += 1
            piece, to_client = to_client[:size], to_client[size:]
            for event in self.client.feed(piece):
                self.client_events.append(event)
                if isinstance(event, Send):
                    to_server += event.data
            piece, to_server = to_server[:size], to_server[size:]
            for answer in self.server.feed(piece):
                self.server_events.append(answer)
                match answer:
                    case Send(data):
                        to_client += data
                    case PasswordAccepted():
                        to_client += self.server.admit()
                    case ViewerReady():
                        to_client += init
                    case _:
                        pass


@given(
    versions,
    st.sampled_from([None, "secret"]),
    st.sampled_from(["secret", "guess"]),
    st.lists(st.integers(1, 20), min_size=1, max_size=5),
)
@settings(max_examples=100)
def test_the_two_handshakes_understand_each_other(
    version: bytes, asked: str | None, known: str, sizes: list[int]
) -> None:
    """In every version and with both securities the client ends ready, or with a wrong password."""
    talk = Conversation(version, known, asked)
    talk.run(sizes, server_init(1024, 768, PixelFormat(), "a näme"))
    if asked in (None, known):
        assert talk.server_events[-1] == ViewerReady(shared=True)
        last = talk.client_events[-1]
        assert isinstance(last, Ready)
        assert (last.width, last.height, last.name) == (1024, 768, "a näme")
        assert last.pixel_format == PixelFormat()
    else:
        assert talk.server_events[-1] == PasswordRejected()
        words = "The password is wrong." if version == ProtocolVersion.V3_8.line else ""
        assert talk.client_events[-1] == AuthenticationFailed(words)


@given(versions, st.lists(st.integers(1, 20), min_size=1, max_size=5))
@settings(max_examples=60)
def test_a_failure_arrives_as_a_refusal(version: bytes, sizes: list[int]) -> None:
    """What the daemon tells a viewer before anything was offered is what a client reads."""
    talk = Conversation(version, None, None)
    talk.server.fail("The instance is stopped.")
    talk.run(sizes, b"")
    assert talk.client_events[-1] == Refused("The instance is stopped.")
    assert talk.server_events[-1] == RefusalSent()
    assert talk.server.finished
