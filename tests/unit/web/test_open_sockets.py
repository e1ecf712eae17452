"""Counting who is here."""

from __future__ import annotations

import asyncio

import pytest

from vncproxy.web.open_sockets import OpenSockets


async def test_nobody_is_waited_for() -> None:
    """The wait ends when the last has gone, also by an error."""
    presence = OpenSockets()
    await asyncio.wait_for(presence.nobody(), 1)
    with presence.here():
        waiting = asyncio.create_task(presence.nobody())
        with pytest.raises(ZeroDivisionError), presence.here():
            raise ZeroDivisionError
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 1)
