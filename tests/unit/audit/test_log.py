"""The audit as the event loop sees it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.clock import FakeClock, ProcessClock, settle
from tests.disks import Disk
from tests.setup import WAIT_S
from vncproxy.audit.chained_file import AuditFile
from vncproxy.audit.log import RECORDS_PER_TURN, AuditLog, NullAudit
from vncproxy.audit.record import Entry, Event
from vncproxy.audit.verification import Verification, verify
from vncproxy.errors import AuditError

OPEN = Entry(event=Event.OPEN, user="ann")
CLOSE = Entry(event=Event.CLOSE, user="ann")
FULL = "The audit can't be written: its disk is full. Until it can, nothing is opened"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "audit.jsonl"


@asynccontextmanager
async def opened(path: Path, **how: Any) -> AsyncIterator[AuditLog]:
    """An audit that tries again soon."""
    audit = AuditLog(path, **{"first_pause_s": 0.01, "write_timeout_s": WAIT_S, **how})
    await audit.open()
    try:
        yield audit
    finally:
        await audit.close(5.0)


def verdict(path: Path, head: str | None = None) -> Verification:
    with path.open("rb") as lines:
        return verify(lines, head)


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_bytes().splitlines()]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_record_is_on_the_disk_when_record_returns(path: Path) -> None:
    """With whatever was handed over before it."""
    async with opened(path) as audit:
        audit.record_later(CLOSE)
        await audit.record(OPEN, CLOSE)
        assert events(path) == ["close", "open", "close"]
        assert audit.problem is None


async def test_it_is_synced_when_record_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written isn't enough: a power cut must not take it."""
    disk = Disk(monkeypatch, path)
    async with opened(path) as audit:
        disk.failing = True
        with pytest.raises(AuditError, match="its disk fails"):
            await audit.record(OPEN)
        disk.failing = False


async def test_many_at_once_share_a_sync(path: Path) -> None:
    """All are written, in the order in which they came."""
    async with opened(path) as audit:
        await asyncio.gather(
            *(audit.record(Entry(event=Event.OPEN, user=f"u{n}")) for n in range(300))
        )
    users = [json.loads(line)["user"] for line in path.read_bytes().splitlines()]
    assert users == [f"u{n}" for n in range(300)]
    assert verdict(path).intact


async def test_the_time_is_when_it_happened(path: Path) -> None:
    """Not when there was room for it."""
    clock = FakeClock(1000.0)
    async with opened(path, clock=clock) as audit:
        audit.record_later(CLOSE)
        clock.seconds = 2000.0
    assert json.loads(path.read_bytes())["time"] == "1970-01-01T00:16:40.000Z"


async def test_every_record_and_the_heads_go_to_the_log(path: Path) -> None:
    """A head every so often and one at the end: it verifies the file, and finds a cut."""
    with capture_logs() as log:
        async with opened(path, head_every=4) as audit:
            for _ in range(10):
                await audit.record(OPEN)
    logged = [line for line in log if line["event"] == "audit.recorded"]
    assert [line["seq"] for line in logged] == list(range(1, 11))
    assert logged[0]["what"] == "open"
    assert logged[0]["user"] == "ann"
    heads = [line for line in log if line["event"] == "audit.head"]
    assert [line["seq"] for line in heads] == [4, 8, 10]
    for head in heads:
        assert verdict(path, head["hash"]).intact
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert not verdict(path, heads[-1]["hash"]).intact


async def test_with_a_full_disk_openings_are_refused_and_ends_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal says what to do; the ends are written, in order, once there is room."""
    disk = Disk(monkeypatch, path, room=0)
    async with opened(path) as audit:
        with pytest.raises(AuditError, match=FULL):
            await audit.record(OPEN)
        for number in range(5):
            audit.record_later(Entry(event=Event.CLOSE, user=f"u{number}"))
        await until(lambda: audit.problem)
        assert path.read_bytes() == b""
        disk.room = 10**6
        await until(lambda: audit.problem is None)
        await audit.record(OPEN)
    assert events(path) == ["close"] * 5 + ["open"]
    assert verdict(path).intact


async def test_what_waits_keeps_its_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed comes before what came meanwhile."""
    disk = Disk(monkeypatch, path, room=0)
    async with opened(path) as audit:
        disk.hanging.clear()
        audit.record_later(OPEN)
        await until(lambda: disk.waiting)
        audit.record_later(CLOSE)
        disk.hanging.set()
        await until(lambda: audit.problem)
        disk.room = 10**6
    assert events(path) == ["open", "close"]


