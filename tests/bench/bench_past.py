"""How long the lists of the past take.

Run by hand: python -m tests.bench.bench_past [RECORDS] [RECORDINGS] [BYTES]

Makes an audit of so many records (1,000,000), so many recordings (2,000) and one of so many bytes
(3 GiB), and prints: how long the indexes take to be made and to be looked after, seconds for each
kind of search (the middle and the longest of several, and the processor's time), the memory of the
process, and the sizes of the files.
`--keep FOLDER` keeps what was made, and takes it the next time.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.past import (
    BEGAN_AT,
    STEP_S,
    make_audit,
    write_long_recording,
    write_recording,
)
from vncproxy.audit.session_index import SessionIndex, SessionQuery
from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.playback_cache import PlaybackCache
from vncproxy.recording.recording_index import RecordingIndex, RecordingQuery

RECORDS, RECORDINGS = 1_000_000, 2_000
LIMIT = 100
TIMES = 5
HOUR_MS = 3_600_000
LONG_BYTES = 3 << 30


@dataclass(frozen=True)
class Figure:
    """One line of the report.

    Args:
        seconds: Of several, where it was done more than once, the one in the middle.
        longest: Of them.
        cpu: Seconds of the processor's time, the middle too: what a busy machine doesn't change.
        found: How many rows.
    """

    what: str
    seconds: float
    longest: float = 0.0
    cpu: float = 0.0
    found: int = 0

    def __str__(self) -> str:
        """For people."""
        times = f"{self.seconds:8.3f} s {self.longest:8.3f} s {self.cpu:8.3f} s"
        return f"{self.what:44} {times} {self.found:9}"


def timed(what: str, work: Callable[[], int], times: int = TIMES) -> Figure:
    """Do it so many times."""
    seconds: list[float] = []
    cpu: list[float] = []
    found = 0
    for _ in range(times):
        began, cpu_began = time.perf_counter(), time.process_time()
        found = work()
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
    return Figure(what, median(seconds), max(seconds), median(cpu), found)


async def _beside(
    refresh: Callable[[SessionIndex], int], index: SessionIndex, late_ms: list[float]
) -> int:
    """Refresh in a thread; how late the event loop is meanwhile, once a millisecond."""
    working = asyncio.get_running_loop().run_in_executor(None, refresh, index)
    while not working.done() or not late_ms:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        late_ms.append((time.perf_counter() - began) * 1000 - 1)
    return await working


def sessions_figures(folder: Path, records: int) -> Iterator[Figure]:
    """Of past sessions."""
    audit = folder / "audit.jsonl"
    if not audit.exists():
        make_audit(audit, records)
    index = SessionIndex(folder / "past-sessions.sqlite", lambda: audit)

    def refresh(one: SessionIndex) -> int:
        one.refresh()
        return 0

    late_ms: list[float] = []
    yield timed("the index is made", lambda: asyncio.run(_beside(refresh, index, late_ms)), 1)
    late_ms.sort()
    yield Figure("meanwhile an event loop is late, 99 %", late_ms[len(late_ms) * 99 // 100] / 1000)
    yield timed("nothing is new", lambda: refresh(index))
    again = SessionIndex(folder / "past-sessions.sqlite", lambda: audit)
    yield timed("the daemon is started anew", lambda: refresh(again), 1)
    every = [one.key for one in index.instances()]
    ends_ms = round((BEGAN_AT + records * STEP_S) * 1000)
    half_ms = round((BEGAN_AT + records * STEP_S / 2) * 1000)
    searches = {
        "the newest": SessionQuery(every),
        "of one instance": SessionQuery(every[:1]),
        "of one user": SessionQuery(every, user="user07"),
        "of a user who isn't there": SessionQuery(every, user="nobody"),
        "of the last hour": SessionQuery(every, since_ms=ends_ms - HOUR_MS),
        "of an hour long ago": SessionQuery(every, since_ms=half_ms, until_ms=half_ms + HOUR_MS),
        "the oldest": SessionQuery(every, before=(round((BEGAN_AT + 9999) * 1000), 0)),
    }
    for what, query in searches.items():

        def search(query: SessionQuery = query) -> int:
            index.find(query, LIMIT)
            return index.count(query)

        yield timed(f"sessions: {what}", search)


def recordings_figures(folder: Path, count: int) -> Iterator[Figure]:
    """Of recordings."""
    place = folder / "recordings"
    if not place.exists():
        for number in range(count):
            write_recording(place, number)
    recordings = RecordingFolder(place, max_bytes=1 << 50, max_age_s=1e9)
    index = RecordingIndex(folder / "recordings.sqlite", lambda: recordings)

    def refresh() -> int:
        index.refresh()
        return 0

    yield timed("the recordings' index is made", refresh, 1)
    yield timed("nothing is new", refresh)
    ids = {one for one, _, _ in index.instances()}

    def search(query: RecordingQuery) -> int:
        index.find(query, LIMIT)
        return index.count(query)

    yield timed("recordings: the newest", lambda: search(RecordingQuery(ids)))
    yield timed("recordings: of one user", lambda: search(RecordingQuery(ids, user="user07")))


def long_figures(folder: Path, size_bytes: int) -> Iterator[Figure]:
    """Of one very long recording."""
    place = folder / "long"
    if not place.exists():
        write_long_recording(place, size_bytes)
    recordings = RecordingFolder(place, max_bytes=1 << 50, max_age_s=1e9)
    index = RecordingIndex(folder / "long.sqlite", lambda: recordings)
    (name,) = (one.name for one in place.iterdir())

    def refresh() -> int:
        index.refresh()
        return 0

    yield timed("a long recording is read for the index", refresh, 1)
    played = PlaybackCache(lambda: recordings)

    def open_anew() -> int:
        lease = played.take(name, anew=True)
        played.give_back(lease)
        return len(lease.recording.blocks)

    def to_the_end() -> int:
        lease = played.take(name)
        blocks = lease.recording.blocks
        next(lease.recording.records(len(blocks) - 1))
        played.give_back(lease)
        return len(blocks)

    yield timed("it is opened to be played", open_anew)
    yield timed("its last block is begun", to_the_end)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("records", type=int, nargs="?", default=RECORDS)
    parser.add_argument("recordings", type=int, nargs="?", default=RECORDINGS)
    parser.add_argument("long_bytes", type=int, nargs="?", default=LONG_BYTES)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with _folder(options.keep) as folder:
        for one in folder.glob("*.sqlite*"):
            one.unlink()
        print(f"{'':44} {'middle':>10} {'longest':>10} {'processor':>10} {'found':>9}")
        for figures in (
            sessions_figures(folder, options.records),
            recordings_figures(folder, options.recordings),
            long_figures(folder, options.long_bytes),
        ):
            for figure in figures:
                print(figure, flush=True)
        print(f"{'memory, at most':48} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} KiB")
        for path in sorted(folder.glob("*.*l*")):
            print(f"{path.name:48} {path.stat().st_size / 1e6:8.1f} MB")


if __name__ == "__main__":
    main()
