"""The audit: who did what, kept so that a later change shows. Safe on the disk before it counts.

One thread of its own writes: the event loop never waits for the disk. `record` returns once the
records are on the disk; `record_later` is for what has happened anyway and can't be refused: those
wait while the disk is full. Each record goes to the log as well, and so does the chain's head,
every so often and at the end: kept elsewhere, it is what shows a cut or newly written file.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from vncproxy.audit.batch_writer import DAEMON_FAULT, AuditWriter, Job, Outcome, Rotation
from vncproxy.audit.chained_file import AuditFile
from vncproxy.audit.record import Entry, Event, Head
from vncproxy.errors import AuditError
from vncproxy.threads import call_in_loop

_log = structlog.get_logger("vncproxy.audit")

HEAD_EVERY = 64
"""Records between two heads in the log."""
QUEUE_BOUND = 4096
"""Records that may wait while the disk is full: some 2 MB."""
RECORDS_PER_TURN = 32
"""So many go to the log in one turn of the event loop."""
WRITE_TIMEOUT_S = 10.0
"""How long opening a console waits for the disk."""
GATHER_S = 0.05
"""What nobody waits for waits so long for more, to share a write: an opening has several."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
_TOO_SLOW = "its disk doesn't answer"
_STOPPING = "the daemon is stopping"
_OVER = f"{DAEMON_FAULT}, has ended its writing; restart it"


_Call = Callable[..., None]
"""Has a function called with the arguments, on the event loop."""


class Audit(Protocol):
    """The audit as other modules use it."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be recorded now, in words."""

    async def record(self, *entries: Entry) -> None:
        """Return once these are on the disk.

        Raises:
            AuditError: They may not take effect.
        """

    def record_later(self, entry: Entry) -> None:
        """Record what has happened; it waits if it must."""


