"""The built-in screen of one instance: a scene, and the clients that are shown it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Canvas
from vncproxy.simulator.screen.png import png
from vncproxy.simulator.screen.scene import Caption, Scene
from vncproxy.simulator.screen.server import RfbServer

_LEAST, _MOST = 64, 4096


class Desktop:
    """Shared by its clients, which it wakes when something changed.

    Args:
        on_key: Called with every key, for the tests' records.
        on_pointer: Called with every pointer event, for the tests' records.
    """

    def __init__(
        self,
        caption: Caption,
        width: int,
        height: int,
        on_key: Callable[[int, bool], None],
        on_pointer: Callable[[int, int, int], None],
    ) -> None:
        self._caption = caption
        self._on_key = on_key
        self._on_pointer = on_pointer
        self._keys = 0
        self._pointers = 0
        self._links: list[BuiltInScreen] = []
        self._scene = Scene(caption, width, height, time.time())
        self._scene.canvas.drain()

    @property
    def canvas(self) -> Canvas:
        """The picture."""
        return self._scene.canvas

    @property
    def name(self) -> str:
        """The desktop's name."""
        return f"{self._caption.name} ({self._caption.instance_id})"

    def connect(
        self,
        password: str | None,
        random_bytes: Callable[[int], bytes],
        *,
        odd_security: bool = False,
    ) -> BuiltInScreen:
        """A new client."""
        server = RfbServer(self, password, random_bytes, odd_security=odd_security)
        link = BuiltInScreen(self, server)
        self._links.append(link)
        return link

    def leave(self, link: BuiltInScreen) -> None:
        """A client is gone."""
        if link in self._links:
            self._links.remove(link)

    def key(self, keysym: int, *, down: bool) -> None:
        """A key event."""
        self._keys += down
        self._on_key(keysym, down)
        self._scene.key(keysym, down=down)
        self._spread()

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """A pointer event; beyond the edge counts as on it."""
        self._pointers += 1
        x, y = min(x, self.canvas.width - 1), min(y, self.canvas.height - 1)
        self._on_pointer(x, y, buttons)
        self._scene.pointer(x, y, buttons)
        self._spread()

    def tick(self) -> None:
        """A second passed: the clock and the chart move, if there is a client."""
        if not self._links:
            return
        sent = sum(link.sent_bytes for link in self._links)
        updates = sum(link.server.sent_updates for link in self._links)
        figures = (
            ("keys", str(self._keys)),
            ("pointer", str(self._pointers)),
            ("updates", str(updates)),
            ("KiB", f"{sent / 1024:.0f}"),
        )
        self._scene.tick(time.time(), figures)
        self._spread()

    def resize(self, width: int, height: int, asked_by: RfbServer | None = None) -> bool:
        """Change the size; whether that was possible."""
        if not (_LEAST <= width <= _MOST and _LEAST <= height <= _MOST):
            return False
        self._scene = Scene(self._caption, width, height, time.time())
        self._scene.canvas.drain()
        for link in list(self._links):
            reason = 0 if asked_by is None else 1 if link.server is asked_by else 2
            link.server.resized(reason=reason)
            link.wake()
        return True

    def throw_out_others(self, but: RfbServer) -> None:
        """One client asked to be alone."""
        for link in self._links:
            if link.server is not but:
                link.server.end()
                link.wake()

    def broadcast(self, message: bytes) -> None:
        """Send a whole server message, such as a bell, to every client."""
        for link in self._links:
            link.server.raw_message(message)
            link.wake()

    def rgb(self) -> bytes:
        """The picture, three bytes a pixel."""
        return palette.to_rgb(self.canvas.pixels)

    def png(self) -> bytes:
        """The picture as a file."""
        return png(self.canvas.width, self.canvas.height, self.canvas.pixels, palette.COLOURS)

    def _spread(self) -> None:
        changes = self.canvas.drain()
        for link in self._links:
            link.server.note(changes)
            link.wake()


class BuiltInScreen:
    """One session's way to a desktop; updates are made when they are fetched, never queued."""

    def __init__(self, desktop: Desktop, server: RfbServer) -> None:
        self.server = server
        self.sent_bytes = 0
        self._desktop = desktop
        self._woken = asyncio.Event()

    @property
    def announced(self) -> frozenset[int] | None:
        """Pseudo-encodings that the server has confirmed."""
        return self.server.announced

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def read(self) -> bytes:
        """The server's next bytes; b"" at its end."""
        while True:
            self._woken.clear()
            data = self.server.take()
            if data or self.server.ended:
                self.sent_bytes += len(data)
                return data
            await self._woken.wait()

    async def write(self, data: bytes) -> None:
        """Pass on client bytes."""
        self.server.receive(data)
        self.wake()

    async def close(self) -> None:
        """Leave the desktop."""
        self._desktop.leave(self)
