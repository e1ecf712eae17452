"""Requests begin a few in a turn, in their order."""

from __future__ import annotations

import asyncio

from vncproxy.web.request_turns import RequestTurns


async def test_a_crowd_begins_in_its_order_a_few_in_a_turn() -> None:
    """Others have their turns meanwhile; one who comes late has a turn no earlier than they."""
    turns, begun = RequestTurns(3), list[int]()

    async def ask(number: int) -> None:
        await turns.begin()
        begun.append(number)

    asking = [asyncio.create_task(ask(number)) for number in range(8)]
    lengths: list[int] = []
    while len(begun) < 9:
        before = len(begun)
        await asyncio.sleep(0)
        lengths.append(len(begun) - before)
        if len(lengths) == 2:
            asking.append(asyncio.create_task(ask(8)))
    assert begun[:6] == list(range(6))
    assert sorted(begun) == list(range(9))
    # Of two turns of its own, where one ends and the next begins.
    assert max(lengths) < 2 * 3


async def test_one_alone_begins_at_once() -> None:
    """Without waiting for a turn, again and again."""
    turns = RequestTurns(1)
    for _ in range(3):
        asking = asyncio.create_task(turns.begin())
        await asyncio.sleep(0)
        assert asking.done()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_who_leaves_takes_nobody_s_turn() -> None:
    """A request whose client has gone is skipped."""
    turns, begun = RequestTurns(1), list[int]()

    async def ask(number: int) -> None:
        await turns.begin()
        begun.append(number)

    asking = [asyncio.create_task(ask(number)) for number in range(4)]
    await asyncio.sleep(0)
    asking[1].cancel()
    asking[2].cancel()
    await asyncio.wait(asking)
    assert begun == [0, 3]
