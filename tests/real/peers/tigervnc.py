"""TigerVNC's viewer on an X server of its own, whose keyboard is ours and whose screen we see."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.real.peers.presence import need
from tests.real.peers.process import free_port, running, until
from tests.real.peers.xvnc import picture_of_dump, stored_password

COMMAND_TIMEOUT_S = 60.0
KEY_DELAY_MS = "30"


async def run_on(display: str, *command: str) -> bytes:
    """The output of an X client on a display.

    Raises:
        AssertionError: It fails.
    """
    async with asyncio.timeout(COMMAND_TIMEOUT_S):
        client = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, "DISPLAY": display},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await client.communicate()
    assert client.returncode == 0, f"{command}: {errors.decode(errors='replace')}"
    return output


@dataclass
class TigerVnc:
    """A running viewer."""

    display: str
    process: asyncio.subprocess.Process
    log: Path

    async def run(self, *command: str) -> bytes:
        """The output of an X client.

        Raises:
            AssertionError: It fails.
        """
        return await run_on(self.display, *command)

    async def pixels(self) -> NDArray[np.uint8]:
        """What is in its window, as an array of height × width × RGB."""
        window = await self._window()
        return picture_of_dump(await self.run(need("xwd", "x11-apps"), "-id", window, "-silent"))

    async def _window(self) -> str:
        search = ("search", "--onlyvisible", "--name", ".")
        found = (await self.run(need("xdotool", "xdotool"), *search)).decode().split()
        assert len(found) == 1, found
        return found[0]

    async def shows(self, picture: NDArray[np.uint8], *, tolerance: int = 0) -> bool:
        """Whether its window is there and holds just this picture."""
        try:
            seen = await self.pixels()
        except AssertionError:
            return False
        if seen.shape != picture.shape:
            return False
        return bool(np.abs(seen.astype(int) - picture).max() <= tolerance)

    async def xdotool(self, *command: str) -> None:
        """Send it something."""
        await self.run(need("xdotool", "xdotool"), *command)

    async def type(self, text: str) -> None:
        """Press the keys of a text."""
        # There is no window manager that would have given it the focus.
        await self.xdotool("windowfocus", "--sync", await self._window())
        await self.xdotool("type", "--delay", KEY_DELAY_MS, text)

    @property
    def log_text(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")


@asynccontextmanager
async def tigervnc(
    folder: Path, port: int, password: str, *options: str, width: int = 900, height: int = 700
) -> AsyncIterator[TigerVnc]:
    """A viewer that connects to a port of loopback.

    Args:
        folder: For its files.
        port: Of the server.
        password: Of VNC authentication.
        *options: More of its parameters.
        width: Of its X screen.
        height: As `width`.
    """
    program, server = need("xtigervncviewer", "tigervnc-viewer"), need("Xvfb", "xvfb")
    folder.mkdir(parents=True, exist_ok=True)
    stored = await stored_password(password, folder)
    # A port is free for one process only, so its number makes a display of our own.
    display = f":{free_port()}"
    # Without -noreset it starts anew when the first client, which only looks, has left, and turns
    # away who comes meanwhile.
    screen = ("-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset")
    async with running(server, display, *screen, log=folder / "xvfb") as x_server:

        async def opens() -> bool:
            try:
                await run_on(display, need("xdotool", "xdotool"), "getmouselocation")
            except AssertionError:
                return False
            return True

        await until(opens, "Xvfb starts", process=x_server, log=folder / "xvfb")
        command = (
            *(program, "-display", display, "-SecurityTypes", "VncAuth", "-passwd", str(stored)),
            *("-RemoteResize=0", "-AlertOnFatalError=0", "-ReconnectOnError=0"),
            *("-Log", "*:stderr:30", "-geometry", "+0+0", *options, f"127.0.0.1::{port}"),
        )
        environ = {**os.environ, "HOME": str(folder), "DISPLAY": display}
        async with running(*command, log=folder / "log", env=environ) as process:
            yield TigerVnc(display, process, folder / "log")
