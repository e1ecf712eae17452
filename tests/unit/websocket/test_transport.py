"""What transports promise, shown by the one that the tests use."""

from __future__ import annotations

from tests.unit.console.fakes import FakeTransport
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.websocket.transport import ABNORMAL, Transport, TransportEnd


class Receiver:
    """Notes what a transport calls."""

    def __init__(self) -> None:
        """Nothing came."""
        self.received: list[object] = []

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes."""
        self.received.append(bytes(data))
        return len(data)

    def transport_drained(self) -> None:
        """All was taken."""
        self.received.append("drained")

    def transport_ended(self, end: TransportEnd) -> None:
        """The end."""
        self.received.append(end)


def test_an_end_without_a_close_frame_is_abnormal() -> None:
    """RFC 6455 keeps a code for it that never travels."""
    end = TransportEnd(Side.CLOUD)
    assert (end.code, end.broke_rules) == (ABNORMAL, False) == (1006, False)


def test_the_backlog_is_what_was_not_taken() -> None:
    """Drained is reported when it falls to nothing after having been more, and only then."""
    fake, receiver = FakeTransport(), Receiver()
    transport: Transport = fake
    transport.attach(receiver)
    transport.send([b"12", b"345"])
    assert (transport.backlog_bytes, transport.sent_bytes, receiver.received) == (0, 5, [])
    fake.stuck = True
    transport.send([b"678"])
    assert (transport.backlog_bytes, transport.sent_bytes) == (3, 5)
    fake.drain(2)
    assert (transport.backlog_bytes, transport.sent_bytes, receiver.received) == (1, 7, [])
    fake.drain()
    assert (transport.backlog_bytes, fake.take(), receiver.received) == (
        0,
        b"12345678",
        ["drained"],
    )


async def test_the_end_is_reported_once() -> None:
    """Who ends it; what is sent afterwards is thrown away."""
    fake, receiver = FakeTransport(), Receiver()
    fake.attach(receiver)
    await fake.close(CloseReason(CloseCode.KICKED, Side.DAEMON))
    await fake.close()
    fake.end(Side.VIEWER)
    fake.send([b"late"])
    fake.deliver(b"late")
    assert receiver.received == [TransportEnd(Side.DAEMON, 4403)]
    assert fake.taken == b""
