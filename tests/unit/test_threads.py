"""The way from a thread back to the event loop."""

from __future__ import annotations

import asyncio
import threading

from vncproxy.threads import call_in_loop


async def test_the_loop_calls_it() -> None:
    """In its own thread, with the arguments, however busy the other one is."""
    loop = asyncio.get_running_loop()
    called: asyncio.Future[tuple[int, str, threading.Thread]] = loop.create_future()

    def function(number: int, text: str) -> None:
        called.set_result((number, text, threading.current_thread()))

    thread = threading.Thread(target=call_in_loop, args=(loop, function, 1, "a"))
    thread.start()
    assert await called == (1, "a", threading.current_thread())
    thread.join()


def test_a_loop_that_is_closed_calls_nothing() -> None:
    """The thread ends all the same, without an error."""
    loop = asyncio.new_event_loop()
    loop.close()
    called: list[int] = []
    call_in_loop(loop, called.append, 1)
    assert called == []
