"""What was learned about instances, kept in a file that may be shared, damaged or foreign."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import itertools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from vncproxy.instances import keepalive_memory as module
from vncproxy.instances.keepalive_memory import (
    MAX_AGE_S,
    MAX_EARLIER,
    Learned,
    LearnedStore,
    Opaque,
)

NOW = 1_790_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "learned.json"


def at(now: float) -> Callable[[], float]:
    return lambda: now


OPAQUE = Opaque(b"RFB 003.008\n\1\x13", NOW - 5.0, untouched=True)


def lesson(learned_at: float = NOW, *, opaque: bool = False) -> Learned:
    return Learned("input", 2, (60.1, 59.9), "", OPAQUE if opaque else None, learned_at)


async def test_what_was_put_is_got_by_another_process(path: Path) -> None:
    """A lesson survives a restart, whole."""
    await LearnedStore(path, at(NOW)).put("i-1", lesson(opaque=True))
    again = LearnedStore(path, at(NOW + 5.0))
    assert await again.get("i-1") == lesson(opaque=True)
    assert await again.get("i-2") is None


async def test_a_new_lesson_replaces_the_old_one(path: Path) -> None:
    """The last word counts, and other instances keep theirs."""
    store = LearnedStore(path, at(NOW))
    await store.put("i-1", lesson())
    await store.put("i-2", lesson())
    newer = Learned("any", 0, (), "unknown message type 9", None, NOW + 1.0)
    await store.put("i-1", newer)
    assert await store.get("i-1") == newer
    assert await store.get("i-2") == lesson()


async def test_what_is_forgotten_is_gone(path: Path) -> None:
    """Of one instance only; whether there was anything is reported."""
    store = LearnedStore(path, at(NOW))
    await store.put("i-1", lesson())
    await store.put("i-2", lesson())
    assert await store.forget("i-1")
    assert not await store.forget("i-1")
    again = LearnedStore(path, at(NOW))
    assert await again.get("i-1") is None
    assert await again.get("i-2") == lesson()


async def test_the_file_is_private_and_has_the_written_shape(path: Path) -> None:
    """Mode 0600, and the keys that the module's docstring promises."""
    await LearnedStore(path, at(NOW)).put("i-1", lesson(opaque=True))
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {
        "version": 1,
        "instances": {
            "i-1": {
                "keepalive": {"class": "input", "evidence": 2, "earlier_ts_s": [60.1, 59.9]},
                "unknown": "",
                "opaque": {
                    "greeting": OPAQUE.greeting.hex(),
                    "since": NOW - 5.0,
                    "untouched": True,
                },
                "learned_at": NOW,
            }
        },
    }


@pytest.mark.parametrize(
    ("age_s", "known"),
    [(0.0, True), (MAX_AGE_S - 1, True), (MAX_AGE_S, False), (-3600.0, True), (-MAX_AGE_S, False)],
)
async def test_a_lesson_holds_for_seven_days(path: Path, age_s: float, known: bool) -> None:
    """The age counts from learned_at; a clock set back can't make a lesson last for ever."""
    await LearnedStore(path, at(NOW)).put("i-1", lesson(NOW))
    assert (await LearnedStore(path, at(NOW + age_s)).get("i-1") is not None) is known


async def test_expired_lessons_leave_the_file(path: Path) -> None:
    """The next put drops what has expired."""
    await LearnedStore(path, at(NOW)).put("i-1", lesson(NOW))
    later = NOW + MAX_AGE_S + 1
    await LearnedStore(path, at(later)).put("i-2", lesson(later))
    assert list(json.loads(path.read_text())["instances"]) == ["i-2"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe",
        b"[1, 2]",
        b'{"version": 2, "instances": {}}',
        b'{"version": 1}',
        b'{"version": 1, "instances": 7}',
        b"[" * 200_000,
        b'{"version": 1, "instances": {}, "pad": "' + b"x" * module.MAX_FILE_BYTES + b'"}',
    ],
    ids=["empty", "binary", "list", "newer", "half", "wrong type", "deep", "huge"],
)
async def test_a_damaged_or_foreign_file_means_starting_fresh(path: Path, content: bytes) -> None:
    """Nothing is known then, the log says so, and the next put makes a good file."""
    path.write_bytes(content)
    store = LearnedStore(path, at(NOW))
    with capture_logs() as logs:
        assert await store.get("i-1") is None
    assert [entry["event"] for entry in logs] == ["learned.started_fresh"]
    await store.put("i-1", lesson())
    assert await store.get("i-1") == lesson()


@pytest.mark.parametrize(("spare_bytes", "known"), [(0, True), (-1, False)])
async def test_a_file_is_read_up_to_its_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch, spare_bytes: int, known: bool
) -> None:
    """The whole of it, or nothing: cut off it would be no JSON."""
    await LearnedStore(path, at(NOW)).put("i-1", lesson())
    monkeypatch.setattr(module, "MAX_FILE_BYTES", path.stat().st_size + spare_bytes)
    assert (await LearnedStore(path, at(NOW)).get("i-1") is not None) is known


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {},
        {"keepalive": {"class": "", "evidence": 0, "earlier_ts_s": []}},
        {
            "keepalive": {"class": "any", "evidence": -1, "earlier_ts_s": []},
            "opaque": False,
            "learned_at": NOW,
        },
        {
            "keepalive": {"class": "any", "evidence": 0, "earlier_ts_s": ["60"]},
            "opaque": False,
            "learned_at": NOW,
        },
    ],
)
async def test_one_bad_entry_costs_only_itself(path: Path, entry: object) -> None:
    """The other instances' lessons stay."""
    await LearnedStore(path, at(NOW)).put("i-1", lesson())
    document = json.loads(path.read_text())
    document["instances"]["i-bad"] = entry
    path.write_text(json.dumps(document))
    store = LearnedStore(path, at(NOW))
    with capture_logs() as logs:
        assert await store.get("i-bad") is None
        assert await store.get("i-1") == lesson()
    assert {entry["event"] for entry in logs} == {"learned.entry_dropped"}