async def test_more_than_the_bound_is_reported_and_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest stay; what doesn't fit is in the log, and the file says how many that are."""
    disk = Disk(monkeypatch, path, room=0)
    with capture_logs() as log:
        async with opened(path, queue_bound=3) as audit:
            for number in range(5):
                audit.record_later(Entry(event=Event.CLOSE, user=f"u{number}"))
            assert audit.unwritten == 2
            disk.room = 10**6
            await until(lambda: events(path)[-1:] == ["unwritten"])
    logged = [line for line in log if line["event"] == "audit.unwritten"]
    assert [(line["user"], line["count"]) for line in logged] == [("u3", 1), ("u4", 2)]
    last = json.loads(path.read_bytes().splitlines()[-1])
    assert (last["seq"], last["count"]) == (4, 2)


async def test_more_openings_than_the_bound_are_refused_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that wait are counted, without what was handed over for later."""
    disk = Disk(monkeypatch, path)
    async with opened(path, queue_bound=2) as audit:
        disk.hanging.clear()
        in_hand = asyncio.create_task(audit.record(OPEN))
        await until(lambda: disk.waiting)
        audit.record_later(CLOSE)
        waiting = [asyncio.create_task(audit.record(OPEN)) for _ in range(2)]
        await asyncio.sleep(0)
        async with asyncio.timeout(10.0):
            with pytest.raises(AuditError, match="its disk doesn't answer"):
                await audit.record(OPEN)
        assert not any(one.done() for one in waiting)
        disk.hanging.set()
        await asyncio.gather(in_hand, *waiting)
    assert events(path) == ["open", "close", "open", "open"]


async def test_a_disk_that_hangs_refuses_in_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, process_clock: ProcessClock
) -> None:
    """The event loop goes on meanwhile, and what was refused unwritten isn't written later."""
    disk = Disk(monkeypatch, path)
    async with opened(path, queue_bound=2) as audit:
        await audit.record(OPEN)
        disk.hanging.clear()
        in_hand = asyncio.create_task(audit.record(Entry(event=Event.OPEN, user="in hand")))
        await until(lambda: disk.waiting)
        await process_clock.forward(WAIT_S)
        with pytest.raises(AuditError, match="its disk doesn't answer"):
            await in_hand
        assert audit.problem is not None
        waiting = [
            asyncio.create_task(audit.record(Entry(event=Event.OPEN, user="waits")))
            for _ in range(3)
        ]
        await settle()
        await process_clock.forward(WAIT_S)
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, AuditError)
        audit.record_later(CLOSE)
        disk.hanging.set()
        await until(lambda: audit.problem is None)
    users = [json.loads(line)["user"] for line in path.read_bytes().splitlines()]
    assert users == ["ann", "in hand", "ann"]


async def test_what_waited_for_the_disk_is_reported_in_turns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log gets thousands of records, in their order, and others have their turns."""
    disk = Disk(monkeypatch, path)
    logged: list[str | None] = []
    turns: Counter[int] = Counter()
    turn = 0

    def recorded(entry: Entry) -> None:
        logged.append(entry.user)
        turns[turn] += 1

    async with opened(path, recorded=recorded) as audit:
        disk.hanging.clear()
        for number in range(500):
            audit.record_later(Entry(event=Event.CLOSE, user=str(number)))
        await until(lambda: disk.waiting)
        disk.hanging.set()
        async with asyncio.timeout(60):
            while len(logged) < 500:
                turn += 1
                await asyncio.sleep(0)
        # Of two batches in one turn each has its share.
        assert max(turns.values()) <= 2 * RECORDS_PER_TURN
    assert logged == [str(number) for number in range(500)]


async def test_all_is_reported_before_the_end(path: Path) -> None:
    """However much there is to tell when it is closed."""
    logged: list[str | None] = []
    async with opened(path, recorded=lambda entry: logged.append(entry.user)) as audit:
        for number in range(500):
            audit.record_later(Entry(event=Event.CLOSE, user=str(number)))
    assert logged == [str(number) for number in range(500)]


async def test_who_gives_up_waiting_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled opening isn't recorded, unless it was being written."""
    disk = Disk(monkeypatch, path)
    async with opened(path) as audit:
        disk.hanging.clear()
        first = asyncio.create_task(audit.record(OPEN))
        await until(lambda: disk.waiting)
        second = asyncio.create_task(audit.record(CLOSE))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        disk.hanging.set()
        await first
    assert events(path) == ["open"]


