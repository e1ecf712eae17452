"""TigerVNC's Xvnc with something on its screen and a terminal that keeps what is typed."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.real.peers.presence import need
from tests.real.peers.process import START_TIMEOUT_S, answers, free_port, running, until

COMMAND_TIMEOUT_S = 60.0
TERMINAL = "60x12+10+10"


@dataclass
class Xvnc:
    """A running X server: its VNC port, its screen, its pointer and what its terminal has read."""

    port: int
    display: str
    folder: Path
    process: asyncio.subprocess.Process

    async def run(self, *command: str) -> bytes:
        """The output of an X client.

        Raises:
            AssertionError: It fails.
        """
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            client = await asyncio.create_subprocess_exec(
                *command,
                env=self.environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await client.communicate()
        assert client.returncode == 0, f"{command}: {errors.decode(errors='replace')}"
        return output

    @property
    def environ(self) -> dict[str, str]:
        """The environment for X clients."""
        return {**os.environ, "DISPLAY": self.display}

    async def pixels(self) -> NDArray[np.uint8]:
        """The screen as an array of height × width × RGB, without the pointer."""
        return picture_of_dump(await self.run(need("xwd", "x11-apps"), "-root", "-silent"))

    async def pointer(self) -> tuple[int, int]:
        """Where the pointer is."""
        text = await self.run(need("xdotool", "xdotool"), "getmouselocation", "--shell")
        values = dict(line.split("=", 1) for line in text.decode().split())
        return int(values["X"]), int(values["Y"])

    async def type(self, text: str) -> None:
        """Type from the server's side, so that the screen changes."""
        await self.run(need("xdotool", "xdotool"), "type", "--delay", "20", text)

    def typed(self) -> bytes:
        """What the terminal has read."""
        return (self.folder / "typed").read_bytes()

    async def wait_typed(self, text: bytes, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the terminal has read this text.

        Raises:
            AssertionError: Not in time.
        """

        async def there() -> bool:
            return text in self.typed()

        await until(there, f"the terminal reads {text!r}", timeout_s=timeout_s)


@asynccontextmanager
async def xvnc(
    folder: Path,
    *,
    password: str | None = None,
    geometry: str = "800x600",
    extra: tuple[str, ...] = (),
) -> AsyncIterator[Xvnc]:
    """A server on loopback with a logo and a terminal under the pointer, ready to be typed to.

    Args:
        folder: An empty one.
        password: VncAuth with it instead of security None, at most 8 characters.
        geometry: Width x height.
        extra: More arguments of Xvnc.
    """
    program = need("Xvnc", "tigervnc-standalone-server")
    terminal, logo = need("xterm", "xterm"), need("xlogo", "x11-apps")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "typed").touch()
    port = free_port()
    security: tuple[str, ...] = ("-SecurityTypes", "None")
    if password is not None:
        stored = await stored_password(password, folder)
        security = ("-SecurityTypes", "VncAuth", "-PasswordFile", str(stored))
    log = folder / "log"
    # A port is free for one process only, so its number makes a display of our own.
    server = Xvnc(port, f":{port}", folder, None)  # type: ignore[arg-type]
    command = (
        *(program, server.display, "-rfbport", str(port), "-interface", "127.0.0.1", "-localhost"),
        *("-nolisten", "tcp", "-geometry", geometry, "-depth", "24", "-AlwaysShared"),
        *security,
        *extra,
    )
    async with AsyncExitStack() as stack:
        server.process = process = await stack.enter_async_context(running(*command, log=log))

        async def listens() -> bool:
            return await answers(port)

        await until(listens, "Xvnc starts", process=process, log=log)
        script = f"stty -icanon; exec cat > '{folder / 'typed'}'"
        for client in (
            (logo, "-geometry", "160x160+600+40", "-fg", "#c03020", "-bg", "#f0e0b0"),
            (terminal, "-geometry", TERMINAL, "-e", "sh", "-c", script),
        ):
            await stack.enter_async_context(running(*client, log=log, env=server.environ))

        async def drawn() -> bool:
            picture = await server.pixels()
            inside = picture[50:190, 610:750].reshape(-1, 3)
            return bool((inside == (0xC0, 0x30, 0x20)).all(axis=1).any() and picture[30, 40].any())

        await until(drawn, "the screen is drawn", process=process, log=log)
        # Without a window manager the keyboard goes to the window under the pointer.
        await server.run(need("xdotool", "xdotool"), "mousemove", "100", "60")
        yield server


async def stored_password(password: str, folder: Path) -> Path:
    """A file with a VNC password as TigerVNC's programs read it."""
    program = need("tigervncpasswd", "tigervnc-tools")
    maker = await asyncio.create_subprocess_exec(
        program, "-f", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(COMMAND_TIMEOUT_S):
        stored, _ = await maker.communicate(f"{password}\n".encode())
    path = folder / "passwd"
    path.write_bytes(stored)
    path.chmod(0o600)
    return path


def picture_of_dump(dump: bytes) -> NDArray[np.uint8]:
    """An X window dump of 32 bits a pixel as RGB. Source: XWDFile.h of libX11."""
    header = struct.unpack(">25I", dump[:100])
    size, width, height, least_first = header[0], header[4], header[5], header[7] == 0
    bits, line_bytes, masks, colours = header[11], header[12], header[14:17], header[19]
    assert bits == 32, f"{bits} bits a pixel"
    start = size + 12 * colours
    kind = "<u4" if least_first else ">u4"
    lines = np.frombuffer(dump, dtype=kind, offset=start, count=height * line_bytes // 4)
    words = lines.reshape(height, line_bytes // 4)[:, :width]
    shifts = [(mask & -mask).bit_length() - 1 for mask in masks]
    parts = [(words >> shift) & 0xFF for shift in shifts]
    return np.stack(parts, axis=2).astype(np.uint8)
