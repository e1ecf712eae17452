"""Questions in threads of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.clock import FakeClock
from tests.unit.console.fakes import until
from vncproxy.access import lookup_cache as module
from vncproxy.access.lookup_cache import FRESH_FOR_S, MAX_KEPT, THREADS, LookupCache

LONG_S = 20.0
SHORT_S = 0.02


class Machine:
    """What is asked, and answers when it may."""

    def __init__(self) -> None:
        """It answers at once."""
        self.asked: list[str] = []
        self.clock = FakeClock(0.0)
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.fault: Exception | None = None
        self.lookups = LookupCache(self.look_up, self.clock)

    def look_up(self, key: str) -> str:
        """In a thread."""
        self.asked.append(key)
        self.may_answer.wait(LONG_S)
        if self.fault is not None:
            raise self.fault
        return f"of-{key}-{len(self.asked)}"


@pytest.fixture
def machine() -> Iterator[Machine]:
    """One that answers in the end, or its threads would be left."""
    found = Machine()
    yield found
    found.may_answer.set()


async def test_an_answer_is_kept(machine: Machine) -> None:
    """It is asked for again after its time, or when it is to be."""
    lookups = machine.lookups
    with pytest.raises(LookupError):
        lookups.known("ann")
    for _ in range(3):
        machine.clock.forward(1)
        assert await lookups.learn("ann", LONG_S)
    assert lookups.known("ann") == "of-ann-1"
    machine.clock.forward(FRESH_FOR_S)
    assert lookups.known("ann", FRESH_FOR_S + 10) == "of-ann-1"
    with pytest.raises(LookupError):
        lookups.known("ann", FRESH_FOR_S - 10)
    assert await lookups.learn("ann", LONG_S)
    assert lookups.known("ann") == "of-ann-2"
    lookups.expire()
    machine.clock.forward(1)
    assert await lookups.learn("ann", LONG_S)
    assert lookups.known("ann") == "of-ann-3"


async def test_one_question_for_all_who_ask(machine: Machine) -> None:
    """Who has waited too long goes without; the answer comes all the same."""
    machine.may_answer.clear()
    lookups = machine.lookups
    assert await asyncio.gather(*(lookups.learn("ann", SHORT_S) for _ in range(9))) == [False] * 9
    waiting = asyncio.gather(*(lookups.learn("ann", LONG_S) for _ in range(9)))
    await asyncio.sleep(0)
    machine.may_answer.set()
    assert await waiting == [True] * 9
    assert machine.asked == ["ann"]


async def test_what_was_asked_before_is_not_fresh(machine: Machine) -> None:
    """A question that was under way when all was to be asked again is put once more."""
    machine.may_answer.clear()
    machine.clock.seconds = 1.0
    waiting = asyncio.gather(machine.lookups.learn("ann", LONG_S))
    await until(lambda: machine.asked == ["ann"])
    machine.clock.seconds = 2.0
    machine.lookups.expire()
    machine.clock.seconds = 3.0
    machine.may_answer.set()
    assert all(await waiting)
    assert machine.lookups.known("ann") == "of-ann-2"


async def test_so_many_threads_and_no_more(machine: Machine) -> None:
    """The others wait for them, and are asked when one is free."""
    machine.may_answer.clear()
    names = [f"{number}" for number in range(THREADS + 3)]
    waiting = asyncio.gather(*(machine.lookups.learn(name, LONG_S) for name in names))
    await until(lambda: len(machine.asked) == THREADS)
    await asyncio.sleep(SHORT_S)
    assert len(machine.asked) == THREADS
    machine.may_answer.set()
    assert all(await waiting)
    assert sorted(machine.asked) == names


async def test_what_is_asked_and_kept_is_bounded(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More questions get no answer; the oldest answer makes room."""
    for number in range(MAX_KEPT + 1):
        assert await machine.lookups.learn(f"{number}", LONG_S)
    assert machine.lookups.known(f"{MAX_KEPT}")
    with pytest.raises(LookupError):
        machine.lookups.known("0")
    monkeypatch.setattr(module, "MAX_ASKED", 1)
    machine.may_answer.clear()
    assert not await machine.lookups.learn("ann", SHORT_S)
    assert not await machine.lookups.learn("bob", LONG_S)
    assert "bob" not in machine.asked


async def test_a_fault_is_no_answer(machine: Machine) -> None:
    """The old one stays, and the next question is taken."""
    assert await machine.lookups.learn("ann", LONG_S)
    machine.clock.forward(FRESH_FOR_S + 1)
    machine.fault = OSError("the network is down")
    assert not await machine.lookups.learn("ann", LONG_S)
    assert machine.lookups.known("ann") == "of-ann-1"
    machine.fault = None
    assert await machine.lookups.learn("ann", LONG_S)


async def test_without_a_thread_there_is_no_answer(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the service may have no more tasks; later there is one."""

    def none(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        assert not await machine.lookups.learn("ann", LONG_S)
    assert await machine.lookups.learn("ann", LONG_S)


def test_an_answer_after_the_end_is_nobody_s(machine: Machine) -> None:
    """The daemon doesn't wait for a directory that is away."""
    before = set(threading.enumerate())
    machine.may_answer.clear()
    assert not asyncio.run(machine.lookups.learn("ann", SHORT_S))
    (thread,) = set(threading.enumerate()) - before
    assert thread.name == "lookup"
    assert thread.daemon
    machine.may_answer.set()
    thread.join(LONG_S)
    assert not thread.is_alive()
