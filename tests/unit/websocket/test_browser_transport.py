"""A browser's WebSocket that behaves badly, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.frames import Opcode

from tests.clock import ProcessClock, settle
from tests.setup import PIXELS, RAW, Running, running, set_encodings, until
from tests.unit.web.raw_socket import BINARY, CLOSE, PING, PONG, TEXT, RawSocket, frame
from vncproxy.config.model import Limits
from vncproxy.console.console import Console
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.websocket.browser_transport import BrowserTransport
from vncproxy.websocket.frames import control_frame
from vncproxy.websocket.transport import ABNORMAL, CLOSE_TIMEOUT_S, TransportEnd

pytestmark = pytest.mark.sockets

QUIET = Limits(ping_interval=60.0)


def opened(setup: Running, **how: Any) -> AbstractAsyncContextManager[RawSocket]:
    """A WebSocket to the console of an open door."""
    return RawSocket.opened(setup.daemon.servers[0].port, f"/websockify/{setup.alias}", **how)


async def closed_event(setup: Running) -> dict[str, Any]:
    """The log's one line about the viewer's end."""
    await until(
        lambda: any(e["event"] == "viewer.closed" for e in setup.events), "the viewer's end"
    )
    (event,) = [e for e in setup.events if e["event"] == "viewer.closed"]
    return event


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text", frame(TEXT, b"RFB 003.008\n")),
        ("not UTF-8", frame(TEXT, b"\xff")),
        ("unknown opcode", frame(3, b"x")),
        ("reserved bits", b"\xf2\x80\0\0\0\0"),
        ("continuation of nothing", frame(0, b"x")),
        ("long ping", frame(PING, b"x" * 126)),
        ("too long", b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4)),
        ("over 2 MiB", b"\x82\xff" + ((2 << 20) + 1).to_bytes(8, "big") + bytes(4)),
        (
            "over 2 MiB in parts",
            frame(BINARY, bytes(1 << 20), final=False)
            + b"\x80\xff"
            + ((1 << 20) + 1).to_bytes(8, "big")
            + bytes(4),
        ),
        ("no mask", frame(BINARY, b"RFB 003.008\n", masked=False)),
        ("a ping without a mask", frame(PING, b"", masked=False)),
        ("a close without a mask", frame(CLOSE, b"\x03\xe8", masked=False)),
    ],
)
async def test_broken_websocket_rules(tmp_path: Path, name: str, data: bytes) -> None:
    """4400 with its word, for the viewer and in the log; nothing is passed on."""
    async with running(tmp_path, limits=QUIET) as setup, opened(setup) as socket:
        assert (await socket.receive()).payload == b"RFB 003.008\n"
        socket.writer.write(data)
        end = await socket.closed()
        assert (end.code, end.reason) == (4400, "viewer-protocol"), name
        socket.writer.close()
        event = await closed_event(setup)
        assert (event["code"], event["side"]) == (4400, "viewer")


@pytest.mark.parametrize(
    "data",
    [b"RFB 009.999\n\0\0\0", b"GET / HTTP/1.1\r\n", b"\0" * 12, b"RFB 003.008\n\x05"],
)
async def test_broken_rfb_rules(tmp_path: Path, data: bytes) -> None:
    """A viewer that isn't one gets 4400 too."""
    async with running(tmp_path, limits=QUIET) as setup, opened(setup) as socket:
        await socket.receive()
        socket.send(BINARY, data)
        end = await socket.closed()
        assert (end.code, end.reason) == (4400, "viewer-protocol")


async def test_speaking_before_the_greeting(tmp_path: Path) -> None:
    """The server speaks first in RFB: who doesn't wait for it gets 4400."""
    async with running(tmp_path, limits=QUIET) as setup:
        setup.cloud.set_status("Stopped")
        async with opened(setup) as socket:
            socket.send(BINARY, b"RFB 003.008\n")
            assert (await socket.closed()).code == 4400


async def test_frames_and_messages_need_not_align(tmp_path: Path) -> None:
    """A handshake cut into single bytes, in fragments and between pings, is understood."""
    async with running(tmp_path, limits=QUIET) as setup, opened(setup) as socket:
        await socket.receive()
        for byte in b"RFB 003.008\n":
            socket.send(BINARY, bytes([byte]))
            socket.send(BINARY)
        socket.send(PING, b"between")
        socket.writer.write(frame(BINARY, b"\x01", final=False) + frame(0, b"\x01"))
        received = b""
        while b"demo" not in received:
            found = await socket.receive()
            received += found.payload if found.opcode == BINARY else b""
            assert found.opcode == BINARY or found.payload == b"between"
        assert received.startswith(b"\x01\x01\0\0\0\0")


