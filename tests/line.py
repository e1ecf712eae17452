"""A network line put between a viewer and the daemon: it delays, and passes so many bytes a second.

Both directions alike. What is under way on it is bounded by what such a line could hold, so that a
sender feels a slow line as it would feel a real one.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_CHUNK_BYTES = 16 * 1024
_SOCKET_BYTES = 64 * 1024
"""For the sockets' own buffers, which would hide megabytes on loopback."""
_FAST_BYTES_PER_S = 1e9
_LEAST_DELAY_S = 0.02
"""Of what it delivers, this much fits on any line: sleeping is no more exact than that."""


class Line:
    """Passes connections on to a port of loopback."""

    def __init__(
        self, port: int, delay_s: float, bytes_per_s: float, *, opening_s: float = 0.0
    ) -> None:
        """Nothing listens yet."""
        self.port = 0
        self.carried_bytes = 0
        """From the daemon to the viewers."""
        self.held = False
        """Whether the viewers' side reads nothing, as one that hangs."""
        self._broken = False
        self._target = port
        self._delay_s = delay_s
        self._bytes_per_s = bytes_per_s
        self._opening_s = opening_s
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base(self) -> str:
        """Where a viewer connects instead."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End every connection, and each new one at once."""
        self._broken = True
        for task in self._tasks:
            task.cancel()

    def mend(self) -> None:
        """Carry new connections again."""
        self._broken = False

    async def serve(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        """One connection to its end; asyncio's server takes a cancelled one for a fault."""
        with suppress(asyncio.CancelledError):
            await self._serve(near_in, near_out)

    async def _serve(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        if self._broken:
            near_out.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        _shrink(near_out)
        far_in, far_out = await asyncio.open_connection(
            "127.0.0.1", self._target, limit=_CHUNK_BYTES
        )
        _shrink(far_out)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(near_in, far_out, down=False))
                both.create_task(self._carry(far_in, near_out, down=True))
        except* (OSError, _Over):
            pass
        finally:
            self._tasks.discard(task)
            near_out.transport.abort()
            far_out.transport.abort()

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, down: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        room_bytes = _CHUNK_BYTES + self._bytes_per_s * max(self._delay_s, _LEAST_DELAY_S)
        under_way: deque[tuple[float, bytes]] = deque()
        size_bytes = 0
        # What is sent first waits until the connection would be open.
        free_at = 0.0 if down else loop.time() + self._opening_s
        moved = asyncio.Event()
        ended = False

        async def read() -> None:
            nonlocal size_bytes, free_at, ended
            while True:
                while size_bytes >= room_bytes or (down and self.held):
                    moved.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await moved.wait()
                data = await source.read(_CHUNK_BYTES)
                if not data:
                    ended = True
                    moved.set()
                    return
                free_at = max(free_at, loop.time()) + len(data) / self._bytes_per_s
                under_way.append((free_at + self._delay_s, data))
                size_bytes += len(data)
                moved.set()

        async with asyncio.TaskGroup() as both:
            both.create_task(read())
            while under_way or not ended:
                if not under_way:
                    moved.clear()
                    await moved.wait()
                    continue
                due, data = under_way[0]
                await asyncio.sleep(max(0.0, due - loop.time()))
                under_way.popleft()
                size_bytes -= len(data)
                moved.set()
                target.write(data)
                await target.drain()
                if down:
                    self.carried_bytes += len(data)
        raise _Over

    async def close(self) -> None:
        """Cut every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Over(Exception):  # noqa: N818 - one side has ended, so the other is to end too
    pass


def _shrink(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
    writer.transport.set_write_buffer_limits(high=0)


@asynccontextmanager
async def line(
    port: int,
    *,
    delay_s: float = 0.0,
    bytes_per_s: float = _FAST_BYTES_PER_S,
    opening_s: float = 0.0,
) -> AsyncIterator[Line]:
    """A line to a port of loopback.

    Args:
        port: Where it leads.
        delay_s: One way.
        bytes_per_s: Each way.
        opening_s: What a new connection takes until it carries anything: on loopback nothing else
            does.
    """
    made = Line(port, delay_s, bytes_per_s, opening_s=opening_s)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, limit=_CHUNK_BYTES)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.close()
