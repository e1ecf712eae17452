"""What commands do their work with: the configuration and an event loop."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from vncproxy.commands.command import DONE
from vncproxy.commands.output import print_note

if TYPE_CHECKING:
    from vncproxy.config.load import Loaded
    from vncproxy.config.model import Config

ResultT = TypeVar("ResultT")


def load_config(options: argparse.Namespace) -> Loaded:
    """The configuration that --config, the environment or a usual place names.

    Raises:
        ConfigError: It can't be read, or something in it is wrong.
    """
    from vncproxy.config.load import load

    return load(options.config, os.environ)


def run_async(options: argparse.Namespace, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a command's work in an event loop; gives its result, raises what it raises.

    Args:
        options: `resources` gets the loop to close. A process that ends doesn't: closing waits for
            threads in calls that may hang.
        work: The command's.
    """
    import asyncio

    import uvloop

    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    options.resources.enter_context(runner)
    return runner.run(work)


async def while_it_is_read(work: Coroutine[Any, Any, None]) -> None:
    """Run what prints without end, as long as somebody reads the standard output.

    Raises:
        BrokenPipeError: Its reader has left, noticed also while nothing is printed; and what the
            work raises.
    """
    import asyncio
    import errno
    import select
    import sys
    from contextlib import suppress

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in one"
    has_left = False

    def leave() -> None:
        nonlocal has_left
        has_left = True
        loop.remove_reader(ends)
        task.cancel()

    with select.epoll() as ends:
        # Without any event asked for, EPOLLERR and EPOLLHUP come; a regular file has no reader.
        with suppress(OSError):
            ends.register(sys.stdout.fileno(), 0)
        loop.add_reader(ends, leave)
        try:
            await work
        except asyncio.CancelledError:
            if not has_left or task.uncancel():
                raise
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
        finally:
            loop.remove_reader(ends)


def run_with_config(
    options: argparse.Namespace, work: Callable[[Config], Coroutine[Any, Any, int]]
) -> int:
    """Load the configuration, then run the work with it; see `run_async` and `log_errors_only`.

    Raises:
        ConfigError: As of `load_config`; and what the work raises.
    """
    loaded = load_config(options)
    log_errors_only()
    return run_async(options, work(loaded.config))


def run_until_ctrl_c(
    options: argparse.Namespace, work: Callable[[Config], Coroutine[Any, Any, None]]
) -> int:
    """Load the configuration and run what prints without end, until Ctrl+C, which is its usual end.

    Returns:
        The exit status.

    Raises:
        BrokenPipeError: The reader of the output has left; and as of `run_with_config`.
    """
    import sys

    async def printing(config: Config) -> int:
        await while_it_is_read(work(config))
        return DONE

    try:
        return run_with_config(options, printing)
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            # The terminal has written ^C, and leaves the cursor behind it.
            print_note("")
        return DONE


def log_errors_only() -> None:
    """Let what the command prints be all, but for errors, which go to standard error."""
    from vncproxy.observe.logging import configure

    configure(format="console", level="error")