async def test_a_viewer_that_answers_no_ping(tmp_path: Path) -> None:
    """It is dropped after ping_timeout, whatever its TCP connection says."""
    limits = Limits(ping_interval=0.1, ping_timeout=0.2)
    async with running(tmp_path, limits=limits) as setup, opened(setup) as socket:
        await socket.dropped()
        assert (await closed_event(setup))["side"] == "viewer"


async def test_a_viewer_that_answers_pings_stays(tmp_path: Path) -> None:
    """The answer alone keeps it, many intervals long: a ping comes in each of them."""
    limits = Limits(ping_interval=0.05, ping_timeout=60.0)
    async with running(tmp_path, limits=limits) as setup, opened(setup) as socket:
        pings = 0
        while pings < 5:
            found = await socket.receive()
            if found.opcode == PING:
                pings += 1
                socket.send(PONG, found.payload)
        assert not [e for e in setup.events if e["event"] == "viewer.closed"]


async def test_a_viewer_that_vanishes_amid_pings(tmp_path: Path) -> None:
    """Who asks for answers and is gone before they come has left; it is no fault."""
    async with running(tmp_path, limits=QUIET) as setup, opened(setup) as socket:
        await socket.receive()
        for _ in range(50):
            socket.send(PING, b"are you there?")
        socket.vanish()
        assert (await closed_event(setup))["code"] == 1000
        assert not [e for e in setup.events if e["level"] == "error"]


async def test_a_viewer_that_vanishes_while_its_pings_are_held(tmp_path: Path) -> None:
    """More of them than are answered at once, and a goodbye: it has left, and its place is free."""
    async with running(tmp_path, limits=QUIET) as setup:
        for goodbye in (b"", frame(CLOSE, b"\x03\xe8")):
            async with opened(setup) as socket:
                await socket.receive()
                socket.writer.write(frame(PING, b"") * 60_000 + goodbye)
                await asyncio.sleep(0.1)
                socket.vanish()
        await until(
            lambda: sum(e["event"] == "viewer.closed" for e in setup.events) == 2, "both ends"
        )
        assert not [e for e in setup.events if e["level"] == "error"]


@pytest.mark.parametrize("cut", [1, 2, 5, 6, 8])
async def test_what_comes_with_the_request(tmp_path: Path, cut: int) -> None:
    """A frame that begins in the request's packet, cut anywhere, is read like any other."""
    line = frame(BINARY, b"RFB 003.008\n")
    async with running(tmp_path, limits=QUIET) as setup:
        viewer = await setup.viewer()
        await until(lambda: viewer.decoder.updates, "a console that greets at once")
        async with opened(setup, behind=line[:cut]) as socket:
            assert (await socket.receive()).payload == b"RFB 003.008\n"
            socket.writer.write(line[cut:])
            assert (await socket.receive()).payload == b"\x01\x01"


async def test_an_unmasked_frame_with_the_request(tmp_path: Path) -> None:
    """It breaks the rules there, too."""
    async with running(tmp_path, limits=QUIET) as setup:
        behind = frame(BINARY, b"RFB 003.008\n", masked=False)
        async with opened(setup, behind=behind) as socket:
            assert (await socket.closed()).code == 4400


@pytest.mark.usefixtures("idle_clock")
async def test_a_viewer_that_reads_nothing(tmp_path: Path) -> None:
    """After slow_viewer_timeout it is ended as too slow; another one isn't held up."""
    cloud = SimulatorSettings(width=2048, height=1536, animated=False)
    limits = Limits(slow_viewer_timeout=0.5, ping_interval=60.0)
    async with (
        running(tmp_path, cloud=cloud, limits=limits) as setup,
        opened(setup, receive_buffer=4096) as socket,
    ):
        await socket.receive()
        whole = b"\3\0" + bytes(4) + (2048).to_bytes(2, "big") + (1536).to_bytes(2, "big")
        socket.send(BINARY, b"RFB 003.008\n\x01\x01")
        socket.send(BINARY, bytes(4) + PIXELS + set_encodings([RAW]) + whole * 3)
        event = await closed_event(setup)
        assert (event["code"], event["reason"], event["side"]) == (4413, "too-slow", "viewer")
        other = await setup.viewer()
        await until(lambda: other.decoder.updates, "a picture for another viewer")