class NullAudit:
    """Keeps nothing; for consoles outside a daemon."""

    problem: str | None = None

    async def record(self, *entries: Entry) -> None:
        """Nothing is kept."""

    def record_later(self, entry: Entry) -> None:
        """Nothing is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class _RotationRequest:
    """A request for the thread: to go on in another file.

    Args:
        file: The other file; None: a new one at the old one's path.
        done: Set once that has happened, or failed.
    """

    file: AuditFile | None
    done: asyncio.Future[None]


class AuditLog:
    """The audit in a file, from `open` to `close`; to be used from one event loop."""

    def __init__(
        self,
        path: Path,
        *,
        head_every: int = HEAD_EVERY,
        queue_bound: int = QUEUE_BOUND,
        write_timeout_s: float = WRITE_TIMEOUT_S,
        gather_s: float = GATHER_S,
        first_pause_s: float = FIRST_PAUSE_S,
        clock: Callable[[], float] = time.time,
        recorded: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            path: The file; it is made if it is missing.
            head_every: Records between two heads in the log.
            queue_bound: Of each of the two kinds of records that wait.
            write_timeout_s: How long `record` waits for the disk.
            gather_s: How long what nobody waits for waits for more.
            first_pause_s: Before a failed write is tried again, then growing to `LONGEST_PAUSE_S`.
            clock: Seconds since 1970.
            recorded: Called with each record, once it is in the file.
        """
        self.problem: str | None = None
        self.unwritten = 0
        """Records that are in the log only."""
        self.head = Head()
        self.was_cut_off = False
        """Whether the daemon before this one didn't come to record its stop."""
        self._head_logged = self._unwritten_logged = 0
        self.path = path
        """Of the file in use."""
        self._unlogged: deque[tuple[int, Entry]] = deque()
        """Recorded, and not in the log yet."""
        self._head_every = head_every
        self._queue_bound = queue_bound
        self._write_timeout_s = write_timeout_s
        self._gather_s = gather_s
        self._first_pause_s = first_pause_s
        self._clock = clock
        self._recorded = recorded
        self._opened = False
        self._over = asyncio.Event()
        """The thread has ended."""
        self._ended = False
        """Whether a fault has ended the thread."""
        # Below: shared with the thread, under the condition's lock.
        self._lock = threading.RLock()
        """That of `_wake`, by itself: entering it costs less."""
        self._wake = threading.Condition(self._lock)
        self._queue: deque[Job] = deque()
        self._in_hand: list[Job] = []
        self._later = 0
        self._fresh = False
        self._gathering = False
        """Whether the thread lets more come before it writes what nobody waits for."""
        self._closing = False
        self._rotations: deque[_RotationRequest] = deque()

    async def open(self) -> None:
        """Open the file and continue its chain.

        Raises:
            AuditError: It can't be used.
        """
        file = await asyncio.to_thread(AuditFile, self.path)
        self._opened = True
        self.head = file.head
        self.was_cut_off = file.ended_with not in (None, Event.STOP, Event.CONTINUED)
        self._head_logged = self.head.seq
        for entry in file.notes:
            self._log_trouble(str(entry.text))
        writer = AuditWriter(file, self._clock)
        call = partial(call_in_loop, asyncio.get_running_loop())
        threading.Thread(target=self._run, args=(writer, call), name="audit", daemon=True).start()

    async def record(self, *entries: Entry) -> None:
        """Return once these are on the disk, one after the other.

        Raises:
            AuditError: They aren't, or it isn't sure within `write_timeout_s`: what they are about
                may not happen. They may turn up in the file all the same.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        job = Job(entries, self._clock(), done)
        with self._lock:
            if self._closing:
                raise AuditError(_cannot(_STOPPING))
            if self._ended:
                raise AuditError(_cannot(_OVER))
            if len(self._queue) - self._later >= self._queue_bound:
                raise AuditError(_cannot(_TOO_SLOW))
            self._queue.append(job)
            self._fresh = True
            self._wake.notify()
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await done
        except TimeoutError:
            self.problem = _cannot(_TOO_SLOW)
            raise AuditError(self.problem) from None
        finally:
            if done.cancelled():
                self._withdraw(job)

    def record_later(self, entry: Entry) -> None:
        """Record what has happened; it waits while the disk is full, within `queue_bound`.

        Beyond that it goes to the log alone and is counted; the count is recorded afterwards.
        """
        with self._lock:
            if self._later < self._queue_bound and not (self._closing or self._ended):
                self._queue.append(Job((entry,), self._clock()))
                self._later += 1
                self._fresh = True
                if not self._gathering:
                    self._wake.notify()
                return
        self._log_unwritten(entry)

    async def reopen(self) -> None:
        """Go on in a new file if the one in use was moved away, as by a log rotation.

        Raises:
            AuditError: What is in its place can't be used; the old one stays in use.
        """
        await self._rotate_to(None)

    async def go_on_in(self, path: Path) -> None:
        """Continue the chain in another file, new or empty; where it is already, nothing happens.

        Its first record names the old one's end.

        Raises:
            AuditError: The old file stays in use.
        """
        if path != self.path:
            await self._rotate_to(await asyncio.to_thread(AuditFile.begun, path))

    async def _rotate_to(self, file: AuditFile | None) -> None:
        request = _RotationRequest(file, asyncio.get_running_loop().create_future())
        with self._lock:
            if self._closing or self._ended:
                _give_back(file)
                raise AuditError(_cannot(_STOPPING if self._closing else _OVER))
            self._rotations.append(request)
            self._wake.notify()
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await request.done
        except TimeoutError:
            raise AuditError(_cannot(_TOO_SLOW)) from None
        finally:
            if request.done.cancelled():
                with self._lock:
                    # Not if the thread has it in hand already.
                    if request in self._rotations:
                        self._rotations.remove(request)
                        _give_back(file)

    async def close(self, timeout_s: float) -> bool:
        """Write what still waits and log the head; what isn't written in time goes to the log.

        Args:
            timeout_s: For the disk, in seconds.

        Returns:
            Whether all came to the disk; True for an audit that was never opened.
        """
        if not self._opened:
            return True
        with self._lock:
            self._closing = True
            self._wake.notify()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._over.wait()
        with self._lock:
            left, unsure = list(self._queue), self._in_hand
            self._queue.clear()
        for job in unsure:
            for entry in job.entries:
                # It may turn up in the file all the same.
                _log.error("audit.unsure", what=entry.event, **_shown(entry))
        for job in left:
            for entry in job.entries:
                self._log_unwritten(entry)
        while self._unlogged:
            self._log_some()
            await asyncio.sleep(0)
        self._log_head()
        return self._over.is_set() and not left

    def _withdraw(self, job: Job) -> None:
        with self._lock:
            # Not if the thread has it in hand already.
            if job in self._queue:
                self._queue.remove(job)

    def _settle(self, outcome: Outcome) -> None:
        """Log what became of a batch, and wake the callers that wait for it."""
        self.head = outcome.head
        for trouble in outcome.troubles:
            self._log_trouble(trouble)
        self._log_records(outcome.written)
        if self.head.seq - self._head_logged >= self._head_every:
            self._log_head()
        for job, fault in outcome.spoilt:
            self._log_spoilt(job, fault)
        problem = None if outcome.problem is None else _cannot(outcome.problem)
        if problem is not None and problem != self.problem:
            _log.error("audit.failed", file=str(self.path), text=problem, exc_info=outcome.cause)
        self.problem = problem
        for job in outcome.safe:
            if job.done is not None:
                _conclude(job.done, None)
        for job in outcome.failed:
            if job.done is not None:
                _conclude(job.done, AuditError(str(problem)))
        if problem is None and self.unwritten > self._unwritten_logged and not self._closing:
            count = self.unwritten - self._unwritten_logged
            self._unwritten_logged = self.unwritten
            text = f"{count} records are in the log only: the disk didn't take them, or a fault"
            self.record_later(Entry(event=Event.UNWRITTEN, count=count, text=text))

    def _log_spoilt(self, job: Job, fault: Exception) -> None:
        """A record that no file can take: the log has it, and the others are written."""
        self._log_fault(fault)
        for entry in job.entries:
            self._log_unwritten(entry)
        if job.done is not None:
            _conclude(job.done, AuditError(_cannot(DAEMON_FAULT)))

    def _log_fault(self, fault: Exception) -> None:
        _log.error("audit.fault", file=str(self.path), exc_info=fault)

    def _broke_down(self, fault: BaseException) -> None:
        """The thread has ended by a fault: log it, and end all waiting calls with the reason."""
        self.problem = _cannot(_OVER)
        _log.critical("audit.failed", file=str(self.path), text=self.problem, exc_info=fault)
        with self._lock:
            left = [*self._in_hand, *self._queue]
            requests = list(self._rotations)
            self._queue.clear()
            self._rotations.clear()
        for job in left:
            for entry in job.entries:
                self._log_unwritten(entry)
            if job.done is not None:
                _conclude(job.done, AuditError(self.problem))
        for request in requests:
            _give_back(request.file)
            _conclude(request.done, AuditError(self.problem))
        self._over.set()

    def _rotated(self, rotation: Rotation, path: Path) -> None:
        """The chain goes on in another file: the log has where the old one ends."""
        self._log_records(rotation.written)
        self.head = rotation.ended
        self._log_head()
        self.head, self.path = rotation.head, path

    def _log_records(self, written: list[tuple[int, Entry]]) -> None:
        is_logging = bool(self._unlogged)
        self._unlogged += written
        if not is_logging:
            self._log_some()

    def _log_some(self) -> None:
        """As much as one turn of the event loop may take: a disk that hung has let many wait."""
        try:
            for _ in range(min(RECORDS_PER_TURN, len(self._unlogged))):
                seq, entry = self._unlogged.popleft()
                _log.info("audit.recorded", seq=seq, what=entry.event.value, **_shown(entry))
                self._recorded(entry)
        finally:
            if self._unlogged:
                asyncio.get_running_loop().call_soon(self._log_some)

    def _log_unwritten(self, entry: Entry) -> None:
        self.unwritten += 1
        _log.error("audit.unwritten", count=self.unwritten, what=entry.event, **_shown(entry))

    def _log_trouble(self, text: str) -> None:
        _log.error("audit.trouble", file=str(self.path), text=text)

    def _log_head(self) -> None:
        self._head_logged = self.head.seq
        _log.info("audit.head", file=str(self.path), seq=self.head.seq, hash=self.head.hash)

    # The thread

    def _run(self, writer: AuditWriter, call: _Call) -> None:
        try:
            self._work(writer, call)
        except BaseException as fault:
            with self._lock:
                self._ended = True
            call(self._broke_down, fault)

    def _work(self, writer: AuditWriter, call: _Call) -> None:
        pause_s: float | None = None
        while True:
            with self._lock:
                self._wake.wait_for(self._is_wanted, timeout=pause_s)
                self._gathering = True
                self._wake.wait_for(self._is_awaited, timeout=self._gather_s)
                self._gathering = False
                jobs = self._in_hand = list(self._queue)
                self._queue.clear()
                self._fresh = False
                closing = self._closing
                requests = list(self._rotations)
                self._rotations.clear()
            for request in requests:
                if request.file is None:
                    self._rotate(request, writer, call)
            outcome = writer.write(jobs)
            with self._lock:
                self._in_hand = []
                self._queue.extendleft(reversed(outcome.left))
                self._later = sum(job.done is None for job in self._queue)
            call(self._settle, outcome)
            for request in requests:
                if request.file is not None:
                    # What happened before belongs into the old file.
                    self._rotate(request, writer, call)
            if closing:
                break
            if outcome.problem is not None:
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s) if pause_s else self._first_pause_s
            else:
                pause_s = None
        writer.close()
        call(self._over.set)

    def _is_wanted(self) -> bool:
        return self._fresh or self._closing or bool(self._rotations)

    def _is_awaited(self) -> bool:
        return self._closing or bool(self._rotations) or len(self._queue) > self._later

    def _rotate(self, request: _RotationRequest, writer: AuditWriter, call: _Call) -> None:
        try:
            if request.file is None:
                writer.reopen()
            else:
                call(self._rotated, writer.go_on_in(request.file), request.file.path)
        except AuditError as fault:
            call(_conclude, request.done, fault)
        except Exception as fault:
            call(self._log_fault, fault)
            call(_conclude, request.done, AuditError(_cannot(DAEMON_FAULT)))
        else:
            call(_conclude, request.done, None)


def _give_back(file: AuditFile | None) -> None:
    if file is not None:
        with suppress(OSError):
            file.close()


def _conclude(waiting: asyncio.Future[None], error: AuditError | None) -> None:
    if waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)


def _cannot(why: str) -> str:
    return (
        f"The audit can't be written: {why}. Until it can, nothing is opened and control stays "
        "where it is."
    )


def _shown(entry: Entry) -> dict[str, object]:
    """An entry for the log, whose own word for what happened is taken."""
    shown = entry.given()
    del shown["event"]
    return shown
