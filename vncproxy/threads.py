"""The way from a thread back to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVarTuple

_Arguments = TypeVarTuple("_Arguments")


def call_in_loop(
    loop: asyncio.AbstractEventLoop,
    function: Callable[[*_Arguments], object],
    *arguments: *_Arguments,
) -> None:
    """Have an event loop call this soon; for any thread.

    Nothing happens where the loop is closed: what the thread waited for, such as a disk or a
    directory far away, answered so late that the daemon has ended meanwhile.
    """
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)