async def test_the_close_handshake(tmp_path: Path) -> None:
    """A viewer that leaves properly is answered and booked as such, with what passed."""
    async with running(tmp_path, limits=QUIET) as setup, opened(setup) as socket:
        await socket.receive()
        socket.send(BINARY, b"RFB 003.008\n")
        await socket.receive()
        socket.send(CLOSE, (1000).to_bytes(2, "big"))
        assert (await socket.closed()).code == 1000
        event = await closed_event(setup)
        assert (event["code"], event["side"], event["links"]) == (1000, "viewer", 1)
        assert (event["bytes_in"], event["bytes_out"]) == (12, 14)


@pytest.mark.parametrize("body", [b"\x03", b"\x03\xed", b"\x03\xe8\xe4\xb8"])
async def test_a_malformed_goodbye(tmp_path: Path, body: bytes) -> None:
    """It is one all the same: the viewer has left."""
    async with running(tmp_path, limits=QUIET) as setup, opened(setup) as socket:
        await socket.receive()
        socket.send(CLOSE, body)
        assert (await socket.closed()).payload == b""
        event = await closed_event(setup)
        assert (event["code"], event["side"]) == (1000, "viewer")


async def test_a_fault_of_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1011, the traceback in the log, and no viewer that stays behind half dead."""

    def fails(*_: object) -> None:
        raise ZeroDivisionError("planted")

    async with running(tmp_path, limits=QUIET) as setup:
        monkeypatch.setattr(Console, "viewer_ready", fails)
        async with opened(setup) as socket:
            await socket.receive()
            socket.send(BINARY, b"RFB 003.008\n\x01\x01")
            end = await socket.closed()
            assert (end.code, end.reason) == (1011, "internal")
            event = await closed_event(setup)
            assert (event["code"], event["side"]) == (1011, "daemon")
            assert "planted" in setup.log.getvalue()


class Connection(asyncio.Transport):
    """A browser's TCP connection, in memory: it takes all but the last `backlog` bytes."""

    def __init__(self) -> None:
        """It is open, and read."""
        super().__init__()
        self.written = bytearray()
        self.backlog = 0
        self.is_read = True
        self.is_closed = self.is_aborted = self.is_half_closed = False
        self.is_tls = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As the transport wants it: no byte may wait unnoticed."""
        assert high == 0

    def get_write_buffer_size(self) -> int:
        """What waits."""
        return self.backlog

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        assert not self.is_closing(), "written to a connection that is closed"
        self.written += data

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Keep all of it."""
        for data in list_of_data:
            self.write(data)

    def is_closing(self) -> bool:
        """Whether either of the two was called."""
        return self.is_closed or self.is_aborted

    def close(self) -> None:
        """Kept."""
        self.is_closed = True

    def abort(self) -> None:
        """Kept."""
        self.is_aborted = True

    def pause_reading(self) -> None:
        """Kept."""
        self.is_read = False

    def resume_reading(self) -> None:
        """Kept."""
        self.is_read = True

    def can_write_eof(self) -> bool:
        """As TCP, or as TLS."""
        return not self.is_tls

    def write_eof(self) -> None:
        """Kept."""
        assert self.can_write_eof()
        assert not self.is_closing()
        self.is_half_closed = True

    def take(self) -> bytes:
        """What was written since the last call."""
        data, self.written = bytes(self.written), bytearray()
        return data


class Receiver:
    """Keeps what a transport gives, and how often its connection was lost."""

    def __init__(self) -> None:
        """Nothing came."""
        self.data = bytearray()
        self.drained = 0
        self.ends: list[TransportEnd] = []
        self.lost = 0
        self.fault: Exception | None = None

    def transport_received(self, data: bytes | memoryview) -> int:
        """All is taken, if nothing is planted."""
        if self.fault is not None:
            raise self.fault
        self.data += data
        return len(data)

    def transport_drained(self) -> None:
        """Counted."""
        self.drained += 1

    def transport_ended(self, end: TransportEnd) -> None:
        """Kept."""
        self.ends.append(end)

    def connection_lost(self) -> None:
        """Counted."""
        self.lost += 1


def in_memory(
    ping_interval_s: float = 10.0, ping_timeout_s: float = 4.0
) -> tuple[BrowserTransport, Connection, Receiver]:
    """A transport, its connection and its receiver."""
    connection, receiver = Connection(), Receiver()
    transport = BrowserTransport(
        connection,
        receiver.connection_lost,
        ping_interval_s=ping_interval_s,
        ping_timeout_s=ping_timeout_s,
    )
    return transport, connection, receiver


