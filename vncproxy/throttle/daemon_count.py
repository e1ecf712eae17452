"""How many daemons share the budget, kept in a file for times when the server can't be asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from vncproxy.durable_files import replace_file

_log = structlog.get_logger("vncproxy.throttle")

FILE_NAME = "daemons"

UNKNOWN = 2
"""Assumed before any count: a shared budget has at least two daemons."""

MAX_DAEMONS = 1000
"""A count above this is damage: every daemon's share would be the least anyway."""


class DaemonCount:
    """The last known number of daemons, kept in a file of the state directory.

    Args:
        path: Made when a count is noted; its folder must exist by then.
    """

    def __init__(self, path: Path) -> None:
        """Read what there is; a file that isn't ours counts as none."""
        self._path = path
        self._daemons = _read(path)

    @property
    def daemons(self) -> int:
        """How many, this one included."""
        return self._daemons or UNKNOWN

    async def note(self, daemons: int) -> None:
        """Remember a count; where the file can't be written, only until the restart."""
        count = min(max(1, daemons), MAX_DAEMONS)
        if count == self._daemons:
            return
        self._daemons = count
        try:
            await asyncio.to_thread(replace_file, self._path, f"{count}\n".encode())
        except OSError as error:
            _log.warning("throttle.daemon_count_not_kept", why=error.strerror)


def _read(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            text = file.read(8)
        count = int(text)
    except (OSError, ValueError):
        return None
    return count if 1 <= count <= MAX_DAEMONS else None
