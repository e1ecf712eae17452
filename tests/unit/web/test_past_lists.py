"""Indexes that are refreshed in a thread, and asked meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.past import write_recording
from tests.clock import settle
from tests.past import AuditWriterForTests, closed, opened
from tests.setup import until
from tests.unit.recording.surroundings import folder
from vncproxy.errors import AccessError, LocalError
from vncproxy.recording.playback_cache import Lease
from vncproxy.web import past_lists
from vncproxy.web.past_lists import Refresh


class SlowIndex:
    """Goes on when it is let."""

    def __init__(self) -> None:
        self.progress: float | None = 0.5
        self.begun = 0
        self.goes_on = threading.Event()
        self.fault: Exception | None = None

    def refresh(self, stopped: Callable[[], bool]) -> None:
        self.begun += 1
        assert self.goes_on.wait(60)
        if self.fault is not None:
            raise self.fault


async def test_who_waits_gets_what_was_there_when_they_came() -> None:
    """One that runs already may have missed it: another follows; several share that one."""
    index = SlowIndex()
    refresh = Refresh(index, "slow", lambda: False)
    assert not await refresh.done(0.001)
    await until(lambda: index.begun, "the thread")
    assert refresh.progress == 0.5
    assert not await refresh.done(0.001)
    assert index.begun == 1
    index.progress = None
    assert refresh.progress == past_lists.ALMOST
    index.goes_on.set()
    assert await refresh.done(60)
    assert index.begun == 2


async def test_the_end_waits_for_what_is_being_read(tmp_path: Path) -> None:
    """Whoever removes the folder afterwards, as a demo does, finds nobody in it."""
    lists = past_lists.past_lists(
        tmp_path, lambda: tmp_path / "audit.jsonl", lambda: folder(tmp_path)
    )
    index = SlowIndex()
    lists.sessions_refresh = Refresh(index, "slow", lambda: False)
    watching = asyncio.create_task(lists.watch())
    await until(lambda: index.begun, "the thread")
    watching.cancel()
    await settle()
    assert not watching.done()
    index.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert lists.sessions_refresh.running is None


@pytest.mark.parametrize(
    ("fault", "text"),
    [(LocalError("The index can't be used: full."), "full"), (ValueError("x"), "a fault of the")],
)
async def test_a_failure_is_a_sentence_until_it_works_again(fault: Exception, text: str) -> None:
    index = SlowIndex()
    index.goes_on.set()
    index.fault = fault
    refresh = Refresh(index, "failing", lambda: False)
    assert await refresh.done(60)
    assert refresh.problem is not None
    assert text in refresh.problem
    index.fault = None
    assert await refresh.done(60)
    assert refresh.problem is None


async def test_after_the_end_nobody_waits() -> None:
    assert not await Refresh(SlowIndex(), "ended", lambda: True).done(None)


async def test_a_recording_is_read_while_others_come_and_go(tmp_path: Path) -> None:
    """And an audit's sessions are found."""
    writer = AuditWriterForTests(tmp_path / "audit.jsonl")
    writer.add(opened("v-1"), closed("v-1"))
    name = write_recording(tmp_path / "recordings", 1, blocks=2)
    where = folder(tmp_path / "recordings")
    lists = past_lists.past_lists(tmp_path, lambda: writer.path, lambda: where)
    assert await lists.sessions_refresh.done(60)
    assert len(await lists.call(lists.sessions.instances)) == 1
    assert (lists.folder / name).exists()
    async with lists.reading(name) as recording:
        async with lists.reading(name) as same:
            assert same is recording
        assert len(recording.blocks) == 2
    with pytest.raises(FileNotFoundError):
        async with lists.reading("nothing.vncrec"):
            pass


async def test_a_disk_that_does_not_answer_is_refused_and_what_comes_late_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write_recording(tmp_path / "recordings", 1, blocks=1)
    where = folder(tmp_path / "recordings")
    lists = past_lists.past_lists(tmp_path, lambda: tmp_path / "audit.jsonl", lambda: where)
    hung = threading.Event()
    take, given_back = lists._played.take, lists._played.give_back
    closed_late: list[object] = []

    def slow(name: str, *, anew: bool = False) -> Lease:
        assert hung.wait(60)
        return take(name, anew=anew)

    def note(lease: Lease) -> None:
        given_back(lease)
        closed_late.append(lease)

    monkeypatch.setattr(lists._played, "take", slow)
    monkeypatch.setattr(lists._played, "give_back", note)
    monkeypatch.setattr(past_lists, "CALL_TIMEOUT_S", 0.01)
    with pytest.raises(AccessError, match="doesn't answer"):
        async with lists.reading(name):
            pass
    hung.set()
    await until(lambda: closed_late, "the late answer")
