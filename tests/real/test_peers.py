"""The real programs do what the other tests rely on; else a green test could mean nothing."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ClientSession, web

from tests.authority import Authority
from tests.real.peers.browser import Browser, picture, pixels
from tests.real.peers.browser import chromium as start_chromium
from tests.real.peers.presence import REQUIRED_VARIABLE, need
from tests.real.peers.process import answers, running, until
from tests.real.peers.qemu import Qemu
from tests.real.peers.qemu import qemu as start_qemu
from tests.real.peers.xvnc import Xvnc
from tests.real.peers.xvnc import xvnc as start_xvnc

WAIT_S = 60.0


@pytest.fixture
async def qemu(short_path: Path) -> AsyncIterator[Qemu]:
    """A machine to which nobody has typed anything."""
    async with start_qemu(short_path / "qemu") as machine:
        yield machine


@pytest.fixture
async def xvnc(tmp_path: Path) -> AsyncIterator[Xvnc]:
    """A server to which nobody has typed anything."""
    async with start_xvnc(tmp_path / "xvnc") as server:
        yield server


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser of the test's own."""
    async with start_chromium() as program, program.profile() as browser:
        yield browser


async def handshake(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An RFB 3.8 session with security None, in as few words as possible."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(WAIT_S):
        assert await reader.readexactly(12) == b"RFB 003.008\n"
        writer.write(b"RFB 003.008\n")
        types = await reader.readexactly((await reader.readexactly(1))[0])
        assert 1 in types
        writer.write(b"\x01")
        assert await reader.readexactly(4) == bytes(4)
        writer.write(b"\x01")
        init = await reader.readexactly(24)
        await reader.readexactly(struct.unpack(">I", init[20:])[0])
    return reader, writer


def key(down: bool, symbol: int) -> bytes:
    """A KeyEvent. Source: RFC 6143, section 7.5.4."""
    return struct.pack(">BBxxI", 4, down, symbol)


def pointer(x: int, y: int, buttons: int = 0) -> bytes:
    """A PointerEvent. Source: RFC 6143, section 7.5.5."""
    return struct.pack(">BBHH", 5, buttons, x, y)


async def test_qemus_guest_shows_its_greeting_and_what_is_typed(qemu: Qemu) -> None:
    """The picture stands still until a key is pressed, and then changes where the echo is."""
    first = await qemu.pixels()
    assert first.shape == (400, 640, 3)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 100
    assert (first == await qemu.pixels()).all()
    await qemu.send_key("h")
    await qemu.send_key("shift", "i")
    await qemu.wait_typed(b"hI")

    async with asyncio.timeout(WAIT_S):
        while not len(rows := np.nonzero((await qemu.pixels() != first).any(axis=(1, 2)))[0]):
            await asyncio.sleep(0.05)
    # The second line of text: 8 lines of the guest, each shown twice.
    assert rows.min() >= 16
    assert rows.max() < 32
    pressed = [("h", True), ("h", False), ("shift", True), ("i", True)]
    released = [("i", False), ("shift", False)]
    # What was typed can be read before the last release is in the trace.
    async with asyncio.timeout(WAIT_S):
        while len(qemu.key_events()) < len(pressed + released):
            await asyncio.sleep(0.05)
    assert qemu.key_events() == pressed + released


async def test_qemu_tells_what_came_over_vnc(qemu: Qemu) -> None:
    """Keys, held keys, buttons and movements of a VNC client are all seen."""
    _, writer = await handshake(qemu.vnc_port)
    assert await qemu.vnc_clients() == 1
    writer.write(key(True, ord("k")) + key(False, ord("k")) + key(True, 0xFFE3))
    writer.write(pointer(10, 10) + pointer(60, 30, 1) + pointer(60, 30) + key(True, ord("z")))
    async with asyncio.timeout(WAIT_S):
        while len(qemu.button_events()) < 2 or ("z", True) not in qemu.key_events():
            await asyncio.sleep(0.05)
    assert qemu.keys_down() == {"ctrl", "z"}
    assert qemu.button_events() == [("left", True), ("left", False)]
    assert ("rel", "x", 50) in qemu.pointer_moves()
    writer.close()


async def test_qemu_refuses_until_its_password_is_set(short_path: Path) -> None:
    """With a password it offers VncAuth (2) only."""
    async with start_qemu(short_path / "q", password=True) as machine:
        await machine.set_vnc_password("abc123")
        reader, writer = await asyncio.open_connection("127.0.0.1", machine.vnc_port)
        async with asyncio.timeout(WAIT_S):
            await reader.readexactly(12)
            writer.write(b"RFB 003.008\n")
            assert await reader.readexactly(2) == b"\x01\x02"
        writer.close()


async def test_qemu_serves_websockets(qemu: Qemu) -> None:
    """The WebSocket port speaks RFB with subprotocol binary."""
    async with (
        ClientSession() as session,
        session.ws_connect(
            f"http://127.0.0.1:{qemu.websocket_port}/", protocols=("binary",)
        ) as connection,
    ):
        assert (await connection.receive(WAIT_S)).data == b"RFB 003.008\n"


async def test_xvnc_shows_a_picture_and_keeps_what_is_typed(xvnc: Xvnc) -> None:
    """Its screen can be read, keys and pointer of a VNC client arrive."""
    first = await xvnc.pixels()
    assert first.shape == (600, 800, 3)
    assert (first == (0xC0, 0x30, 0x20)).all(axis=2).sum() > 500
    _, writer = await handshake(xvnc.port)
    writer.write(pointer(120, 70))
    for letter in "hey":
        writer.write(key(True, ord(letter)) + key(False, ord(letter)))
    await xvnc.wait_typed(b"hey")
    assert await xvnc.pointer() == (120, 70)

    async def echoed() -> bool:
        return bool((await xvnc.pixels() != first).any())

    await until(echoed, "their echo")
    writer.close()
    await xvnc.type("you")
    await xvnc.wait_typed(b"heyyou")


async def test_xvnc_with_a_password_offers_vnc_auth_only(tmp_path: Path) -> None:
    """Security type 2."""
    async with start_xvnc(tmp_path / "x", password="abc123") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(WAIT_S):
            await reader.readexactly(12)
            writer.write(b"RFB 003.008\n")
            assert await reader.readexactly(2) == b"\x01\x02"
        writer.close()


async def test_ended_programs_stay_ended(short_path: Path, tmp_path: Path) -> None:
    """After its block no peer answers any more, even if the test fails inside."""
    with pytest.raises(RuntimeError):
        async with start_qemu(short_path / "q") as machine, start_xvnc(tmp_path / "x") as server:
            assert await answers(machine.vnc_port)
            raise RuntimeError
    assert not await answers(machine.vnc_port)
    assert not await answers(server.port)
    assert machine.process.returncode is not None
    assert server.process.returncode is not None


async def test_a_program_that_ignores_its_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its children."""
    monkeypatch.setattr("tests.real.peers.process.STOP_TIMEOUT_S", 0.2)
    script = f"trap '' TERM; sleep 600 & echo $! > {tmp_path / 'child'}; while :; do wait; done"
    async with running("sh", "-c", script, log=tmp_path / "log"):
        async with asyncio.timeout(WAIT_S):
            while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
                await asyncio.sleep(0.05)
        child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + WAIT_S
    while _lives(child):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


PAGE = """<!doctype html><title>t</title><canvas width=40 height=20></canvas>
<script nonce=n>
const c = document.querySelector('canvas').getContext('2d');
c.fillStyle = '#102030'; c.fillRect(0, 0, 40, 20); c.fillStyle = '#f00'; c.fillRect(0, 0, 4, 20);
console.error('a complaint');
setTimeout(() => { throw new Error('an exception'); });
eval('1');
</script><img src="http://127.0.0.2:9/x">"""
POLICY = "default-src 'none'; script-src 'nonce-n'"


async def test_chromium_draws_and_tells_what_is_wrong(chromium: Browser, port: int) -> None:
    """Pixels come back exactly; console errors, exceptions and policy violations are kept."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(
            text=PAGE, content_type="text/html", headers={"Content-Security-Policy": POLICY}
        )

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        page = await chromium.page()
        await page.goto(f"http://127.0.0.1:{port}/")
        canvas = await pixels(page)
        assert canvas.shape == (20, 40, 3)
        assert tuple(canvas[10, 20]) == (0x10, 0x20, 0x30)
        assert tuple(canvas[10, 2]) == (0xFF, 0, 0)
        assert picture(await page.screenshot()).shape == (800, 1000, 3)
        async with asyncio.timeout(WAIT_S):
            while not (
                len(chromium.csp_violations) >= 2
                and any("a complaint" in text for text in chromium.complaints)
                and any("an exception" in text for text in chromium.complaints)
            ):
                await asyncio.sleep(0.05)
        assert {text.split()[1] for text in chromium.csp_violations} == {"img-src", "script-src"}
    finally:
        await runner.cleanup()


