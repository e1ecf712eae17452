"""The handshakes against programs in use: QEMU and Xvnc as upstreams, TigerVNC as viewer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from tests.property.handshakes import UPSTREAM_ENDS
from tests.real.peers.presence import need
from tests.real.peers.process import running
from tests.real.peers.qemu import Qemu
from tests.real.peers.qemu import qemu as start_qemu
from tests.real.peers.xvnc import Xvnc
from tests.real.peers.xvnc import xvnc as start_xvnc
from vncproxy.rfb.client_events import EncodingsSet, StreamBroken, UpdateRequested
from vncproxy.rfb.client_stream import ClientStream
from vncproxy.rfb.handshake_events import (
    AuthenticationFailed,
    PasswordAccepted,
    PasswordNeeded,
    PasswordRejected,
    Ready,
    RefusalSent,
    Send,
    UnknownSecurity,
    UpstreamHandshakeEvent,
    ViewerHandshakeEvent,
    ViewerReady,
)
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.protocol_version import VERSION_BYTES, ProtocolVersion
from vncproxy.rfb.upstream_handshake import UpstreamHandshake
from vncproxy.rfb.viewer_handshake import ViewerHandshake
from vncproxy.rfb.viewer_messages import server_init
from vncproxy.rfb.vnc_auth import PasswordVerifier

pytestmark = pytest.mark.asyncio(loop_scope="session")

READ_TIMEOUT_S = 60.0
VERSIONS = list(ProtocolVersion)


async def shake_hands(
    port: int, version: ProtocolVersion, known: str | None, typed: str | None = None
) -> list[UpstreamHandshakeEvent]:
    """All events but Send of a handshake with the server on this port.

    Args:
        port: Of the server.
        version: What the server is made to speak, by showing our side an older version line.
        known: The password known beforehand.
        typed: Given when it is asked for.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    handshake = UpstreamHandshake(known)
    seen: list[UpstreamHandshakeEvent] = []
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            line = await reader.readexactly(VERSION_BYTES)
            assert ProtocolVersion.understood(line) is ProtocolVersion.V3_8
            events = handshake.feed(version.line)
            while True:
                for event in events:
                    if isinstance(event, Send):
                        writer.write(event.data)
                    else:
                        seen.append(event)
                if seen and isinstance(seen[-1], UPSTREAM_ENDS):
                    return seen
                if typed is not None and seen and isinstance(seen[-1], PasswordNeeded):
                    events, typed = handshake.answer(typed), None
                    continue
                data = await reader.read(4096)
                events = handshake.feed(data) if data else handshake.ended()
    finally:
        writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def guarded_qemu(short_path: Path) -> AsyncIterator[Qemu]:
    """A machine that asks for a VNC password, which isn't set yet."""
    async with start_qemu(short_path / "guarded", password=True) as machine:
        yield machine


@pytest_asyncio.fixture(loop_scope="session")
async def guarded_xvnc(tmp_path: Path) -> AsyncIterator[Xvnc]:
    """An X server that asks for the password `sEcret1`."""
    extra = ("-BlacklistThreshold", "1000")
    async with start_xvnc(tmp_path / "guarded", password="sEcret1", extra=extra) as server:
        yield server


async def test_qemu_without_a_password(qemu: Qemu) -> None:
    """QEMU lets us in with security None in every version, and tells its screen."""
    for version in VERSIONS:
        (ready,) = await shake_hands(qemu.vnc_port, version, None)
        assert isinstance(ready, Ready), version
        assert (ready.width, ready.height) == (640, 400)
        assert ready.pixel_format.bytes_per_pixel == 4
        assert ready.name.startswith("QEMU")


async def test_qemu_with_a_password(guarded_qemu: Qemu) -> None:
    """Nobody gets in before the password is set; then the right one does, known or typed."""
    port = guarded_qemu.vnc_port
    assert isinstance(
        (await shake_hands(port, ProtocolVersion.V3_8, "x"))[-1], AuthenticationFailed
    )
    await guarded_qemu.set_vnc_password("sEcret1")
    for version in VERSIONS:
        assert isinstance((await shake_hands(port, version, "sEcret1"))[-1], Ready), version
        needed, ready = await shake_hands(port, version, None, typed="sEcret1")
        assert isinstance(needed, PasswordNeeded)
        assert isinstance(ready, Ready)
        (failed,) = await shake_hands(port, version, "sEcret2")
        assert isinstance(failed, AuthenticationFailed), version
        assert bool(failed.reason) == (version is ProtocolVersion.V3_8)
        assert "\0" not in failed.reason


async def test_xvnc_without_a_password(xvnc: Xvnc) -> None:
    """Xvnc lets us in with security None in every version."""
    for version in VERSIONS:
        (ready,) = await shake_hands(xvnc.port, version, None)
        assert isinstance(ready, Ready), version
        assert (ready.width, ready.height) == (800, 600)
        assert ready.name


