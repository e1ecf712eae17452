"""A program that a test runs: what it says is kept, and it never outlives the test."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.05
_FIRST_PORT = 11_000
"""Above those that browsers refuse."""


def _ports() -> Iterator[int]:
    """Ports below those that the kernel gives to who asks for any; each once in a round."""
    range_file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    end = int(range_file.read_text().split()[0])
    assert end > 2 * _FIRST_PORT, "the kernel gives away too many ports"
    at = random.SystemRandom().randrange(_FIRST_PORT, end)
    while True:
        yield at
        at = at + 1 if at + 1 < end else _FIRST_PORT


_PORTS = _ports()
_taken: list[socket.socket] = []


def free_port() -> int:
    """A TCP port on loopback that is free, and that nobody is given unasked before it is used.

    Nor does another process of the tests get it as long as this one lives.
    """
    for port in _PORTS:
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                mark.bind(f"\0vncproxy-tests-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                mark.close()
                continue
        _taken.append(mark)
        return port
    raise AssertionError


@asynccontextmanager
async def running(
    *command: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    pass_fds: Sequence[int] = (),
    terminal: int | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program as a process group of its own, ended with all its children afterwards.

    Args:
        command: Program and arguments.
        log: Gets its output.
        env: Its environment, default ours.
        stdin: Given to it at once, default nothing.
        pass_fds: Descriptors that it has too.
        terminal: A descriptor that is its input and output.
    """
    source = asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE
    if terminal is not None:
        source = terminal
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=source,
            stdout=output if terminal is None else terminal,
            stderr=output,
            env=None if env is None else dict(env),
            start_new_session=True,
            pass_fds=pass_fds,
        )
    try:
        if stdin is not None and process.stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            break
        process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            continue
    # Children that outlived it, such as a browser's or an X server's.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def until(
    condition: Callable[[], Awaitable[bool]],
    what: str,
    *,
    process: asyncio.subprocess.Process | None = None,
    log: Path | None = None,
    timeout_s: float = START_TIMEOUT_S,
) -> None:
    """Wait until the condition holds.

    Raises:
        AssertionError: It took longer than timeout_s, or the process ended before; with the end of
            its log.
    """

    def log_end() -> str:
        return "" if log is None else f"\n{log.read_text(errors='replace')[-2000:]}"

    try:
        async with asyncio.timeout(timeout_s):
            while not await condition():
                if process is not None and process.returncode is not None:
                    raise AssertionError(f"{what}: it ended with {process.returncode}{log_end()}")
                await asyncio.sleep(POLL_INTERVAL_S)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {timeout_s} s{log_end()}") from None


async def answers(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections on this loopback port."""
    try:
        _, writer = await asyncio.open_connection(address, port)
    except OSError:
        return False
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return False
    return True
