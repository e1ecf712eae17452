"""QEMU with its VNC server and a guest that shows what it received.

Source: QEMU 7.2 manual, QMP reference.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.real.peers import bootsector
from tests.real.peers.presence import need
from tests.real.peers.process import START_TIMEOUT_S, answers, free_port, running, until

FIRST_PORT = 5900
QMP_TIMEOUT_S = 60.0

_KEY = re.compile(r"input_event_key_(?:qcode|number) .*\bkey \w+ (\w+), down (\d)")
_BUTTON = re.compile(r"input_event_btn .*\bbutton (\w+), down (\d)")
_MOVE = re.compile(r"input_event_(rel|abs) .*\baxis (\w), value (0x[0-9a-f]+|-?\d+)")


@dataclass
class Qemu:
    """A running machine: its ports, its screen as it is, and the input that it received."""

    vnc_port: int
    websocket_port: int
    folder: Path
    process: asyncio.subprocess.Process
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _shots: int = 0

    async def qmp(self, command: str, **arguments: Any) -> Any:
        """The result of a QMP command.

        Raises:
            AssertionError: QEMU answers an error.
        """
        async with self._lock, asyncio.timeout(QMP_TIMEOUT_S):
            request = {"execute": command, "arguments": arguments}
            self._writer.write(json.dumps(request).encode() + b"\n")
            await self._writer.drain()
            while True:
                line = await self._reader.readline()
                if not line:
                    raise AssertionError(f"QEMU ended during {command}")
                answer = json.loads(line)
                if "error" in answer:
                    raise AssertionError(f"{command}: {answer['error']}")
                if "return" in answer:
                    return answer["return"]

    async def screendump(self) -> Image.Image:
        """The guest's screen as QEMU itself sees it, RGB."""
        self._shots += 1
        path = self.folder / f"shot-{self._shots}.ppm"
        await self.qmp("screendump", filename=str(path))
        with Image.open(path) as image:
            shot = image.convert("RGB")
        path.unlink()
        return shot

    async def pixels(self) -> NDArray[np.uint8]:
        """The screen as an array of height × width × RGB."""
        return np.asarray(await self.screendump(), dtype=np.uint8)

    async def send_key(self, *qcodes: str) -> None:
        """Press keys together and release them, from the machine's side, such as "shift", "a"."""
        await self.qmp("send-key", keys=[{"type": "qcode", "data": code} for code in qcodes])

    async def set_vnc_password(self, password: str) -> None:
        """Let viewers in with this password (only after a start with password=True)."""
        await self.qmp("set_password", protocol="vnc", password=password)

    async def vnc_clients(self) -> int:
        """How many viewers are connected."""
        return len((await self.qmp("query-vnc")).get("clients", []))

    def typed(self) -> bytes:
        """What the guest has read from its keyboard, as ASCII."""
        return (self.folder / "typed").read_bytes()

    def key_events(self) -> list[tuple[str, bool]]:
        """Every key event that reached the machine: name and whether it went down."""
        return [(name, down == "1") for name, down in _KEY.findall(self._trace())]

    def keys_down(self) -> set[str]:
        """The keys that were pressed and never released."""
        held: set[str] = set()
        for name, down in self.key_events():
            (held.add if down else held.discard)(name)
        return held

    def button_events(self) -> list[tuple[str, bool]]:
        """Every change of a mouse button that reached the machine."""
        return [(name, down == "1") for name, down in _BUTTON.findall(self._trace())]

    def pointer_moves(self) -> list[tuple[str, str, int]]:
        """Every movement that reached the machine: "rel" or "abs", axis, value.

        This guest has no driver for the tablet, so that QEMU turns positions into "rel" ones.
        """
        return [(kind, axis, int(value, 0)) for kind, axis, value in _MOVE.findall(self._trace())]

    async def wait_typed(self, text: bytes, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the guest has read this text.

        Raises:
            AssertionError: It hasn't in time.
        """

        async def there() -> bool:
            return text in self.typed()

        await until(there, f"the guest reads {text!r} (has {self.typed()!r})", timeout_s=timeout_s)

    async def wait_booted(self, before: NDArray[np.uint8] | None = None) -> None:
        """Wait until the guest can be typed to: keys that come sooner are the BIOS's.

        Args:
            before: What its screen showed before it was restarted.

        Raises:
            AssertionError: It can't in time.
        """

        async def greets() -> bool:
            shot = await self.pixels()
            return _is_guests_screen(shot) and not (
                before is not None and np.array_equal(shot, before)
            )

        log = self.folder / "log"
        await until(greets, "the guest boots", process=self.process, log=log)

    def _trace(self) -> str:
        return (self.folder / "trace").read_text(errors="replace")


@asynccontextmanager
async def qemu(
    folder: Path,
    *,
    password: bool = False,
    key_delay_ms: int | None = None,
    extra: tuple[str, ...] = (),
) -> AsyncIterator[Qemu]:
    """A machine whose guest is ready to be typed to.

    Args:
        folder: An empty one, for its sockets and logs.
        password: VNC asks for one: set it with `set_vnc_password`, before that everybody is
            refused.
        key_delay_ms: How long its VNC server takes for each key; None: its default.
        extra: More arguments.
    """
    program = need("qemu-system-x86_64", "qemu-system-x86")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "boot").write_bytes(bootsector.image())
    for name in ("typed", "trace"):
        (folder / name).touch()
    vnc_port, websocket_port = free_port(), free_port()
    option = f"127.0.0.1:{vnc_port - FIRST_PORT},websocket={websocket_port}"
    if key_delay_ms is not None:
        option += f",key-delay-ms={key_delay_ms}"
    socket_path = folder / "qmp"
    log = folder / "log"
    command = (
        *(program, "-machine", "pc,accel=tcg", "-m", "16", "-nodefaults", "-nic", "none"),
        *("-vga", "std", "-display", "none", "-vnc", option + (",password=on" if password else "")),
        *("-qmp", f"unix:{socket_path},server=on,wait=off", "-usb", "-device", "usb-tablet"),
        *("-drive", f"format=raw,file={folder / 'boot'},if=floppy,readonly=on"),
        *("-chardev", f"file,id=typed,path={folder / 'typed'}"),
        *("-device", "isa-debugcon,iobase=0xe9,chardev=typed"),
        *("-trace", "input_event_*", "-D", str(folder / "trace")),
        *extra,
    )
    async with running(*command, log=log) as process:

        async def listens() -> bool:
            return socket_path.exists() and await answers(vnc_port)

        await until(listens, "QEMU starts", process=process, log=log)
        reader, writer = await asyncio.open_unix_connection(socket_path)
        try:
            await reader.readline()
            machine = Qemu(vnc_port, websocket_port, folder, process, reader, writer)
            await machine.qmp("qmp_capabilities")
            await machine.wait_booted()
            yield machine
        finally:
            writer.close()


def _is_guests_screen(shot: NDArray[np.uint8]) -> bool:
    """Colour bars at the bottom, and white letters where the greeting's last line is."""
    if shot.shape[:2] != (400, 640):
        return False
    bottom = len({tuple(pixel) for pixel in shot[-1]})
    second_line = shot[16:32, : 16 * 5]
    return bottom > 16 and bool((second_line == 255).all(axis=2).any())
