"""What `ps` shows of this process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_ARG_START = 48 - 3
"""Of the fields behind the program's name, which is the second. Source: proc_pid_stat(5)."""


def hide_argument(text: str) -> None:
    """Overwrite an argument of the command line by asterisks, where that is possible: on Linux.

    Who looks before is quicker; so this is for what shouldn't be seen, not for what mustn't.
    """
    import ctypes

    wanted = os.fsencode(text)
    with suppress(OSError, ValueError, IndexError):
        stat = Path("/proc/self/stat").read_text("utf-8", "replace")
        start, end = map(int, stat.rpartition(")")[2].split()[_ARG_START : _ARG_START + 2])
        shown = Path("/proc/self/cmdline").read_bytes()
        at = shown.rfind(b"\0" + wanted + b"\0")
        if not wanted or at < 0 or end - start != len(shown):
            return
        if ctypes.string_at(start, len(shown)) == shown:
            ctypes.memset(start + at + 1, ord("*"), len(wanted))
