"""Questions that may take long to answer, such as those to a directory of accounts far away.

They are asked in threads of their own: the event loop goes on, and so do those who wait for files
or the ledger. What was answered last is kept.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import structlog

from vncproxy.threads import call_in_loop

_log = structlog.get_logger("vncproxy.accounts")

FRESH_FOR_S = 30.0
"""An answer is asked for again after this long: the directory may be far away."""
THREADS = 2
MAX_KEPT = 1024
MAX_ASKED = 1024
"""Questions that wait or are being asked; more are not taken."""


_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class LookupCache(Generic[_K, _V]):
    """The answers to questions of one kind. For one event loop.

    Args:
        look_up: Answers in a thread, however long it takes; what it raises counts as no answer.
        clock: Monotonic seconds.
    """

    def __init__(
        self, look_up: Callable[[_K], _V], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._look_up = look_up
        self._clock = clock
        self._kept: dict[_K, tuple[float, _V]] = {}
        self._stale_before = float("-inf")
        self._asked: dict[_K, asyncio.Future[bool]] = {}
        self._waiting: deque[tuple[_K, asyncio.Future[bool]]] = deque()
        self._threads = 0

    def known(self, key: _K, at_most_s: float = float("inf")) -> _V:
        """What was answered last.

        Raises:
            LookupError: Nothing, or longer ago than `at_most_s`.
        """
        asked_at, answer = self._kept[key]
        if self._clock() - asked_at > at_most_s:
            raise LookupError(key)
        return answer

    async def learn(self, key: _K, timeout_s: float) -> bool:
        """Whether `known` has an answer that is fresh now; waits for one so long."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._is_fresh(key):
                    # One question for all who want to know; it goes on when they don't any more.
                    if not await asyncio.shield(self._ask(key)):
                        return False
        except TimeoutError:
            return False
        return True

    def expire(self) -> None:
        """Answers to what was asked until now are fresh no more."""
        self._stale_before = self._clock()

    def _is_fresh(self, key: _K) -> bool:
        if key not in self._kept:
            return False
        asked_at, _ = self._kept[key]
        return asked_at > self._stale_before and self._clock() - asked_at <= FRESH_FOR_S

    def _ask(self, key: _K) -> asyncio.Future[bool]:
        if (asked := self._asked.get(key)) is not None:
            return asked
        future = asyncio.get_running_loop().create_future()
        if len(self._asked) >= MAX_ASKED:
            future.set_result(False)
            return future
        self._asked[key] = future
        self._waiting.append((key, future))
        self._start()
        return future

    def _start(self) -> None:
        while self._waiting and self._threads < THREADS:
            key, future = self._waiting.popleft()
            # A directory that never answers mustn't keep the daemon from ending: so not a pool,
            # whose threads are waited for.
            thread = threading.Thread(
                target=self._answer, args=(key, future, self._clock()), name="lookup", daemon=True
            )
            self._threads += 1
            try:
                thread.start()
            except RuntimeError as fault:
                _log.error("lookup.no_thread", error=str(fault))
                self._answered(key, future, None)

    def _answer(self, key: _K, future: asyncio.Future[bool], asked_at: float) -> None:
        """In a thread: ask, and hand the answer to the loop."""
        answer = None
        try:
            answer = (asked_at, self._look_up(key))
        except Exception:
            _log.exception("lookup.failed")
        call_in_loop(future.get_loop(), self._ended, key, future, answer)

    def _ended(
        self, key: _K, future: asyncio.Future[bool], answer: tuple[float, _V] | None
    ) -> None:
        self._answered(key, future, answer)
        self._start()

    def _answered(
        self, key: _K, future: asyncio.Future[bool], answer: tuple[float, _V] | None
    ) -> None:
        self._threads -= 1
        del self._asked[key]
        if answer is not None:
            # Put last: the one answered longest ago is forgotten first.
            self._kept.pop(key, None)
            self._kept[key] = answer
            if len(self._kept) > MAX_KEPT:
                del self._kept[next(iter(self._kept))]
        if not future.done():
            future.set_result(answer is not None)
