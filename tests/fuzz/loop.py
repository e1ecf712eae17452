"""One event loop for all inputs of a process: to make one takes longer than most inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")


@lru_cache(1)
def _loop() -> asyncio.AbstractEventLoop:
    # Made when the first input needs it: by the process that goes on to use it.
    return asyncio.new_event_loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result.

    Raises:
        AssertionError: A task is left, or the loop was told of an exception that nobody took.
    """
    loop, faults = _loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        assert not left, left
        assert not faults, faults


def close_loop() -> None:
    """No input follows."""
    if _loop.cache_info().currsize:
        _loop().close()
        _loop.cache_clear()
