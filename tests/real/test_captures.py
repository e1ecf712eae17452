"""Programs that save a server's screen, through the daemon: the picture is the server's own.

They take the first update for the whole answer; TigerVNC's viewer is in test_native_tigervnc.py.
"""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import termios
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.fault.aftermath import dials, under_fault
from tests.real.peers.presence import miss, need
from tests.real.peers.process import running
from tests.real.peers.process import until as until_async
from tests.real.peers.qemu import Qemu
from tests.real.peers.xvnc import Xvnc, stored_password
from vncproxy.config.model import Instance
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "snap1234"
CAPTURE_TIMEOUT_S = 60.0

Pixels = NDArray[np.uint8]
Capture = Callable[[Path, int, str | None], Awaitable[Pixels]]


async def captured(
    folder: Path, *command: str, name: str = "shot.png", password: str | None = None
) -> Pixels:
    """The picture that a program saves as the last of its arguments.

    Args:
        folder: For the picture.
        *command: The program and its arguments.
        name: Of the picture's file.
        password: Typed at its terminal when asked for.

    Raises:
        AssertionError: It fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, log = folder / name, folder / "log"
    terminal, keyboard = pty.openpty()
    os.set_blocking(terminal, False)
    output = bytearray()

    async def asked() -> bool:
        with suppress(BlockingIOError):
            output.extend(os.read(terminal, 4096))
        # What is typed before the echo is off, it throws away with that.
        echo = termios.tcgetattr(keyboard)[3] & termios.ECHO
        return b"Password:" in output and not echo

    environ = {**os.environ, "HOME": str(folder)}
    try:
        async with running(*command, str(file), log=log, env=environ, terminal=keyboard) as program:
            if password is not None:
                await until_async(asked, "it asks for the password", process=program)
                os.write(terminal, f"{password}\n".encode())
            async with asyncio.timeout(CAPTURE_TIMEOUT_S):
                await program.wait()
    finally:
        os.close(terminal)
        os.close(keyboard)
    assert program.returncode == 0, log.read_text(errors="replace")
    return np.asarray(Image.open(file).convert("RGB"))


async def vncdo(folder: Path, port: int, password: str | None) -> Pixels:
    """By vncdotool."""
    program = Path(sys.executable).with_name("vncdo")
    if not program.exists():
        miss("vncdo is not installed (PyPI: vncdotool)")
    secret = () if password is None else ("-p", password)
    return await captured(folder, str(program), "-s", f"127.0.0.1::{port}", *secret, "capture")


async def vncsnapshot(folder: Path, port: int, password: str | None) -> Pixels:
    """By vncsnapshot, whose pictures are JPEG, and whose Tight hangs with Xvnc also directly."""
    folder.mkdir(parents=True, exist_ok=True)
    secret: tuple[str, ...] = ()
    if password is not None:
        secret = ("-passwd", str(await stored_password(password, folder)))
    return await captured(
        folder,
        need("vncsnapshot", "vncsnapshot"),
        *("-quiet", "-nojpeg", "-encodings", "raw", *secret, f"127.0.0.1:{port - 5900}"),
        name="shot.jpg",
    )


async def gvnccapture(folder: Path, port: int, password: str | None) -> Pixels:
    """By gtk-vnc's program."""
    display = f"127.0.0.1:{port - 5900}"
    return await captured(
        folder, need("gvnccapture", "gvncviewer"), "-q", display, password=password
    )


CAPTURES = [
    pytest.param(vncdo, id="vncdotool"),
    pytest.param(vncsnapshot, id="vncsnapshot"),
    pytest.param(gvnccapture, id="gvnccapture"),
]


def daemon(folder: Path, upstream_port: int, port: int) -> dict[str, Any]:
    """A console of the server at one port, for native viewers at the other."""
    file = folder / "native.password"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    console = Instance(id=DEMO_INSTANCE_ID, alias="demo", tcp_port=port, tcp_password_file=file)
    screen = SimulatedInstance(screen=f"127.0.0.1:{upstream_port}")
    return {"cloud": SimulatorSettings(instances=(screen,)), "instance": (console,)}


async def check(
    folder: Path,
    capture: Capture,
    ports: tuple[int, int],
    truth: Callable[[], Awaitable[Pixels]],
    *,
    draws_pointer: bool = False,
) -> None:
    """Capture the console twice alone and once with a viewer beside it.

    A JPEG isn't the screen, and some servers draw their pointer for who doesn't: but from the same
    pixels the same program makes the same picture as it does directly.
    """
    upstream_port, port = ports
    # Before the daemon comes, since it may ask to be alone.
    expected = await capture(folder / "directly", upstream_port, None)
    if capture is not vncsnapshot and not draws_pointer:
        assert np.array_equal(expected, await truth())
    async with under_fault(folder, **daemon(folder, upstream_port, port)) as setup:
        for time in ("first", "second"):
            assert np.array_equal(await capture(folder / time, port, PASSWORD), expected), time
        viewer = await setup.viewer()

        async def painted() -> bool:
            return bool(viewer.decoder.painted.all())

        await until_async(painted, "the picture of the viewer beside it")
        assert np.array_equal(await capture(folder / "third", port, PASSWORD), expected), "third"
        assert dials(setup) == ["accepted"]


@pytest.mark.parametrize("capture", CAPTURES)
async def test_qemus_screen(qemu: Qemu, tmp_path: Path, port: int, capture: Capture) -> None:
    """Pixel by pixel."""
    await check(tmp_path, capture, (qemu.vnc_port, port), qemu.pixels)


@pytest.mark.parametrize("capture", CAPTURES)
async def test_xvncs_screen(xvnc: Xvnc, tmp_path: Path, port: int, capture: Capture) -> None:
    """Pixel by pixel, with its pointer."""
    await check(tmp_path, capture, (xvnc.port, port), xvnc.pixels, draws_pointer=True)
