"""The indexes of past sessions and recordings: kept up to date, and asked in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from vncproxy.audit.session_index import FILE_NAME as SESSIONS_FILE
from vncproxy.audit.session_index import SessionIndex
from vncproxy.errors import AccessError, LocalError
from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.playback_cache import Lease, PlaybackCache
from vncproxy.recording.reader import Recording
from vncproxy.recording.recording_index import FILE_NAME as RECORDINGS_FILE
from vncproxy.recording.recording_index import RecordingIndex
from vncproxy.threads import call_in_loop

REFRESH_INTERVAL_S = 600.0
"""Between two looks at the files that nobody asked for: so there is never much that is new."""
PATIENCE_S = 0.5
"""How long a list waits for what is new; it says so if it is without."""
ALMOST = 0.99
"""Part that is read, while what was read before is only held against the files."""
STOP_TIMEOUT_S = 2.0
"""How long the daemon's end waits for what is being read, which stops at the next few records."""
CALL_TIMEOUT_S = 10.0
CALLS_MAX = 4
"""Questions that are answered at the same time; others wait."""

_NOT_LISTED = "What it doesn't have yet isn't in the list."

_T = TypeVar("_T")
_log = structlog.get_logger("vncproxy.past")


class Index(Protocol):
    """What is refreshed."""

    progress: float | None
    """Part that is read."""

    def refresh(self, stopped: Callable[[], bool]) -> None:
        """Read what is new.

        Args:
            stopped: Whether to end before it is done.

        Raises:
            LocalError: The index can't be written.
        """


class Refresh:
    """Reads what is new into an index, in a thread; one at a time. For one event loop."""

    def __init__(self, index: Index, name: str, stopped: Callable[[], bool]) -> None:
        """Read nothing yet.

        Args:
            index: What is refreshed.
            name: Of the thread.
            stopped: Whether it is to end.
        """
        self.problem: str | None = None
        """Why the index isn't up to date, a sentence."""
        self._index = index
        self._name = name
        self._stopped = stopped
        self._begun = self._ended = 0
        self._running: asyncio.Future[None] | None = None

    async def done(self, patience_s: float | None) -> bool:
        """Wait until all is read that was there at the call; whether it is.

        Args:
            patience_s: At most so long; None: as long as it takes.
        """
        wanted = self._begun + 1
        try:
            async with asyncio.timeout(patience_s):
                while self._ended < wanted and not self._stopped():
                    await asyncio.shield(self._running or self._begin())
        except TimeoutError:
            return False
        return self._ended >= wanted

    @property
    def running(self) -> asyncio.Future[None] | None:
        """Is done once nothing is being read any more; None: nothing is."""
        return self._running

    @property
    def progress(self) -> float:
        """Part that is read, of what is being read."""
        return ALMOST if self._index.progress is None else self._index.progress

    def _begin(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        self._begun += 1
        self._running = running = loop.create_future()

        def run() -> None:
            problem: str | None = None
            try:
                self._index.refresh(self._stopped)
            except LocalError as error:
                problem = " ".join((error.public_text, _NOT_LISTED))
            except Exception:
                _log.exception("index.fault", index=self._name)
                problem = (
                    "The list isn't up to date: a fault of the daemon, which its log describes."
                )
            call_in_loop(loop, self._settle, problem)

        threading.Thread(target=run, name=self._name, daemon=True).start()
        return running

    def _settle(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            _log.error("index.failed", index=self._name, text=problem)
        self.problem = problem
        running, self._running = self._running, None
        self._ended = self._begun
        if running is not None and not running.done():
            running.set_result(None)


class PastLists:
    """Both lists of one daemon, and the recordings that are being played."""

    def __init__(
        self, sessions: SessionIndex, recordings: RecordingIndex, played: PlaybackCache
    ) -> None:
        """Read nothing yet."""
        self._stop = threading.Event()
        self.sessions = sessions
        self.recordings = recordings
        stopped = self._stop.is_set
        self.sessions_refresh = Refresh(sessions, "past sessions", stopped)
        self.recordings_refresh = Refresh(recordings, "recordings list", stopped)
        self._played = played
        self._turns = asyncio.Semaphore(CALLS_MAX)

    async def watch(self) -> None:
        """Keep both up to date, until cancelled; then end what is under way."""
        try:
            while True:
                for refresh in (self.sessions_refresh, self.recordings_refresh):
                    await refresh.done(None)
                await asyncio.sleep(REFRESH_INTERVAL_S)
        finally:
            self._stop.set()
            self._played.close()
            # The folder of a demo goes away behind it.
            refreshes = (self.sessions_refresh, self.recordings_refresh)
            if running := [one.running for one in refreshes if one.running is not None]:
                await asyncio.wait(running, timeout=STOP_TIMEOUT_S)

    @property
    def folder(self) -> Path:
        """Where the recordings are."""
        return self._played.folder

    async def call(self, work: Callable[[], _T]) -> _T:
        """Run what blocks in a thread.

        Raises:
            AccessError: 503: the disk doesn't answer; and what `work` raises.
        """
        return await self._answer(work, lambda _: None)

    async def _answer(self, work: Callable[[], _T], late: Callable[[_T], None]) -> _T:
        async with self._turns:
            answer = asyncio.get_running_loop().run_in_executor(None, work)
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    return await asyncio.shield(answer)
            except BaseException as fault:
                answer.add_done_callback(partial(_drop, late))
                if isinstance(fault, TimeoutError):
                    raise AccessError(503, "unavailable", "The disk doesn't answer.") from None
                raise

    @asynccontextmanager
    async def reading(self, name: str, *, anew: bool = False) -> AsyncIterator[Recording]:
        """A recording, open as long as the block lasts.

        Args:
            name: Of the file.
            anew: As it is now, if it has grown.

        Raises:
            FileNotFoundError: There is none of this name.
            RecordingError: It can't be played.
            AccessError: 503: the disk doesn't answer.
        """
        take = partial(self._played.take, name, anew=anew)
        lease: Lease = await self._answer(take, self._played.give_back)
        try:
            yield lease.recording
        finally:
            self._played.give_back(lease)


def past_lists(
    state: Path, audit: Callable[[], Path], folder: Callable[[], RecordingFolder]
) -> PastLists:
    """The lists of a daemon.

    Args:
        state: Where the indexes are kept.
        audit: Gives the audit's file in use.
        folder: Gives the recordings' folder in force.
    """
    return PastLists(
        SessionIndex(state / SESSIONS_FILE, audit),
        RecordingIndex(state / RECORDINGS_FILE, folder),
        PlaybackCache(folder),
    )


def _drop(late: Callable[[_T], None], answer: asyncio.Future[_T]) -> None:
    """What comes after its caller has left."""
    if not answer.cancelled() and answer.exception() is None:
        late(answer.result())
