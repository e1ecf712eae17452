"""The recordings of one daemon: begins them, and waits for their ends.

Every touch of the disk is in a thread: a disk that doesn't answer must not hold up the event loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from vncproxy.errors import RecordingError
from vncproxy.recording.file_format import Header
from vncproxy.recording.file_writer import RecordingFile
from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.writer_thread import RecordingWriter, WriterListener
from vncproxy.threads import call_in_loop

DISK_TIMEOUT_S = 5.0
"""How long opening a console waits for the disk."""
TIDY_INTERVAL_S = 600.0
"""Between two checks for recordings that are too old."""
DISK_CHECK_INTERVAL_S = 1.0
"""Between two checks whether the disk answers."""
MAX_PENDING = 8
"""Calls that may wait for a disk that doesn't answer; more fail at once."""
_SLOW = "This session has to be recorded, and it can't be: the disk doesn't answer."

_T = TypeVar("_T")
_log = structlog.get_logger("vncproxy.recording")


class Recordings:
    """See the module. To be used from one event loop."""

    def __init__(
        self,
        folder: Callable[[], RecordingFolder],
        *,
        version: str = "",
        clock: Callable[[], float] = time.time,
        disk_timeout_s: float = DISK_TIMEOUT_S,
        required: Callable[[], bool] = lambda: False,
    ) -> None:
        """Nothing is touched yet.

        Args:
            folder: Gives the one in force; what has begun goes on in its own.
            version: Of vncproxy.
            clock: Seconds since 1970.
            disk_timeout_s: How long a call waits for the disk.
            required: Gives whether a session that isn't recorded any more is ended.
        """
        self._folder = folder
        self._required = required
        self._version = version
        self._clock = clock
        self._disk_timeout_s = disk_timeout_s
        self._pending = 0
        self._writers: set[RecordingWriter] = set()

    @property
    def folder(self) -> RecordingFolder:
        """Where recordings begin now."""
        return self._folder()

    @property
    def required(self) -> bool:
        """Whether a session that isn't recorded any more is ended."""
        return self._required()

    async def check(self) -> None:
        """Find out whether a recording could begin now.

        Raises:
            RecordingError: None could.
        """
        await self._in_thread(self.folder.check, _nothing)

    async def probe(self) -> None:
        """Find out whether the folder can be written to; nothing in it is deleted.

        Raises:
            RecordingError: It can't.
        """
        await self._in_thread(self.folder.probe, _nothing)

    async def tidy(self) -> None:
        """Delete what is too old or too much; trouble with that shows when something is written."""
        await self._in_thread(self.folder.tidy_if_there, _nothing)

    async def watch(self) -> None:
        """See whether the disk answers, and delete what is too old, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_disk())
            group.create_task(self._watch_age())

    async def _watch_disk(self) -> None:
        while True:
            for writer in self._writers:
                writer.check_delay()
            await asyncio.sleep(DISK_CHECK_INTERVAL_S)

    async def _watch_age(self) -> None:
        while True:
            try:
                await self.tidy()
            except RecordingError as error:
                _log.error("recordings.not_tidied", text=error.public_text)
            await asyncio.sleep(TIDY_INTERVAL_S)

    async def begin(self, header: Header, listener: WriterListener) -> RecordingWriter:
        """A recording that waits for its first block.

        Args:
            header: Its version and time are set here.
            listener: Gets what becomes of the recording.

        Raises:
            RecordingError: It can't be had.
        """
        now = self._clock()
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        whole = msgspec.structs.replace(
            header, started_at=moment.replace("+00:00", "Z"), version=self._version
        )
        # A reload may name another one meanwhile.
        folder = self.folder
        name, file = await self._in_thread(
            partial(_create, folder, whole, now), partial(_throw_away, folder)
        )
        writer = RecordingWriter(
            name,
            file,
            folder,
            listener,
            call=partial(call_in_loop, asyncio.get_running_loop()),
        )
        self._writers = {one for one in self._writers if not one.ended} | {writer}
        return writer

    async def close(self, timeout_s: float) -> bool:
        """Wait until all that were closed are written; whether they are."""
        deadline = time.monotonic() + timeout_s
        for writer in self._writers:
            if not writer.ended:
                left_s = max(0.0, deadline - time.monotonic())
                await asyncio.to_thread(writer.join, left_s)
        return all(writer.ended for writer in self._writers)

    async def _in_thread(self, work: Callable[[], _T], late: Callable[[_T], object]) -> _T:
        """Run `work` in a thread.

        Args:
            work: What to run; its result is returned.
            late: Gets the result, in the thread, if the call was cancelled or timed out.

        Raises:
            RecordingError: As `work`, or it takes too long.
        """
        if self._pending >= MAX_PENDING:
            raise RecordingError(_SLOW)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[_T] = loop.create_future()

        def settle(result: _T | None, fault: Exception | None) -> None:
            self._pending -= 1
            if not waiting.done():
                if fault is None:
                    waiting.set_result(result)  # type: ignore[arg-type]
                else:
                    waiting.set_exception(fault)
            elif fault is None:
                threading.Thread(
                    target=late, args=(result,), name="recordings", daemon=True
                ).start()

        def run() -> None:
            try:
                result = work()
            except Exception as fault:
                call_in_loop(loop, settle, None, fault)
            else:
                call_in_loop(loop, settle, result, None)

        self._pending += 1
        threading.Thread(target=run, name="recordings", daemon=True).start()
        try:
            async with asyncio.timeout(self._disk_timeout_s):
                return await waiting
        except TimeoutError:
            raise RecordingError(_SLOW) from None


def _create(folder: RecordingFolder, header: Header, now: float) -> tuple[str, RecordingFile]:
    try:
        name, descriptor = folder.create(now, header.instance, header.viewer)
        try:
            return name, RecordingFile(descriptor, header)
        except OSError:
            os.close(descriptor)
            folder.remove(name)
            raise
    except OSError as fault:
        raise folder.cannot(fault) from fault


def _throw_away(folder: RecordingFolder, made: tuple[str, RecordingFile]) -> None:
    name, file = made
    file.discard()
    folder.remove(name)


def _nothing(_: object) -> None:
    return
