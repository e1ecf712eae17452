"""Writes one recording in a thread of its own: the event loop never waits for the disk.

What waits is bounded in bytes. When the disk is too slow, full or broken, `has_room` is False; what
comes then must be left out, and when there is room again the recording goes on with a new block.
A disk that doesn't answer holds up the thread, which can't report that itself: so the owner calls
`check_delay` every second or so, and the listener is called within `LATE_S`.
"""

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vncproxy.errors import RecordingError
from vncproxy.recording.file_format import Kind
from vncproxy.recording.file_writer import RecordingFile
from vncproxy.recording.folder import OVER_LIMIT, RecordingFolder

QUEUE_BYTES = 64 << 20
"""More than this waiting for the disk, and there is no room. One batch may go beyond."""
ROOM_PART = 8
"""There is room again once no more than this part of it waits."""
FLUSH_INTERVAL_S = 1.0
"""What was shown is in the file after this time at the latest."""
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
"""Between two tries to go on after the disk has failed."""
LATE_S = 5.0
"""What was shown longer ago is in the file, or the listener has been called."""
_SLOW = "This session has to be recorded, and it can't be: the disk doesn't keep up."
_HANGS = "This session has to be recorded, and it can't be: the disk doesn't answer."


@dataclass(frozen=True, slots=True)
class _Begin:
    """A block begins.

    Args:
        opening: See `file_format`.
    """

    time_ms: int
    opening: bytes
    whole: bool
    continues: bool

    @property
    def size_bytes(self) -> int:
        """What it takes while it waits."""
        return len(self.opening)


@dataclass(frozen=True, slots=True)
class _Add:
    """A record."""

    time_ms: int
    kind: Kind
    slices: Sequence[bytes]

    @property
    def size_bytes(self) -> int:
        """What it takes while it waits."""
        return sum(map(len, self.slices))


@dataclass(frozen=True, slots=True)
class _Note:
    """Something that happened."""

    time_ms: int
    what: str
    size_bytes = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a recording.

    Args:
        problem: Why it has no proper end, in words.
    """

    name: str
    size_bytes: int
    sha256: str
    problem: str | None


class WriterListener(Protocol):
    """The recording's owner; called on the event loop's thread."""

    def recording_has_room(self) -> None:
        """There is room again."""

    def recording_troubled(self, name: str, problem: str | None) -> None:
        """Why what is shown now isn't in the file of this name; None: it is again."""

    def recording_too_long(self) -> None:
        """Its share of the folder is used up: it should end, and is written until then. Once."""

    def recording_ended(self, result: Result) -> None:
        """The file is closed; nothing follows."""


