"""Who is at the other end, asked of this machine's own kernel."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vncproxy.websocket.peer_account import (
    _diagnosed,
    _listed,
    is_unix,
    knows_owners,
    owner_in,
    owner_listed,
    socket_address,
    tcp_uid,
    uid_behind,
    uid_of,
    unix_uid,
)

pytestmark = pytest.mark.sockets


@contextmanager
def connected(
    ours: str = "127.0.0.1", theirs: str = "127.0.0.1"
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a TCP connection: the accepted one, and the one that connected."""
    family = socket.AF_INET6 if ":" in ours else socket.AF_INET
    with socket.socket(family) as listening:
        listening.bind((ours, 0))
        listening.listen()
        port = listening.getsockname()[1]
        with socket.socket(socket.AF_INET6 if ":" in theirs else socket.AF_INET) as client:
            client.connect((theirs, port))
            accepted, _ = listening.accept()
            with accepted:
                yield accepted, client


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")],
)
def test_the_owner_of_a_connection(ours: str, theirs: str) -> None:
    """Both ways of asking name this process's user, also for IPv4 in IPv6 clothes."""
    with connected(ours, theirs) as (accepted, _):
        far, near = accepted.getpeername()[:2], accepted.getsockname()[:2]
        assert tcp_uid(far, near) == os.getuid()
        assert _diagnosed(socket_address(*far), socket_address(*near)) == os.getuid()
        assert _listed(socket_address(*far), socket_address(*near)) == os.getuid()


def forbidden(*_: object) -> None:
    """As where a sandbox allows no netlink sockets."""
    raise PermissionError


def test_whether_owners_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here they are; where neither the diagnostics nor /proc may be read they aren't."""
    assert knows_owners()
    monkeypatch.setattr("vncproxy.websocket.peer_account._diagnosed", forbidden)
    assert knows_owners()
    monkeypatch.setattr("vncproxy.websocket.peer_account._listed", lambda *_: None)
    assert not knows_owners()
    monkeypatch.setattr("vncproxy.websocket.peer_account.socket.create_server", forbidden)
    assert not knows_owners()


def test_the_owner_of_an_accepted_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of the kernel alone, since looking through all connections takes too long there."""
    with connected() as (accepted, _):
        assert uid_of(accepted) == os.getuid()
        monkeypatch.setattr("vncproxy.websocket.peer_account._diagnosed", forbidden)
        assert uid_of(accepted) is None
    here, there = socket.socketpair()
    with here, there:
        assert uid_of(here) == os.getuid()
    with socket.socket() as unconnected:
        assert uid_of(unconnected) is None


def test_no_connection_has_no_owner() -> None:
    """The kernel names the listening socket instead, which proves nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        ours = listening.getsockname()
        assert tcp_uid(("127.0.0.1", 1), ours) is None
        assert tcp_uid(ours, ("127.0.0.1", 1)) is None
        assert _listed(socket_address("127.0.0.1", 1), socket_address(*ours)) is None


def test_another_machine_has_no_owner_here() -> None:
    """Its port may be used by somebody here, too."""
    with connected() as (accepted, client):
        port = client.getsockname()[1]
        assert tcp_uid(("192.0.2.1", port), accepted.getsockname()) is None


def test_a_closed_end_is_nobody_s() -> None:
    """What is left of a connection whose program is gone counts for nobody but root."""
    with connected() as (accepted, client):
        far, near = accepted.getpeername(), accepted.getsockname()
        client.close()
        assert tcp_uid(far, near) in (None, 0)


def test_the_owner_of_a_unix_connection(tmp_path: Path) -> None:
    """The kernel keeps who connected."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert unix_uid(one.fileno()) == os.getuid()


def test_nothing_is_nobody() -> None:
    """A request whose connection is gone."""
    assert uid_behind(None) is None


def _answer(kind: int = 20, state: int = 1, sport: int = 1000, dport: int = 2000) -> bytes:
    loopback = b"\x7f\0\0\1".ljust(16, b"\0")
    body = struct.pack("=BBBB", socket.AF_INET, state, 0, 0) + struct.pack(">HH", sport, dport)
    body += loopback + loopback + struct.pack("=III", 0, 0, 0)
    body += struct.pack("=IIIII", 0, 0, 0, 1234, 77)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_answers_are_compared_with_the_question() -> None:
    """Another connection, a listening socket, an error or half an answer give nobody."""
    far, near = socket_address("127.0.0.1", 1000), socket_address("127.0.0.1", 2000)
    assert owner_in(_answer(), far, near) == 1234
    for wrong in (
        _answer(kind=2),
        _answer(state=10),
        _answer(sport=1001),
        _answer(dport=0),
        _answer()[:-1],
        b"",
    ):
        assert owner_in(wrong, far, near) is None


def test_the_listing_of_connections() -> None:
    """Addresses stand there as words in this machine's order. Source: proc_net(5)."""
    word = struct.unpack("=I", b"\x7f\0\0\1")[0]
    host = f"{word:08X}"
    line = f"   0: {host}:03E8 {host}:07D0 %s 00000000:00000000 00:00000000 00000000  1234 0 5"
    far, near = socket_address("127.0.0.1", 1000), socket_address("127.0.0.1", 2000)
    assert owner_listed(f"head\n{line % '01'}\n", far, near) == 1234
    assert owner_listed(f"head\n{line % '0A'}\n", far, near) is None
    assert owner_listed(f"head\n{line % '01'}\n", near, far) is None
    assert owner_listed("head\nshort\n", far, near) is None


async def test_the_kind_of_a_connection(tmp_path: Path) -> None:
    """By the socket itself: a TCP connection that is lost has no address either."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other, connected() as (accepted, _):
        for sock, unix in ((one, True), (accepted, False)):
            transport = Known(socket=sock, peername=None, sockname=None)
            assert is_unix(transport) is unix
            assert uid_behind(transport) == (os.getuid() if unix else None)
    assert not is_unix(Known())
    assert uid_behind(Known()) is None


class Known(asyncio.BaseTransport):
    """A transport that knows these facts only."""

    def __init__(self, **facts: object) -> None:
        """Keep them."""
        super().__init__(extra=facts)
