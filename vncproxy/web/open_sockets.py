"""How many WebSockets are open: a daemon that stops waits until their close frames are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class OpenSockets:
    """Counts them."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """One is open as long as this lasts."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def all_closed(self) -> None:
        """Wait until none is open; the caller sets the time limit."""
        await self._none.wait()
