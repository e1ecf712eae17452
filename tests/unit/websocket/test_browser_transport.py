"""A browser's WebSocket that behaves badly, or not at all."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.setup import PIXELS, RAW, Running, running, set_encodings, until
from tests.unit.web.raw_socket import BINARY, CLOSE, PING, PONG, TEXT, RawSocket, frame
from vncproxy.config.model import Limits
from vncproxy.console.console import Console
from vncproxy.simulator.settings import SimulatorSettings

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