class RecordingWriter:
    """One recording, from an open file to `close`. Its calls come from the event loop's thread."""

    def __init__(
        self,
        name: str,
        file: RecordingFile,
        folder: RecordingFolder,
        listener: WriterListener,
        *,
        call: Callable[..., object],
        queue_bytes: int = QUEUE_BYTES,
        first_pause_s: float = FIRST_PAUSE_S,
        late_s: float = LATE_S,
    ) -> None:
        """Own `file` and start the thread.

        Args:
            name: The file's name in its folder.
            file: The new file.
            folder: Where it is, which limits its size.
            listener: Gets what becomes of the recording.
            call: Runs a function with arguments on the event loop's thread.
            queue_bytes: How much may wait for the disk.
            first_pause_s: Before going on after the disk has failed, then growing to
                `LONGEST_PAUSE_S`.
            late_s: As `LATE_S`.
        """
        self.name = name
        self._file = file
        self._folder = folder
        self._listener = listener
        self._call = call
        self._queue_bytes = queue_bytes
        self._first_pause_s = first_pause_s
        self._flush_at: float | None = None
        self._tidied_at_bytes = file.written_bytes
        self._problem: str | None = None
        self._too_long = False
        self._discarded = False
        # Below: the event loop's alone.
        self._late_s = late_s
        self._late: str | None = None
        self._failure: str | None = None
        self._reported: str | None = None
        # Below: shared with the thread, under the condition's lock.
        self._wake = threading.Condition()
        self._queue: deque[tuple[float, _Begin | _Add | _Note]] = deque()
        self._since: float | None = None
        self._waiting_bytes = 0
        self._full = self._failed = self._lost = False
        self._end_ms: int | None = None
        self._thread = threading.Thread(target=self._run, name=f"recording {name}", daemon=True)
        self._thread.start()

    @property
    def has_room(self) -> bool:
        """Whether a block that begins now would be written."""
        return not (self._full or self._failed)

    @property
    def lost(self) -> bool:
        """Whether something since the last `begin` isn't in the file: only another one helps."""
        return self._lost

    def begin(self, time_ms: int, opening: bytes, *, whole: bool, continues: bool) -> None:
        """A block begins."""
        with self._wake:
            self._lost = self._failed
        self._put(_Begin(time_ms, opening, whole, continues))

    def add(self, time_ms: int, kind: Kind, slices: Sequence[bytes]) -> None:
        """A record of the block; it is left out while something is `lost`."""
        self._put(_Add(time_ms, kind, slices))

    def note(self, time_ms: int, what: str) -> None:
        """Something happened."""
        self._put(_Note(time_ms, what))

    def close(self, time_ms: int) -> None:
        """The recording is over: what waits is written, then the listener gets the result."""
        with self._wake:
            if self._end_ms is None:
                self._end_ms = time_ms
                self._wake.notify()

    def discard(self) -> None:
        """The session didn't come about, and nothing was recorded: the file goes."""
        self._discarded = True
        self.close(0)

    def check_delay(self) -> None:
        """Find out whether the disk answers and keeps up; call the listener if that has changed."""
        now = time.monotonic()
        with self._wake:
            # The job that the thread works on is older than those that wait.
            waits = self._queue[0][0] if self._queue else None
            since = self._since if self._since is not None else waits
            # What is lost by a fault has its own words, which may be on their way still.
            lost = self._lost and not self._failed
        hangs = since is not None and now - since > self._late_s
        self._late = _HANGS if hangs else _SLOW if lost else None
        self._report_change()

    @property
    def ended(self) -> bool:
        """Whether the file is closed."""
        return not self._thread.is_alive()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came. For a thread other than the event loop's."""
        self._thread.join(timeout_s)
        return self.ended

    def _put(self, job: _Begin | _Add | _Note) -> None:
        with self._wake:
            if self._failed or self._end_ms is not None or (self._lost and isinstance(job, _Add)):
                return
            self._queue.append((time.monotonic(), job))
            self._waiting_bytes += job.size_bytes
            if self._waiting_bytes > self._queue_bytes:
                # Records build on each other, so what follows is useless too, until another block
                # begins with a whole picture. The thread goes on with what waits.
                self._full = self._lost = True
            self._wake.notify()

    # The thread

    def _run(self) -> None:
        try:
            self._work()
        except BaseException:
            # The session may have to end, if it must be recorded.
            with self._wake:
                self._failed = self._lost = True
                self._since = None
                self._queue.clear()
            self._report("This session isn't recorded any more: a fault of the daemon.")
            raise

    def _work(self) -> None:
        pause_s = self._first_pause_s
        while True:
            job = self._next()
            try:
                if job is not None:
                    self._write(job)
                if self._flush_at is not None and time.monotonic() >= self._flush_at:
                    self._flush_at = None
                    self._file.flush()
                    if not self._lost:
                        self._report(None)
                        pause_s = self._first_pause_s
                self._since = None
            except (OSError, RecordingError) as fault:
                self._fail(fault)
                self._rest(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            if job is None and self._end_ms is not None:
                break
        self._finish(self._end_ms)

    def _next(self) -> _Begin | _Add | _Note | None:
        """What to write next; None when it is time to flush, or to end."""
        with self._wake:
            timeout_s = None
            if self._flush_at is not None:
                timeout_s = max(0.0, self._flush_at - time.monotonic())
            self._wake.wait_for(lambda: self._queue or self._end_ms is not None, timeout_s)
            if not self._queue:
                self._since = time.monotonic()
                return None
            self._since, job = self._queue.popleft()
            self._waiting_bytes -= job.size_bytes
            if self._full and self._waiting_bytes <= self._queue_bytes // ROOM_PART:
                self._full = False
                self._call(self._listener.recording_has_room)
            return job

    def _write(self, job: _Begin | _Add | _Note) -> None:
        match job:
            case _Begin():
                if self._file.unsynced:
                    self._file.sync()
                self._file.begin(job.time_ms, job.opening, whole=job.whole, continues=job.continues)
            case _Add():
                self._file.add(job.time_ms, job.kind, job.slices)
            case _Note():
                self._file.note(job.time_ms, job.what)
        if self._flush_at is None:
            self._flush_at = time.monotonic() + FLUSH_INTERVAL_S
        if not self._too_long and self._file.written_bytes > self._folder.session_bytes:
            self._too_long = True
            self._call(self._listener.recording_too_long)
        if self._file.written_bytes - self._tidied_at_bytes > self._folder.tidy_bytes:
            self._tidied_at_bytes = self._file.written_bytes
            if not self._folder.tidy():
                raise OSError(errno.EDQUOT, OVER_LIMIT)

    def _fail(self, fault: OSError | RecordingError) -> None:
        """Nothing can be written: what waits is thrown away."""
        with self._wake:
            self._failed = self._lost = True
            self._full = False
            self._queue.clear()
            self._waiting_bytes = 0
            self._since = None
        self._flush_at = None
        if isinstance(fault, OSError):
            fault = self._folder.cannot(fault)
        self._report(fault.public_text)

    def _rest(self, pause_s: float) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._end_ms is not None, pause_s)
            self._failed = False
        self._call(self._listener.recording_has_room)

    def _report(self, problem: str | None) -> None:
        if problem is not None or self._problem is not None:
            self._problem = problem
            self._call(self._failed_or_not, problem)

    def _failed_or_not(self, problem: str | None) -> None:
        self._failure = problem
        self._report_change()

    def _report_change(self) -> None:
        """Call the listener if the trouble began or ended; on the event loop's thread."""
        problem = self._failure or self._late
        if (problem is None) != (self._reported is None):
            self._listener.recording_troubled(self.name, problem)
        self._reported = problem

    def _finish(self, end_ms: int) -> None:
        # A gap up to the end is noted in the file; on a full disk the note has no room, and the
        # file has no end: both count as a problem.
        self._since = time.monotonic()
        file = self._file
        if self._discarded:
            file.discard()
            self._folder.remove(self.name)
            self._since = None
            return
        gap = self._lost
        problem = file.close(end_ms, gap=gap)
        problem = problem or self._problem or (_SLOW if gap else None)
        self._since = None
        result = Result(self.name, file.written_bytes, file.sha256, problem)
        self._call(self._listener.recording_ended, result)
