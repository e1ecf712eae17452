"""Refusals for the audit."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from vncproxy.audit import refusals as module
from vncproxy.audit.record import Entry, Event
from vncproxy.audit.refusals import BEYOND, MAX_KINDS, MAX_RECORDS, WINDOW_S, RefusalLog


def refusal(user: str = "ann", text: str = "Try again in 5 s.") -> Entry:
    """One of a kind, whatever its text."""
    return Entry(event=Event.REFUSAL, user=user, code=429, reason="too-many", text=text)


def test_the_first_is_recorded_and_the_rest_counted() -> None:
    """Once a minute, with the newest text; a kind that stops is forgotten."""
    ours = RefusalLog()
    assert [one.count for one in ours.note(refusal(), 0.0)] == [1]
    for second in range(749):
        assert ours.note(refusal(text=f"Try again in {second} s."), 0.1) == []
    assert ours.due(WINDOW_S - 0.1) == []
    [entries] = ours.due(WINDOW_S)
    assert (entries.count, entries.text) == (749, "Try again in 748 s.")
    assert ours.due(2 * WINDOW_S) == []
    assert [one.count for one in ours.note(refusal(), 2 * WINDOW_S)] == [1]


def test_kinds_are_distinguished() -> None:
    """Another user's refusal is another."""
    ours = RefusalLog()
    assert len(ours.note(refusal("ann"), 0.0) + ours.note(refusal("bob"), 0.0)) == 2


def test_nothing_is_missing_at_the_end() -> None:
    """What is outstanding is recorded, once."""
    ours = RefusalLog()
    for _ in range(5):
        ours.note(refusal(), 0.0)
    assert [one.count for one in ours.rest()] == [4]
    assert ours.rest() == []


def test_many_kinds_are_bounded_and_none_is_lost() -> None:
    """The oldest is recorded when it has to go."""
    ours = RefusalLog()
    counts = 0
    for number in range(3 * MAX_KINDS):
        for _ in range(2):
            counts += sum(one.count or 0 for one in ours.note(refusal(f"user-{number}"), 0.0))
    counts += sum(one.count or 0 for one in ours.rest())
    assert counts == 6 * MAX_KINDS


def test_a_source_has_one_kind_from_all_its_addresses() -> None:
    """The newest address stands in the count."""
    ours, entries = RefusalLog(), []
    for number in range(250):
        entry = replace(refusal(), address=f"127.0.0.{number}")
        entries += ours.note(entry, 0.0, "uid 1000")
    assert [one.count for one in entries] == [1]
    (counted,) = ours.due(WINDOW_S)
    assert (counted.count, counted.address) == (249, "127.0.0.249")


def test_all_kinds_together_are_capped_for_each_minute() -> None:
    """However many there are, and however long it goes on; and none is missing from the sum."""
    ours, sent = RefusalLog(), 0
    entries: list[Entry] = []
    for minute in range(5):
        before = len(entries)
        for number in range(2000):
            now = minute * WINDOW_S + number / 100
            entries += ours.note(refusal(f"user-{minute if number % 2 else 0}-{number}"), now)
            sent += 1
            if number % 500 == 0:
                entries += ours.due(now)
        # One of them has the sum of the minute before.
        assert len(entries) - before <= MAX_RECORDS + 1
    entries += ours.due(5 * WINDOW_S)
    entries += ours.rest()
    assert sum(one.count or 0 for one in entries) == sent
    assert {one.reason for one in entries} == {"too-many", BEYOND}
    (last, *_) = [one for one in reversed(entries) if one.reason == BEYOND]
    assert str(MAX_RECORDS) in str(last.text)


async def test_it_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a count doesn't wait for the next refusal."""
    monkeypatch.setattr(module, "WINDOW_S", 0.0)
    monkeypatch.setattr(module, "CHECK_INTERVAL_S", 0.001)
    ours, entries = RefusalLog(), asyncio.Queue[Entry]()
    for _ in range(3):
        ours.note(refusal(), 0.0)
    watching = asyncio.create_task(ours.watch(entries.put_nowait))
    async with asyncio.timeout(60):
        assert (await entries.get()).count == 2
    watching.cancel()
    await asyncio.wait([watching])
