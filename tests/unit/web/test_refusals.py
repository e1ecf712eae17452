"""Refusals for the audit."""

from __future__ import annotations

import asyncio

import pytest

from vncproxy.observe.audit_record import Entry, Event
from vncproxy.web import refusals as module
from vncproxy.web.refusals import MAX_KINDS, WINDOW_S, Refusals


def refusal(user: str = "ann", text: str = "Try again in 5 s.") -> Entry:
    """One of a kind, whatever its text."""
    return Entry(event=Event.REFUSAL, user=user, code=429, reason="too-many", text=text)


def test_the_first_is_recorded_and_the_rest_counted() -> None:
    """Once a minute, with the newest text; a kind that stops is forgotten."""
    ours = Refusals()
    assert [one.count for one in ours.note(refusal(), 0.0)] == [1]
    for second in range(749):
        assert ours.note(refusal(text=f"Try again in {second} s."), 0.1) == []
    assert ours.due(WINDOW_S - 0.1) == []
    [told] = ours.due(WINDOW_S)
    assert (told.count, told.text) == (749, "Try again in 748 s.")
    assert ours.due(2 * WINDOW_S) == []
    assert [one.count for one in ours.note(refusal(), 2 * WINDOW_S)] == [1]


def test_kinds_are_told_apart() -> None:
    """Another user's refusal is another."""
    ours = Refusals()
    assert len(ours.note(refusal("ann"), 0.0) + ours.note(refusal("bob"), 0.0)) == 2


def test_nothing_is_missing_at_the_end() -> None:
    """What is outstanding is recorded, once."""
    ours = Refusals()
    for _ in range(5):
        ours.note(refusal(), 0.0)
    assert [one.count for one in ours.rest()] == [4]
    assert ours.rest() == []


def test_many_kinds_are_bounded_and_none_is_lost() -> None:
    """The oldest is recorded when it has to go."""
    ours = Refusals()
    counts = 0
    for number in range(3 * MAX_KINDS):
        for _ in range(2):
            counts += sum(one.count or 0 for one in ours.note(refusal(f"user-{number}"), 0.0))
    counts += sum(one.count or 0 for one in ours.rest())
    assert counts == 6 * MAX_KINDS


async def test_it_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a count doesn't wait for the next refusal."""
    monkeypatch.setattr(module, "WINDOW_S", 0.0)
    monkeypatch.setattr(module, "LOOK_INTERVAL_S", 0.001)
    ours, told = Refusals(), asyncio.Queue[Entry]()
    for _ in range(3):
        ours.note(refusal(), 0.0)
    watching = asyncio.create_task(ours.watch(told.put_nowait))
    async with asyncio.timeout(10):
        assert (await told.get()).count == 2
    watching.cancel()
    await asyncio.wait([watching])