async def test_xvnc_with_a_password(guarded_xvnc: Xvnc) -> None:
    """A password from vncpasswd's file is answered right in every version, a wrong one refused."""
    for version in VERSIONS:
        assert isinstance((await shake_hands(guarded_xvnc.port, version, "sEcret1"))[-1], Ready)
        (failed,) = await shake_hands(guarded_xvnc.port, version, "secret1")
        assert isinstance(failed, AuthenticationFailed), version
        assert bool(failed.reason) == (version is ProtocolVersion.V3_8)


async def test_xvnc_with_unknown_security(tmp_path: Path) -> None:
    """A server that offers only VeNCrypt is handed over with all that it sent."""
    extra = ("-SecurityTypes", "TLSNone")
    async with start_xvnc(tmp_path / "vencrypt", extra=extra) as server:
        (unknown,) = await shake_hands(server.port, ProtocolVersion.V3_8, None)
    assert unknown == UnknownSecurity((19,), b"RFB 003.008\n\x01\x13", b"RFB 003.008\n")


@dataclass
class Door:
    """A listening ViewerHandshake and what a viewer sent at it."""

    port: int
    seen: list[ViewerHandshakeEvent] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def door(password: str | None, refuse: str | None) -> AsyncIterator[Door]:
    """One viewer's door: None or VncAuth; with `refuse`, it fails where RFB still can tell."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verifier = PasswordVerifier(password, os.urandom(16)) if password else None
        handshake = ViewerHandshake(verifier)
        writer.write(handshake.start())
        if refuse and not password:
            writer.write(handshake.fail(refuse))
        while data := await reader.read(4096):
            if here.seen and here.seen[-1] == ViewerReady(shared=True):
                here.received += data
                here.over.set()
                continue
            for event in handshake.feed(data):
                if isinstance(event, Send):
                    writer.write(event.data)
                    continue
                here.seen.append(event)
                if event == PasswordAccepted():
                    writer.write(handshake.fail(refuse) if refuse else handshake.admit())
                elif isinstance(event, ViewerReady):
                    writer.write(server_init(640, 480, PixelFormat(), "a name"))
            if handshake.finished:
                break
        here.over.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        here = Door(server.sockets[0].getsockname()[1])
        yield here


async def look_through(
    here: Door, xvnc: Xvnc, folder: Path, password: str, shown: Callable[[str], bool]
) -> str:
    """Run TigerVNC's viewer on an X display until the door is done and its log shows enough."""
    program = need("xtigervncviewer", "tigervnc-viewer")
    log = folder / "viewer.log"
    environ = {**xvnc.environ, "VNC_PASSWORD": password, "HOME": str(folder)}
    options = (
        "-Shared",
        "-AlertOnFatalError=0",
        "-ReconnectOnError=0",
        "-SecurityTypes=None,VncAuth",
    )
    target = f"127.0.0.1::{here.port}"
    async with running(program, *options, target, log=log, env=environ):
        async with asyncio.timeout(READ_TIMEOUT_S):
            await here.over.wait()
            while not shown(log.read_text(errors="replace")):
                await asyncio.sleep(0.1)
    return log.read_text(errors="replace")


@pytest.mark.parametrize("password", [None, "sEcret1"])
async def test_tigervnc_is_let_in(xvnc: Xvnc, tmp_path: Path, password: str | None) -> None:
    """TigerVNC's viewer, with and without a password, gets its ServerInit and starts to ask."""
    async with door(password, None) as here:
        await look_through(here, xvnc, tmp_path, "sEcret1", lambda _: len(here.received) > 60)
    assert here.seen == [*([PasswordAccepted()] if password else []), ViewerReady(shared=True)]
    events = ClientStream().feed(here.received)
    kinds = {type(event) for event in events}
    assert {EncodingsSet, UpdateRequested} <= kinds
    assert StreamBroken not in kinds


async def test_tigervnc_with_a_wrong_password_is_reported(xvnc: Xvnc, tmp_path: Path) -> None:
    """The viewer shows our words for a wrong password."""
    words = "The password is wrong."
    async with door("sEcret1", None) as here:
        await look_through(here, xvnc, tmp_path, "secret1", lambda log: words in log)
    assert here.seen == [PasswordRejected()]


@pytest.mark.parametrize("password", [None, "sEcret1"])
async def test_tigervnc_is_reported_why_not(
    xvnc: Xvnc, tmp_path: Path, password: str | None
) -> None:
    """A failure before anything was offered, or before admission, is shown in our words."""
    words = "The instance is stopped."
    async with door(password, words) as here:
        await look_through(here, xvnc, tmp_path, "sEcret1", lambda log: words in log)
    assert here.seen == ([PasswordAccepted()] if password else [RefusalSent()])
