"""How many requests are begun in one turn of the event loop: a crowd of them is no one turn."""

from __future__ import annotations

import asyncio
from collections import deque

REQUESTS_PER_TURN = 4
"""Begun in one turn; each takes about a millisecond."""


class RequestTurns:
    """Lets requests begin in the order in which they came. For one event loop."""

    def __init__(self, per_turn: int = REQUESTS_PER_TURN) -> None:
        """Nobody waits."""
        self._per_turn = per_turn
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def begin(self) -> None:
        """Return in a turn in which one more may begin."""
        loop = asyncio.get_running_loop()
        if self._begun >= self._per_turn or self._waiting:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
            return
        if not self._begun:
            loop.call_soon(self._go_on)
        self._begun += 1

    def _go_on(self) -> None:
        """A new turn."""
        self._begun = 0
        while self._waiting and self._begun < self._per_turn:
            turn = self._waiting.popleft()
            # A call that was cancelled has left it.
            if not turn.done():
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            asyncio.get_running_loop().call_soon(self._go_on)
