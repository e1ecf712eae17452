"""Counting open sockets."""

from __future__ import annotations

import asyncio

import pytest

from vncproxy.web.open_sockets import OpenSockets


async def test_the_last_one_is_waited_for() -> None:
    """The wait ends when the last has gone, also by an error."""
    open_sockets = OpenSockets()
    await asyncio.wait_for(open_sockets.all_closed(), 1)
    with open_sockets.one():
        waiting = asyncio.create_task(open_sockets.all_closed())
        with pytest.raises(ZeroDivisionError), open_sockets.one():
            raise ZeroDivisionError
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 1)