async def test_nothing_is_read_before_somebody_takes_it() -> None:
    """Then all, in order; and no more while it is paused."""
    transport, connection, receiver = in_memory()
    assert not connection.is_read
    transport.resume_writing()
    transport.data_received(b"")
    transport.data_received(frame(BINARY, b"RFB"))
    await settle()
    transport.attach(receiver)
    await settle()
    assert (bytes(receiver.data), connection.is_read) == (b"RFB", True)
    transport.pause()
    assert not connection.is_read
    connection.close()
    transport.resume()
    await settle()
    assert not connection.is_read, "nothing is asked of a connection that is closed"


async def test_what_is_sent_counts_once_it_is_taken() -> None:
    """With the frames' headers; and its receiver learns when nothing waits any more."""
    transport, connection, receiver = in_memory()
    transport.attach(receiver)
    transport.send([b"abc", b"de"])
    assert connection.take() == frame(BINARY, b"abcde", masked=False)
    connection.backlog = 3
    assert (transport.sent_bytes, transport.backlog_bytes) == (4, 3)
    connection.backlog = 0
    transport.resume_writing()
    assert (transport.sent_bytes, receiver.drained) == (7, 1)
    transport.send([])
    assert connection.take() == b""


@pytest.mark.parametrize(
    ("reason", "code"),
    [(None, 1000), (CloseReason(CloseCode.INTERNAL, Side.DAEMON), 1011)],
)
async def test_closing(reason: CloseReason | None, code: int) -> None:
    """What waits goes first, then the close frame; its end is the browser's answer."""
    transport, connection, receiver = in_memory()
    transport.attach(receiver)
    transport.send([b"abc"])
    connection.backlog = 5
    connection.take()
    closing = asyncio.create_task(transport.close(reason))
    await settle()
    assert connection.take() == b""
    transport.send([b"late"])
    transport.data_received(frame(PING, b"") + frame(BINARY, b"late"))
    connection.backlog = 0
    transport.resume_writing()
    await settle()
    head, body = connection.take()[:2], code.to_bytes(2, "big")
    assert head[0] == 0x88
    assert not connection.is_closed
    transport.data_received(frame(CLOSE, body))
    await settle()
    assert connection.is_closed
    assert not connection.is_aborted
    transport.connection_lost(None)
    await settle()
    assert closing.done()
    await closing
    await transport.close()
    assert receiver.ends == [TransportEnd(Side.DAEMON, code)]
    assert (bytes(receiver.data), receiver.lost) == (b"", 1)


async def test_a_browser_that_is_lost_while_it_is_closed() -> None:
    """Nothing is waited for any more; that it was closed comes first."""
    transport, connection, receiver = in_memory()
    transport.attach(receiver)
    closing = asyncio.create_task(transport.close())
    await settle()
    assert connection.take()[0] == 0x88
    await transport.close()
    assert connection.take() == b"", "it is closed once"
    transport.connection_lost(None)
    await settle()
    assert closing.done()
    await closing
    assert receiver.ends == [TransportEnd(Side.DAEMON, ABNORMAL)]


async def test_the_answer_to_a_close_is_read_in_any_case() -> None:
    """Also of a browser that nothing was read of."""
    transport, connection, receiver = in_memory()
    transport.attach(receiver)
    await settle()
    transport.pause()
    transport.data_received(frame(BINARY, b"unread"))
    closing = asyncio.create_task(transport.close())
    await settle()
    transport.data_received(frame(CLOSE, b"\x03\xe8"))
    await settle()
    assert connection.is_closed
    transport.connection_lost(None)
    await settle()
    assert closing.done()
    await closing
    assert bytes(receiver.data) == b""


async def test_what_a_lost_browser_sent_last_is_given() -> None:
    """Once there is room for it; nothing is sent to it meanwhile, nor is there one to close."""
    transport, connection, receiver = in_memory()
    transport.attach(receiver)
    await settle()
    transport.pause()
    transport.data_received(frame(PING, b"") + frame(BINARY, b"last"))
    transport.connection_lost(None)
    transport.send([b"late"])
    await transport.close()
    assert receiver.ends == []
    transport.resume()
    await settle()
    assert bytes(receiver.data) == b"last"
    assert receiver.ends == [TransportEnd(Side.VIEWER, ABNORMAL)]
    assert connection.take() == b""


