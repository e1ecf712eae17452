"""How many WebSockets are open: a daemon that stops waits until their close frames are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class OpenSockets:
    """Counts who is here."""

    def __init__(self) -> None:
        self._count = 0
        self._nobody = asyncio.Event()
        self._nobody.set()

    @contextmanager
    def here(self) -> Iterator[None]:
        """Somebody is here as long as this lasts."""
        self._count += 1
        self._nobody.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._nobody.set()

    async def nobody(self) -> None:
        """Wait until nobody is here; the caller sets the time limit."""
        await self._nobody.wait()
