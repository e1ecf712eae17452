"""The recordings of a daemon: how they begin and end, and a disk that doesn't answer."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.setup import WAIT_S, until
from tests.unit.recording.surroundings import HEADER, folder
from vncproxy.errors import RecordingError
from vncproxy.recording import recordings as module
from vncproxy.recording.file_format import Kind
from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.reader import Recording
from vncproxy.recording.recordings import Recordings
from vncproxy.recording.writer_thread import Result

NOW = 1_700_000_000.0


def always(one: RecordingFolder) -> Callable[[], RecordingFolder]:
    """The folder that is in force, whenever it is asked for."""
    return lambda: one


class Listener:
    """Keeps the result."""

    def __init__(self) -> None:
        self.results: list[Result] = []

    def recording_has_room(self) -> None:
        """Nothing to do."""

    def recording_troubled(self, name: str, problem: str | None) -> None:
        """Not in these tests."""
        raise AssertionError(problem)

    def recording_too_long(self) -> None:
        """Nor this."""
        raise AssertionError

    def recording_ended(self, result: Result) -> None:
        """On the loop's thread."""
        asyncio.get_running_loop()
        self.results.append(result)


async def test_one_begins_and_ends(tmp_path: Path) -> None:
    """Its header says when it began and by which version; `close` waits for its end."""
    made = Recordings(always(folder(tmp_path / "seen")), version="9.9", clock=lambda: NOW)
    await made.check()
    listener = Listener()
    writer = await made.begin(HEADER, listener)
    writer.begin(1, b"opening", whole=False, continues=False)
    writer.add(2, Kind.LIVE, [b"seen"])
    assert not await made.close(0.0)
    writer.close(3)
    assert await made.close(20.0)
    await until(lambda: listener.results, "the result")
    [file] = (tmp_path / "seen").iterdir()
    assert listener.results[0].name == file.name
    recording = Recording(file)
    assert recording.header.started_at == "2023-11-14T22:13:20Z"
    assert recording.header.version == "9.9"
    assert recording.header.user == "ann"
    recording.close()


async def test_a_place_that_is_refused(tmp_path: Path) -> None:
    """Neither checked nor begun."""
    (tmp_path / "seen").symlink_to(tmp_path)
    made = Recordings(always(folder(tmp_path / "seen")))
    with pytest.raises(RecordingError, match="link"):
        await made.check()
    with pytest.raises(RecordingError, match="link"):
        await made.begin(HEADER, Listener())


async def test_a_full_disk_at_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of a recording that couldn't begin."""

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    made = Recordings(always(folder(tmp_path / "seen")))
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RecordingError, match="the disk is full"):
        await made.begin(HEADER, Listener())
    assert list((tmp_path / "seen").iterdir()) == []


async def test_a_disk_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits learns of it; what comes of it later is deleted; few may wait at a time."""
    monkeypatch.setattr(module, "MAX_PENDING", 2)
    made = Recordings(always(folder(tmp_path / "seen")), disk_timeout_s=0.05)
    answers = threading.Event()
    create = made.folder.create

    def slow(started_at: float, instance: str, viewer: str) -> tuple[str, int]:
        assert answers.wait(20.0)
        return create(started_at, instance, viewer)

    monkeypatch.setattr(made.folder, "create", slow)
    with pytest.raises(RecordingError, match="doesn't answer"):
        await made.begin(HEADER, Listener())
    with pytest.raises(RecordingError, match="doesn't answer"):
        await made.begin(HEADER, Listener())
    with pytest.raises(RecordingError, match="doesn't answer"):
        await made.check()
    answers.set()
    # The other one finds its name taken, since both are of the same second.
    await until(lambda: made._pending == 0, "late answers")
    await until(lambda: not list((tmp_path / "seen").iterdir()), "nothing is left of it")
    made._disk_timeout_s = WAIT_S
    await made.check()


async def test_it_is_kept_tidy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody coming: what is too old goes, again and again."""
    monkeypatch.setattr(module, "TIDY_INTERVAL_S", 0.01)
    made = Recordings(always(folder(tmp_path, max_age_s=1000.0)))
    watching = asyncio.ensure_future(made.watch())
    try:
        old = tmp_path / "20200101T000000Z-i-1-v-1.vncrec"
        for _ in range(2):
            old.touch()
            os.utime(old, (0, 0))
            await until(lambda: not old.exists(), "it goes")
    finally:
        watching.cancel()
        await asyncio.wait([watching])
