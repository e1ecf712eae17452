"""What the gateway makes of the bytes that pass."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.simulator.test_lengths import MESSAGES
from vncproxy.simulator import Breach, Step
from vncproxy.simulator.lengths import ClientMessage
from vncproxy.simulator.watch import ClientWatch

VERSION = b"RFB 003.008\n"
SERVER_INIT = struct.pack(">HH16xI", 8, 6, 4) + b"name"
ALL_ASKED = struct.pack(">BxH7i", 2, 7, -258, -259, -308, -309, -312, -313, 0xC0A1E5CE - (1 << 32))


def running() -> ClientWatch:
    """After a handshake without a password."""
    watch = ClientWatch()
    watch.feed_server(VERSION)
    assert watch.feed_client(VERSION) == []
    watch.feed_server(b"\1\1")
    assert watch.feed_client(b"\1") == []
    watch.feed_server(bytes(4))
    assert watch.feed_client(b"\1") == []
    watch.feed_server(SERVER_INIT)
    assert watch.running
    return watch


def kinds(seen: Iterable[ClientMessage | Breach]) -> list[str]:
    """Names of messages and breaches."""
    return [s.kind if isinstance(s, ClientMessage) else str(s) for s in seen]


@settings(max_examples=100)
@given(st.lists(st.sampled_from(MESSAGES), max_size=8), st.data())
def test_messages_are_counted_however_they_are_cut(
    messages: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    """Any cutting into frames gives the same messages, and the middle of one is known."""
    watch = running()
    watch.feed_client(ALL_ASKED)
    stream = b"".join(
        b"\0\0\0\0\x20" + bytes(15) if kind == "set-pixel-format" else raw
        for kind, raw in messages
        if kind != "set-encodings"
    )
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    seen = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        seen += [s for s in watch.feed_client(stream[start:end]) if isinstance(s, ClientMessage)]
    assert kinds(seen) == [kind for kind, _ in messages if kind != "set-encodings"]
    assert b"".join(s.raw for s in seen) == stream
    assert not watch.mid_message
    watch.feed_client(b"\4\1")
    assert watch.mid_message


def test_each_step_of_the_handshake_is_known() -> None:
    """What the server sends next, with VncAuth, byte by byte from both sides."""
    watch = ClientWatch()
    steps = [watch.step]
    for server, client in (
        (VERSION, VERSION),
        (b"\1\2", b"\2"),
        (bytes(16), bytes(16)),
        (bytes(4), b"\1"),
        (SERVER_INIT, b""),
    ):
        for byte in server:
            watch.feed_server(bytes((byte,)))
        for byte in client:
            assert watch.feed_client(bytes((byte,))) == []
        steps.append(watch.step)
    assert steps == list(Step)


@pytest.mark.parametrize(
    ("version", "exchange"),
    [
        (b"RFB 003.003\n", [(b"\0\0\0\1", b"\1")]),
        (b"RFB 003.003\n", [(b"\0\0\0\2" + bytes(16), bytes(16)), (bytes(4), b"\1")]),
        (b"RFB 003.007\n", [(b"\1\1", b"\1\1")]),
    ],
)
def test_older_versions_are_followed(version: bytes, exchange: list[tuple[bytes, bytes]]) -> None:
    """3.3 and 3.7 differ in who chooses and in whether there is a result."""
    watch = ClientWatch()
    watch.feed_server(VERSION)
    watch.feed_client(version)
    for server, client in exchange:
        watch.feed_server(server)
        assert watch.feed_client(client) == []
    watch.feed_server(SERVER_INIT)
    assert watch.running
    assert kinds(watch.feed_client(b"\4\1\0\0\0\0\0\x41")) == ["key"]


def test_an_exclusive_request_is_a_breach() -> None:
    """It throws others out."""
    watch = ClientWatch()
    watch.feed_server(VERSION)
    watch.feed_client(VERSION)
    watch.feed_server(b"\1\1")
    watch.feed_client(b"\1")
    watch.feed_server(bytes(4))
    assert kinds(watch.feed_client(b"\0")) == [Breach.EXCLUSIVE_REQUEST]


@pytest.mark.parametrize("client", [[b"RFB 003.009\n"], [VERSION, b"\x10"]])
def test_a_wrong_handshake_is_a_breach(client: list[bytes]) -> None:
    """An unknown version, a type that was not offered."""
    watch = ClientWatch()
    watch.feed_server(VERSION)
    seen = watch.feed_client(client[0])
    watch.feed_server(b"\1\1")
    for data in client[1:]:
        seen += watch.feed_client(data)
    assert kinds(seen) == [Breach.BAD_HANDSHAKE]
    assert watch.broken
    assert watch.feed_client(b"more") == []


def test_an_unknown_security_type_is_passed_through() -> None:
    """From then on nothing is understood, and all of it counts."""
    watch = ClientWatch()
    watch.feed_server(VERSION)
    watch.feed_client(VERSION)
    watch.feed_server(b"\1\x71")
    watch.feed_client(b"\x71")
    assert watch.step is Step.RUNNING
    assert kinds(watch.feed_client(b"\xfe\xfe")) == ["opaque"]
    assert not watch.mid_message


@pytest.mark.parametrize(
    ("raw", "breach"),
    [(b"\x63", Breach.UNKNOWN_MESSAGE), (b"\4\7" + bytes(6), Breach.INVALID_MESSAGE)],
)
def test_what_is_no_message_breaks_the_session(raw: bytes, breach: Breach) -> None:
    """What came before it still counts."""
    watch = running()
    assert kinds(watch.feed_client(b"\4\1\0\0\0\0\0\x41" + raw)) == ["key", breach]
    assert watch.broken


@pytest.mark.parametrize(
    ("kind", "raw"),
    [(k, r) for k, r in MESSAGES if k in {"xvp", "fence", "qemu-key", "extended-cut-text"}],
)
def test_what_was_not_agreed_on_is_a_breach(kind: str, raw: bytes) -> None:
    """Asked for is enough where the server's answer can't be seen; else it must have confirmed."""
    watch = running()
    assert kinds(watch.feed_client(raw)) == [Breach.REQUEST_NOT_NEGOTIATED, kind]
    watch = running()
    assert kinds(watch.feed_client(ALL_ASKED + raw)) == ["set-encodings", kind]
    watch = running()
    watch.announced = frozenset()
    assert Breach.REQUEST_NOT_NEGOTIATED in watch.feed_client(ALL_ASKED + raw)
    assert watch.broken


def test_a_format_must_not_change_under_an_open_request() -> None:
    """It is a breach until the server has answered."""
    request = struct.pack(">BBHHHH", 3, 1, 0, 0, 8, 6)
    pixels = b"\0\0\0\0\x20" + bytes(15)
    watch = running()
    assert Breach.FORMAT_WITH_REQUEST_OUTSTANDING in watch.feed_client(request + pixels)
    watch.feed_server(b"update")
    assert kinds(watch.feed_client(pixels)) == ["set-pixel-format"]
