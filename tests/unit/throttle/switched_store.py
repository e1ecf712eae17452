"""A way to a real server that a test can cut and mend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from vncproxy.errors import LedgerError
from vncproxy.throttle.valkey_connection import StoreAddress, ValkeyStore


class SwitchedStore(ValkeyStore):
    """Raises, while `cut`, what a store raises whose server is away."""

    def __init__(self, address: StoreAddress) -> None:
        super().__init__(address)
        self.cut = False
        self.calls = 0
        self.before_question: Callable[[], Awaitable[None]] | None = None
        self.before_answer: Callable[[], Awaitable[None]] | None = None
        self.other_answer: Any = None
        """Of a server that is no Valkey; None: the real one's."""

    async def call(self, *words: str | int) -> Any:
        self.calls += 1
        if self.cut:
            raise LedgerError("the shared store is away")
        if self.before_question is not None:
            await self.before_question()
        answer = await super().call(*words)
        if self.other_answer is not None:
            return self.other_answer
        if self.before_answer is not None:
            await self.before_answer()
        return answer