async def test_at_the_end_the_log_gets_what_the_disk_does_not_take(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the time given; afterwards nothing is taken any more."""
    disk = Disk(monkeypatch, path)
    audit = AuditLog(path, gather_s=0)
    await audit.open()
    disk.hanging.clear()
    audit.record_later(OPEN)
    await until(lambda: disk.waiting)
    audit.record_later(CLOSE)
    with capture_logs() as log:
        await audit.close(0.05)
        audit.record_later(OPEN)
        with pytest.raises(AuditError, match="the daemon is stopping"):
            await audit.record(OPEN)
        with pytest.raises(AuditError, match="the daemon is stopping"):
            await audit.reopen()
    logged = [line["what"] for line in log if line["event"] == "audit.unwritten"]
    assert logged == ["close", "open"]
    assert [line["what"] for line in log if line["event"] == "audit.unsure"] == ["open"]
    disk.hanging.set()
    await asyncio.wait_for(audit._over.wait(), 10.0)


async def test_what_others_do_to_the_file_is_reported(path: Path) -> None:
    """In the log and in the file."""
    with capture_logs() as log:
        async with opened(path) as audit:
            await audit.record(OPEN)
            os.truncate(path, 20)
            await audit.record(OPEN)
    trouble = next(line for line in log if line["event"] == "audit.trouble")
    assert "was cut from" in trouble["text"]
    assert trouble["log_level"] == "error"
    assert not verdict(path).intact


async def test_one_that_was_never_opened_has_nothing_to_write(path: Path) -> None:
    """Closing it is no failure, and makes no file."""
    assert await AuditLog(path).close(0.0)
    assert not path.exists()


@pytest.mark.parametrize(
    ("last", "cut_off"), [(None, False), (Event.STOP, False), (Event.OPEN, True)]
)
async def test_the_chain_goes_on_where_it_ended(
    path: Path, last: Event | None, cut_off: bool
) -> None:
    """Its head is known from the start, and whether the last daemon came to record its stop."""
    async with opened(path) as audit:
        if last is not None:
            await audit.record(Entry(event=last))
        head = audit.head
    with capture_logs() as log:
        async with opened(path, head_every=2) as audit:
            assert (audit.head, audit.was_cut_off) == (head, cut_off)
            await audit.record(OPEN)
            assert not [line for line in log if line["event"] == "audit.head"]
            await audit.record(OPEN)
            heads = [line["seq"] for line in log if line["event"] == "audit.head"]
            assert heads == [head.seq + 2]


async def test_a_file_that_went_on_elsewhere_was_not_cut_off(path: Path) -> None:
    """Its last record says so, as a stop does."""
    async with opened(path) as audit:
        await audit.record(OPEN)
        await audit.go_on_in(path.with_name("next.jsonl"))
    assert events(path)[-1] == "continued"
    async with opened(path) as audit:
        assert not audit.was_cut_off


async def test_a_torn_line_is_reported_at_the_start(path: Path) -> None:
    """And noted with the first record."""
    async with opened(path) as audit:
        await audit.record(OPEN)
    with path.open("ab") as file:
        file.write(b'{"seq":2,')
    with capture_logs() as log:
        async with opened(path) as audit:
            await audit.record(OPEN)
    assert log[0]["event"] == "audit.trouble"
    assert verdict(path).intact
    assert verdict(path).records == 3


async def test_reopening_goes_on_in_a_new_file(path: Path) -> None:
    """Both verify; a bad file in its place is refused, and the old one stays in use."""
    async with opened(path) as audit:
        await audit.record(OPEN)
        await audit.reopen()
        path.rename(path.with_suffix(".1"))
        await audit.reopen()
        await audit.record(OPEN)
        assert events(path) == ["rotated", "open"]
        path.rename(path.with_suffix(".2"))
        path.symlink_to("/dev/null")
        with pytest.raises(AuditError, match="symbolic link"):
            await audit.reopen()
        await audit.record(CLOSE)
    assert events(path.with_suffix(".2")) == ["rotated", "open", "close"]
    assert verdict(path.with_suffix(".2")).intact


async def test_going_on_in_another_file(path: Path) -> None:
    """What was recorded before is in the old one, whose end the log has; both verify."""
    other = path.with_name("other.jsonl")
    with capture_logs() as log:
        async with opened(path) as audit:
            audit.record_later(OPEN)
            await audit.go_on_in(other)
            assert audit.path == other
            await audit.record(CLOSE)
            await audit.go_on_in(other)
    assert events(path) == ["open", "continued"]
    assert events(other) == ["rotated", "close"]
    assert verdict(other).intact
    heads = [event for event in log if event["event"] == "audit.head"]
    assert [event["file"] for event in heads] == [str(path), str(other)]
    assert heads[0]["hash"] == verdict(path).head.hash


async def test_another_file_that_can_not_be_used(path: Path) -> None:
    """Neither a link nor one in use; the old one stays."""
    link = path.with_name("link.jsonl")
    link.symlink_to(path)
    async with opened(path) as audit:
        with pytest.raises(AuditError, match="symbolic link"):
            await audit.go_on_in(link)
        with pytest.raises(AuditError, match="can't be opened"):
            await audit.go_on_in(path / "below")
        await audit.record(OPEN)
        assert audit.path == path
    with pytest.raises(AuditError, match="is stopping"):
        await audit.go_on_in(path.with_name("late.jsonl"))
    assert events(path) == ["open"]


async def test_a_disk_that_hangs_holds_up_another_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, process_clock: ProcessClock
) -> None:
    """It is given up in time, and then nothing comes of it."""
    disk = Disk(monkeypatch, path)
    async with opened(path, gather_s=0.0) as audit:
        disk.hanging.clear()
        audit.record_later(OPEN)
        await until(lambda: disk.waiting)
        other = path.with_name("other.jsonl")
        going = asyncio.create_task(audit.go_on_in(other))
        await until(lambda: audit._rotations)
        await process_clock.forward(WAIT_S)
        with pytest.raises(AuditError, match="doesn't answer"):
            await going
        disk.hanging.set()
        await audit.record(CLOSE)
        assert audit.path == path
    assert events(path) == ["open", "close"]
    assert other.read_bytes() == b""


async def test_another_file_whose_disk_hangs(
    path: Path, monkeypatch: pytest.MonkeyPatch, process_clock: ProcessClock
) -> None:
    """Once it has begun it can't be taken back: it is refused, and used when the disk answers."""
    other = path.with_name("other.jsonl")
    disk = Disk(monkeypatch, other)
    async with opened(path) as audit:
        disk.hanging.clear()
        going = asyncio.create_task(audit.go_on_in(other))
        await until(lambda: disk.waiting)
        await process_clock.forward(WAIT_S)
        with pytest.raises(AuditError, match="doesn't answer"):
            await going
        disk.hanging.set()
        await audit.record(CLOSE)
        assert audit.path == other
        await audit.go_on_in(other)
    assert events(other) == ["rotated", "close"]
    assert verdict(other).intact


async def test_a_second_daemon_is_refused(path: Path) -> None:
    """Two chains in one file would be none."""
    async with opened(path):
        with pytest.raises(AuditError, match="Another vncproxy daemon is running already"):
            await AuditLog(path).open()


async def test_nothing_is_kept_where_nothing_is_wanted() -> None:
    """The null object takes everything."""
    audit = NullAudit()
    await audit.record(OPEN)
    audit.record_later(CLOSE)
    assert audit.problem is None


_UNDER_A_LIMIT = """
    import asyncio, resource, sys
    from pathlib import Path
    from vncproxy.errors import AuditError
    from vncproxy.audit.log import AuditLog
    from vncproxy.audit.record import Entry, Event

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def main(path):
        audit = AuditLog(path, first_pause_s=0.01)
        await audit.open()
        await audit.record(Entry(event=Event.OPEN))
        limit(path.stat().st_size + 30)
        try:
            await audit.record(Entry(event=Event.VIEW))
        except AuditError as error:
            print(error.public_text)
        audit.record_later(Entry(event=Event.CLOSE))
        await asyncio.sleep(0.1)
        limit(resource.RLIM_INFINITY)
        while audit.problem:
            await asyncio.sleep(0.01)
        await audit.close(5.0)

    asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.sockets
def test_the_kernel_cuts_a_write_short(path: Path) -> None:
    """A real limit: the half record is finished once the file may grow, and all verifies."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_UNDER_A_LIMIT), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "the file may not grow any further" in ran.stdout, ran.stderr
    assert ran.returncode == 0, ran.stderr
    assert verdict(path).intact
    assert events(path) == ["open", "view", "close"]


async def test_a_record_that_cannot_be_written_stops_no_other(path: Path) -> None:
    """A fault of the daemon in one record: log and waiting hear of it, and the rest goes on."""
    impossible = Entry(event=Event.CLOSE, seconds=float("nan"))
    with capture_logs() as log:
        async with opened(path) as audit:
            audit.record_later(impossible)
            with pytest.raises(AuditError, match="a fault of the daemon, which its log describes"):
                await audit.record(impossible)
            await audit.record(OPEN)
            assert audit.problem is None
            assert audit.unwritten == 2
    # The count of those that no file could take comes first: it is due at once.
    assert sorted(set(events(path))) == ["open", "unwritten"]
    assert verdict(path).intact
    faults = [line for line in log if line["event"] == "audit.fault"]
    assert [type(line["exc_info"]) for line in faults] == [ValueError, ValueError]


async def test_a_fault_that_ends_the_thread_is_reported_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not as a disk that is slow: who waits, who comes later, and the end hear what it is."""

    def breaks(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("vncproxy.audit.batch_writer.AuditWriter.write", breaks)
    audit = AuditLog(path, write_timeout_s=WAIT_S)
    await audit.open()
    with capture_logs() as log:
        for _ in range(2):
            with pytest.raises(AuditError, match=r"fault of the daemon.* has ended its writing"):
                await audit.record(OPEN)
        with pytest.raises(AuditError, match="has ended its writing"):
            await audit.reopen()
        audit.record_later(CLOSE)
        await audit.close(60.0)
    assert "restart it" in str(audit.problem)
    (logged,) = [line for line in log if line["event"] == "audit.failed"]
    assert str(logged["exc_info"]) == "planted"
    unwritten = [line["what"] for line in log if line["event"] == "audit.unwritten"]
    assert unwritten == ["open", "close"]


async def test_what_the_disk_raises_is_no_fault_of_the_daemon(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what looking after the file raises is one; both pass."""
    async with opened(path) as audit:
        with monkeypatch.context() as broken:
            broken.setattr("vncproxy.audit.chained_file.AuditFile.changed", lambda _: 1 / 0)
            with pytest.raises(AuditError, match="a fault of the daemon"):
                await audit.record(OPEN)
            assert audit.problem is not None
        await audit.record(OPEN)
        assert audit.problem is None
    assert events(path) == ["open"]


async def test_what_nobody_waits_for_shares_a_write(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes to the disk together with the next that somebody waits for."""
    synced: list[int] = []
    sync = AuditFile.sync

    def counted(file: AuditFile) -> None:
        synced.append(file.head.seq)
        sync(file)

    async with opened(path, gather_s=60.0) as audit:
        monkeypatch.setattr(AuditFile, "sync", counted)
        audit.record_later(OPEN)
        audit.record_later(OPEN)
        await audit.record(CLOSE)
        assert synced == [3]
        monkeypatch.undo()