async def test_nothing_is_sent_on_a_connection_that_closes() -> None:
    """Neither pixels nor answers; asyncio would only warn of them."""
    transport, connection, receiver = in_memory()
    transport.attach(receiver)
    await settle()
    connection.close()
    transport.send([b"late"])
    transport.data_received(frame(PING, b"") + frame(BINARY, b"last"))
    await settle()
    assert bytes(receiver.data) == b"last"
    assert connection.take() == b""
    assert receiver.ends == []


async def test_a_browser_that_answers_no_close(process_clock: ProcessClock) -> None:
    """It is dropped after a while; each step has its own."""
    transport, connection, receiver = in_memory(1.0, 60.0)
    transport.attach(receiver)
    closing = asyncio.create_task(transport.close())
    await settle()
    close_frame = control_frame(Opcode.CLOSE, (1000).to_bytes(2, "big"))
    await process_clock.forward(CLOSE_TIMEOUT_S - 0.5)
    assert not connection.is_closed
    assert connection.take() == close_frame, "no ping follows it"
    await process_clock.forward(1.0)
    assert (connection.is_closed, connection.is_aborted) == (True, False)
    await process_clock.forward(CLOSE_TIMEOUT_S + 0.5)
    await closing
    assert connection.is_aborted
    assert receiver.ends == [TransportEnd(Side.DAEMON, 1000)]
    shutting = asyncio.create_task(transport.shut())
    await settle()
    assert shutting.done(), "it had its time"


async def test_a_browser_that_takes_nothing_gets_no_close_frame(
    process_clock: ProcessClock,
) -> None:
    """It is dropped as soon as its time for what waits is over."""
    transport, connection, receiver = in_memory(60.0, 60.0)
    transport.attach(receiver)
    connection.backlog = 1
    closing = asyncio.create_task(transport.close())
    await settle()
    await process_clock.forward(CLOSE_TIMEOUT_S + 0.5)
    await closing
    assert (connection.take(), connection.is_closed, connection.is_aborted) == (b"", False, True)
    assert receiver.ends == [TransportEnd(Side.DAEMON, 1000)]


@pytest.mark.parametrize(("body", "code"), [(b"\x03\xe9bye", 1001), (b"", 1005)])
async def test_a_browser_that_closes(body: bytes, code: int) -> None:
    """Its frame is sent back, what came before is given, and nothing is sent after it."""
    transport, connection, receiver = in_memory()
    transport.attach(receiver)
    await settle()
    transport.data_received(frame(BINARY, b"last") + frame(CLOSE, body))
    await settle()
    assert connection.take() == control_frame(Opcode.CLOSE, body)
    assert connection.is_closed
    transport.send([b"late"])
    transport.connection_lost(None)
    await settle()
    assert bytes(receiver.data) == b"last"
    assert receiver.ends == [TransportEnd(Side.VIEWER, code)]


async def test_a_ping_is_answered_with_what_it_holds() -> None:
    """At once; not while nobody takes what comes."""
    transport, connection, receiver = in_memory()
    transport.data_received(frame(PING, b"there?"))
    await settle()
    assert connection.take() == b""
    transport.attach(receiver)
    await settle()
    assert connection.take() == control_frame(Opcode.PONG, b"there?")


@pytest.mark.parametrize("hangs_up", [True, False])
async def test_a_fault_of_its_receiver_s(process_clock: ProcessClock, hangs_up: bool) -> None:
    """The browser is sent the reason, and has time to read it before the connection is dropped."""
    transport, connection, receiver = in_memory(60.0, 60.0)
    receiver.fault = ZeroDivisionError("planted")
    transport.attach(receiver)
    await settle()
    with capture_logs() as events:
        transport.data_received(frame(BINARY, b"RFB"))
        await settle()
    assert [(e["event"], e["exc_info"]) for e in events] == [("browser_transport.fault", True)]
    receiver.fault = None
    transport.data_received(frame(BINARY, b"late"))
    await settle()
    assert (receiver.ends, bytes(receiver.data)) == ([TransportEnd(Side.DAEMON, 1011)], b"")
    assert connection.take()[2:4] == (1011).to_bytes(2, "big")
    assert connection.is_half_closed
    shutting = asyncio.create_task(transport.shut())
    await settle()
    assert not connection.is_aborted
    if hangs_up:
        transport.connection_lost(None)
        await settle()
    else:
        await process_clock.forward(CLOSE_TIMEOUT_S - 0.5)
        assert not connection.is_aborted
        await process_clock.forward(1.0)
    assert shutting.done()
    assert connection.is_aborted