async def test_the_number_of_instances_is_bounded(path: Path) -> None:
    """Beyond the bound the oldest lessons go."""
    store = LearnedStore(path, at(NOW), max_instances=3)
    for number in (5, 1, 4, 2, 3):
        await store.put(f"i-{number}", lesson(NOW + number))
    assert sorted(json.loads(path.read_text())["instances"]) == ["i-3", "i-4", "i-5"]


async def test_the_earlier_times_are_bounded(path: Path) -> None:
    """The newest ones are kept."""
    times = tuple(float(n) for n in range(100))
    store = LearnedStore(path, at(NOW))
    await store.put("i-1", Learned("any", 0, times, "", None, NOW))
    kept = await store.get("i-1")
    assert kept is not None
    assert kept.earlier_s == times[-MAX_EARLIER:]


async def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    """Stores that write at once each find their own lesson and everybody else's."""
    stores = [LearnedStore(path, at(NOW)) for _ in range(24)]
    await asyncio.gather(*(store.put(f"i-{n}", lesson()) for n, store in enumerate(stores)))
    found = await asyncio.gather(*(stores[0].get(f"i-{n}") for n in range(24)))
    assert found == [lesson()] * 24


async def test_a_lock_that_nobody_gives_up_is_logged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for the lock is bounded; the lesson is lost, the console isn't."""
    monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 0.05)
    lock = os.open(path.with_name("learned.json.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with capture_logs() as logs:
        await LearnedStore(path, at(NOW)).put("i-1", lesson())
    os.close(lock)
    assert [entry["event"] for entry in logs] == ["learned.not_saved"]
    assert not path.exists()


async def test_a_missing_directory_is_logged(tmp_path: Path) -> None:
    """What can't be saved is reported in the log, nothing is raised, and this process knows it."""
    store = LearnedStore(tmp_path / "missing" / "learned.json", at(NOW))
    with capture_logs() as logs:
        await store.put("i-1", lesson())
        assert await store.get("i-1") == lesson()
    assert [entry["event"] for entry in logs] == ["learned.not_saved"]
    (tmp_path / "missing").mkdir()
    await store.put("i-2", lesson())
    again = LearnedStore(tmp_path / "missing" / "learned.json", at(NOW))
    assert await again.get("i-1") == await again.get("i-2") == lesson()


async def test_a_file_that_can_not_be_read_is_not_written_over(path: Path) -> None:
    """A directory in its place, for example: nothing is known, and nothing is lost."""
    path.mkdir()
    store = LearnedStore(path, at(NOW))
    with capture_logs() as logs:
        assert await store.get("i-1") is None
        await store.put("i-1", lesson())
    assert [entry["event"] for entry in logs] == ["learned.not_read", "learned.not_saved"]
    assert path.is_dir()
    assert await store.get("i-1") == lesson()


async def test_without_file_descriptors_nothing_is_forgotten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file held is known still, and what is learned meanwhile is saved afterwards."""
    await LearnedStore(path, at(NOW)).put("i-1", lesson())
    await LearnedStore(path, at(NOW)).put("i-2", lesson())
    seconds = itertools.count(step=10)
    store = LearnedStore(path, at(NOW), clock=lambda: next(seconds))
    await store.load()

    def fails(*what: object, **how: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(os, "open", fails)
        patch.setattr(Path, "open", fails)
        assert await store.get("i-1") == lesson()
        await store.put("i-3", lesson())
        assert not await store.forget("i-2")
        assert await store.get("i-2") is None
    assert {entry["reason"] for entry in logs} == {"out of file descriptors (LimitNOFILE)"}
    assert {entry["event"] for entry in logs} == {"learned.not_read", "learned.not_saved"}
    await store.put("i-4", lesson())
    again = LearnedStore(path, at(NOW))
    known = {one: await again.get(one) for one in ("i-1", "i-2", "i-3", "i-4")}
    assert known == {"i-1": lesson(), "i-2": None, "i-3": lesson(), "i-4": lesson()}


async def test_what_was_read_just_now_is_not_read_again(path: Path) -> None:
    """A burst of openings costs one look at the file; another process's lesson counts soon."""
    now = 100.0
    store = LearnedStore(path, at(NOW), clock=lambda: now)
    assert await store.get("i-1") is None
    await LearnedStore(path, at(NOW)).put("i-1", lesson())
    now += module.FRESH_S / 2
    assert await store.get("i-1") is None
    await store.put("i-2", lesson())
    assert await store.get("i-2") == lesson()
    await store.forget("i-2")
    assert await store.get("i-2") is None
    now += module.FRESH_S
    assert await store.get("i-1") == lesson()


async def test_what_another_process_learned_counts_after_a_second(path: Path) -> None:
    """Just then the file is read again, and not before."""
    now = 100.0
    store = LearnedStore(path, at(NOW), clock=lambda: now)
    assert await store.get("i-1") is None
    await LearnedStore(path, at(NOW)).put("i-1", lesson())
    now = math.nextafter(100.0 + module.FRESH_S, 0.0)
    assert await store.get("i-1") is None
    now = 100.0 + module.FRESH_S
    assert await store.get("i-1") == lesson()
