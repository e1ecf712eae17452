"""The thread that works on the ledger's file: all calls that wait at a time become one transaction.

So a slow disk costs each caller two transactions at most, the one under way and its own, however
many wait: after a fault of the cloud's gateway all consoles book at once. What isn't urgent waits
a little for the next call, since syncing the disk is most of what a transaction costs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from vncproxy.throttle.sqlite_queries import LedgerFile

BATCH_MAX = 1024
"""Pieces of work in one transaction."""

SHARING_WAIT_S = 1.0
"""Work that may wait for a transaction to share gets one of its own after this time."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Work:
    run: Callable[[], Any]
    future: Future[Any]
    writes: bool
    may_wait: bool


class LedgerThread:
    """Works on one file, in the order of what is submitted. It never holds up the process's end.

    Args:
        file: Used by this thread only.
    """

    def __init__(self, file: LedgerFile) -> None:
        """The thread starts with the first work."""
        self._file = file
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._closing: Future[None] = Future()
        # So that who stops waiting for it can't cancel it: the thread sets its result all the same.
        self._closing.set_running_or_notify_cancel()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def submit(
        self, run: Callable[[], _T], *, writes: bool = False, may_wait: bool = False
    ) -> Future[_T]:
        """Have this run; its outcome is there once what it wrote is on the disk.

        Args:
            run: The work, which uses the file.
            writes: To the file.
            may_wait: It isn't urgent: it shares the transaction of what is submitted next, if that
                comes within `SHARING_WAIT_S`.
        """
        work = _Work(run, Future(), writes, may_wait)
        self._queue.put(work)
        if self._thread.ident is None:
            self._thread.start()
        return work.future

    def close(self) -> Future[None]:
        """Close the file and end the thread, once all that was submitted is done."""
        self._queue.put(None)
        if self._thread.ident is None:
            self._thread.start()
        return self._closing

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            batch, goes_on = self._what_waits()
            self._do([one for one in batch if one.future.set_running_or_notify_cancel()])
        try:
            self._file.close()
        except BaseException as fault:  # somebody waits for it
            self._closing.set_exception(fault)
        else:
            self._closing.set_result(None)

    def _what_waits(self) -> tuple[list[_Work], bool]:
        """The next work with all that waits already; False: it was the last."""
        batch: list[_Work] = []
        work = self._queue.get()
        may_wait, until = True, time.monotonic() + SHARING_WAIT_S
        while work is not None:
            batch.append(work)
            if len(batch) == BATCH_MAX:
                return batch, True
            may_wait = may_wait and work.may_wait
            try:
                left_s = until - time.monotonic() if may_wait else 0.0
                work = self._queue.get(timeout=max(0.0, left_s))
            except Empty:
                return batch, True
        return batch, False

    def _do(self, batch: list[_Work]) -> None:
        """Run them in one transaction; a fault undoes all of them, and each caller gets it."""
        if not batch:
            return
        writes = any(work.writes for work in batch)
        try:
            with self._file.batch() if writes else nullcontext():
                results = [work.run() for work in batch]
        except BaseException as fault:  # the thread goes on whatever happens
            for work in batch:
                work.future.set_exception(fault)
            return
        for work, result in zip(batch, results, strict=True):
            work.future.set_result(result)
