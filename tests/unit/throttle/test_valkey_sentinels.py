"""Which server more than half of the Sentinels name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vncproxy.throttle import valkey_sentinels
from vncproxy.throttle.valkey_sentinels import Ask, NoPrimaryError, primary_of

OLD = ["10.0.0.1", "6379"]
NEW = ["10.0.0.2", "6380"]


def sentinel(answer: Any) -> Ask:
    """One that gives this answer; an exception is raised, and None never comes."""

    async def ask(*words: str) -> Any:
        assert words == ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "vnc")
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


async def primary(*answers: Any) -> tuple[str, int]:
    """What Sentinels with these answers lead to."""
    return await primary_of("vnc", [sentinel(answer) for answer in answers])


@pytest.mark.parametrize(
    "answers",
    [
        [NEW],
        [NEW, NEW],
        [NEW, OLD, NEW],
        [NEW, None, NEW],
        [OSError(), NEW, NEW],
        [NEW, OLD, OSError(), NEW, NEW],
    ],
)
async def test_what_more_than_half_name_is_the_primary(answers: list[Any]) -> None:
    """Nobody waits for the rest, and a minority that is cut off isn't heard."""
    assert await primary(*answers) == ("10.0.0.2", 6380)


@pytest.mark.parametrize(
    ("answers", "most"),
    [([NEW, OLD], 1), ([NEW, OSError(), OLD], 1), ([NEW, NEW, OLD, OLD], 2)],
)
async def test_without_a_majority_there_is_none(answers: list[Any], most: int) -> None:
    """A server that half of them name may have been replaced by the others."""
    with pytest.raises(NoPrimaryError, match=f"{most} of its {len(answers)} Sentinels name the"):
        await primary(*answers)


@pytest.mark.parametrize(
    "answer",
    [
        (),
        [],
        "OK",
        ["h"],
        ["h", "x"],
        ["h", "0"],
        ["h", "65536"],
        ["a b", "1"],
        [b"h", "1"],
        [1, 2],
    ],
)
async def test_what_names_no_server_counts_for_none(answer: Any) -> None:
    """A Sentinel that knows no such service, or answers nonsense."""
    with pytest.raises(NoPrimaryError, match="its Sentinels know no service vnc"):
        await primary(answer, answer, OSError())


async def test_where_none_answers_the_first_fault_is_told() -> None:
    """It says more than their number: refused, a certificate, a password."""
    with pytest.raises(ConnectionRefusedError):
        await primary(ConnectionRefusedError(), ConnectionRefusedError())


@pytest.mark.usefixtures("idle_clock")
async def test_those_that_are_silent_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its time, all at once."""
    monkeypatch.setattr(valkey_sentinels, "SENTINEL_TIMEOUT_S", 0.05)
    with pytest.raises(TimeoutError):
        await primary(None, None, None)


async def test_who_stops_asking_leaves_no_task() -> None:
    """Those that haven't answered are asked no longer."""
    before = asyncio.all_tasks()
    asking = asyncio.create_task(primary(None, None, NEW))
    while len(asyncio.all_tasks() - before) < 4:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert asyncio.all_tasks() == before
