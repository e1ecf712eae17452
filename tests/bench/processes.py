"""What programs use: the processor's time and memory of a process and its children."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROPORTIONAL = re.compile(r"^Pss: +(\d+) kB", re.MULTILINE)


def tree(pid: int) -> Iterator[int]:
    """The process and its children that live."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def cpu_s(pid: int) -> float:
    """The processor's time that the process and its living children have used, to the ns.

    By each process's own clock. Source: clock_getcpuclockid(3), whose number on Linux is this.
    """
    total_s = 0.0
    for one in tree(pid):
        with suppress(OSError):
            total_s += time.clock_gettime((~one << 3) | 2)
    return total_s


def resident_kib(pid: int) -> int:
    """What is resident now; of what its children share, each counts its part."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    total = pages * os.sysconf("SC_PAGE_SIZE") // 1024
    for child in tree(pid):
        if child != pid:
            with suppress(OSError):
                total += int(
                    _PROPORTIONAL.findall(Path(f"/proc/{child}/smaps_rollup").read_text())[0]
                )
    return total
