"""A way out for log lines that never waits: a pipe whose reader hangs would stop the event loop."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import TextIO

QUEUE_MAX_CHARS = 4 * 1024 * 1024
"""What may wait for the reader; the lines after that are counted instead."""
WRITE_INTERVAL_S = 0.05
"""Between two writes: what comes meanwhile goes out by one, and wakes nobody."""
CLOSE_TIMEOUT_S = 2.0
"""For what still waits at the end."""


class LineWriter:
    """Stands for a stream as far as logging uses one; a thread of its own writes."""

    def __init__(self, stream: TextIO, queue_max_chars: int = QUEUE_MAX_CHARS) -> None:
        """The thread starts with the first line.

        Args:
            stream: What is written to; stays open.
            queue_max_chars: As `QUEUE_MAX_CHARS`.
        """
        self.close_timeout_s = CLOSE_TIMEOUT_S
        self._stream = stream
        self._queue_max_chars = queue_max_chars
        self._lock = threading.RLock()
        """That of `_wake`, by itself: entering it costs less."""
        self._wake = threading.Condition(self._lock)
        self._awaited = False
        """Whether the thread waits for a line."""
        self._lines: list[str] = []
        self._waiting_chars = 0
        self._lost = 0
        self._closing = False
        self._done = False
        self._thread: threading.Thread | None = None

    @property
    def encoding(self) -> str:
        """The stream's."""
        return self._stream.encoding

    def isatty(self) -> bool:
        """Whether somebody reads it as it comes."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Queue it, or count it as lost; gives its length, as a stream's does."""
        with self._lock:
            if self._done:
                self._stream.write(text)
                return len(text)
            if self._waiting_chars + len(text) > self._queue_max_chars or self._closing:
                self._lost += 1
                return len(text)
            self._lines.append(text)
            self._waiting_chars += len(text)
            if self._thread is None:
                # Not waited for at the interpreter's end: its reader may hang for ever.
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            if self._awaited:
                self._wake.notify()
        return len(text)

    def flush(self) -> None:
        """Nothing to be done here: the thread flushes."""

    def close(self, timeout_s: float | None = None) -> bool:
        """Write what waits; gives whether all was written in time.

        The stream stays open, and takes what comes afterwards directly.

        Args:
            timeout_s: Seconds to wait for that; None: `close_timeout_s`.
        """
        with self._lock:
            self._closing = True
            thread = self._thread
            self._wake.notify()
        if thread is not None:
            thread.join(self.close_timeout_s if timeout_s is None else timeout_s)
        self._done = thread is None or not thread.is_alive()
        return self._done

    def __enter__(self) -> LineWriter:
        """As long as the block lasts."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _run(self) -> None:
        while (lines := self._next()) is not None:
            try:
                self._put("".join(lines))
            except ValueError:
                # One that the stream's encoding hasn't got mustn't keep the others.
                for line in lines:
                    with suppress(ValueError):
                        self._put(line)
            with self._lock:
                self._wake.wait_for(lambda: self._closing, WRITE_INTERVAL_S)

    def _put(self, text: str) -> None:
        # Where nobody reads it any more there is nowhere to say so.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def _next(self) -> list[str] | None:
        """What is to be written next; None at the end."""
        with self._lock:
            while not self._lines and not self._lost:
                if self._closing:
                    return None
                self._awaited = True
                self._wake.wait()
                self._awaited = False
            if not self._lines:
                lost, self._lost = self._lost, 0
                return [f"{lost} log lines were lost: the log's reader was too slow\n"]
            lines, self._lines = self._lines, []
            self._waiting_chars = 0
            return lines