async def test_the_authority_is_trusted_by_those_who_know_it(authority: Authority) -> None:
    """Its certificates pass a client that trusts it, for the names they were issued for only."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for names, name, expired, passes in (
        (("localhost",), "localhost", False, True),
        (("localhost",), "elsewhere.test", False, False),
        (("localhost",), "localhost", True, False),
    ):
        context = authority.issue(*names, expired=expired).server_context()
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        try:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=authority.client_context(), server_hostname=name
            )
        except OSError as error:
            assert not passes, error
        else:
            assert passes
            writer.close()
        finally:
            server.close()


@pytest.mark.parametrize("variable", [("CI", "true"), (REQUIRED_VARIABLE, "1"), None])
def test_a_missing_program_is_reported(
    variable: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It skips the test with what to install; where peers are required, the test fails."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv(REQUIRED_VARIABLE, raising=False)
    if variable:
        monkeypatch.setenv(*variable)
    ending = pytest.fail.Exception if variable else pytest.skip.Exception
    with pytest.raises(ending, match="apt-get install such-a-package"):
        need("no-such-program", "such-a-package")


def test_the_surroundings_are_clean() -> None:
    """No credentials and no proxy of the developer reach a test."""
    assert os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] == "true"
    assert not [name for name in os.environ if name.upper() in ("HTTPS_PROXY", "HTTP_PROXY")]
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" not in os.environ
