"""The power of a real QEMU behind an instance. Source: QEMU QMP reference."""

from __future__ import annotations

import asyncio
import json

_TIMEOUT_S = 10.0


async def switch(socket_path: str, *, restarts: bool) -> None:
    """Reset a machine, or end it.

    Args:
        socket_path: Of its QMP, a Unix socket that nobody else is connected to.
        restarts: Whether it is reset; else it ends, and can't be started again.

    Raises:
        OSError: It can't be reached, or refuses.
    """
    async with asyncio.timeout(_TIMEOUT_S):
        reader, writer = await asyncio.open_unix_connection(socket_path)
        try:
            await reader.readline()
            for command in ("qmp_capabilities", "system_reset" if restarts else "quit"):
                writer.write(json.dumps({"execute": command}).encode() + b"\n")
                await writer.drain()
                await _result(reader, command)
        finally:
            writer.close()
            await writer.wait_closed()


async def _result(reader: asyncio.StreamReader, command: str) -> None:
    """Wait until it is done; events come in between, and the end instead of the answer to quit."""
    while line := await reader.readline():
        answer = json.loads(line)
        if "error" in answer:
            raise OSError(f"{command}: {answer['error']}")
        if "return" in answer:
            return
    if command != "quit":
        raise OSError(f"QEMU ended during {command}")