async def test_shutting_drops_the_connection_at_once(process_clock: ProcessClock) -> None:
    """Of a browser that is there, or that broke the rules; no ping follows."""
    for breach in (b"", frame(TEXT, b"")):
        transport, connection, receiver = in_memory(1.0, 60.0)
        transport.attach(receiver)
        await settle()
        transport.data_received(breach)
        await settle()
        shutting = asyncio.create_task(transport.shut())
        await settle()
        assert shutting.done()
        assert connection.is_aborted
        await process_clock.forward(2.0)
        assert connection.take() == b""


@pytest.mark.parametrize("tls", [False, True])
async def test_what_came_before_a_breach_is_given(process_clock: ProcessClock, tls: bool) -> None:
    """Also in the packet in which the rules are broken; then the end, and nothing after it.

    It is to hang up first, if it is told the reason and TLS doesn't forbid to end one side alone.
    """
    transport, connection, receiver = in_memory()
    connection.is_tls = tls
    transport.attach(receiver)
    await settle()
    transport.data_received(frame(BINARY, b"last") + frame(TEXT, b"") + frame(BINARY, b"late"))
    await settle()
    assert bytes(receiver.data) == b"last"
    assert receiver.ends == [TransportEnd(Side.VIEWER, 1002, broke_rules=True)]
    transport.send([b"late"])
    transport.resume_writing()
    await process_clock.forward(11.0)
    assert (connection.take(), receiver.drained) == (b"", 0), "nor is it pinged any more"
    closing = asyncio.create_task(transport.close(CloseReason(CloseCode.INTERNAL, Side.DAEMON)))
    await settle()
    assert connection.take()[2:4] == (1011).to_bytes(2, "big")
    assert connection.is_half_closed is not tls
    transport.connection_lost(None)
    await settle()
    assert closing.done()
    await closing
    assert len(receiver.ends) == 1


async def test_a_lost_connection_is_reported_to_who_comes_later() -> None:
    """Once, with the code for it."""
    transport, _, receiver = in_memory()
    transport.connection_lost(None)
    await settle()
    transport.attach(receiver)
    await settle()
    await transport.close()
    assert receiver.ends == [TransportEnd(Side.VIEWER, ABNORMAL)]
    other = Receiver()
    transport.attach(other)
    assert other.ends == receiver.ends


async def test_pings(process_clock: ProcessClock) -> None:
    """One an interval after the last one, if anything came since; else it is gone in time."""
    transport, connection, receiver = in_memory(ping_interval_s=10.0, ping_timeout_s=4.0)
    transport.attach(receiver)
    await settle()
    ping = control_frame(Opcode.PING)
    await process_clock.forward(9.0)
    assert connection.take() == b""
    await process_clock.forward(1.5)
    assert connection.take() == ping
    transport.data_received(frame(PONG, b""))
    await process_clock.forward(4.5)
    await process_clock.forward(4.0)
    assert connection.take() == b""
    await process_clock.forward(2.0)
    assert connection.take() == ping
    await process_clock.forward(3.0)
    assert not connection.is_aborted
    await process_clock.forward(1.5)
    assert connection.is_aborted


async def test_a_browser_that_is_not_read_is_not_taken_for_gone(
    process_clock: ProcessClock,
) -> None:
    """What it sends can't show meanwhile."""
    transport, connection, receiver = in_memory(ping_interval_s=10.0, ping_timeout_s=4.0)
    transport.attach(receiver)
    await settle()
    transport.pause()
    for _ in range(10):
        await process_clock.forward(5.0)
    assert not connection.is_aborted
    transport.resume()
    await settle()
    for _ in range(5):
        await process_clock.forward(5.0)
    assert connection.is_aborted


async def test_a_timeout_longer_than_the_interval_is_kept(process_clock: ProcessClock) -> None:
    """It is looked at in each interval, and ended only after the timeout."""
    transport, connection, receiver = in_memory(ping_interval_s=2.0, ping_timeout_s=7.0)
    transport.attach(receiver)
    await settle()
    await process_clock.forward(2.5)
    assert connection.take() == control_frame(Opcode.PING)
    for _ in range(3):
        await process_clock.forward(2.0)
    assert not connection.is_aborted
    await process_clock.forward(1.5)
    assert connection.is_aborted
