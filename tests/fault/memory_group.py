"""A memory limit as a unit's `MemoryMax` sets it: a control group, of either version."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

# Joins the group, and becomes the program: all of its memory counts.
_JOIN = "import os, sys; open(sys.argv[1], 'w').write('0'); os.execv(sys.argv[2], sys.argv[2:])"


class MemoryGroup:
    """The group of one service, over all its lives."""

    def __init__(self, folder: Path, *, unified: bool) -> None:
        """Use a folder that is there.

        Args:
            folder: Of the group, in the kernel's tree.
            unified: Whether that tree is version 2.
        """
        self._folder = folder
        self._unified = unified

    def started_in(self, *program: str) -> tuple[str, ...]:
        """A command, as one that runs in the group."""
        return (sys.executable, "-c", _JOIN, str(self._folder / "cgroup.procs"), *program)

    @property
    def used(self) -> int:
        """Bytes."""
        name = "memory.current" if self._unified else "memory.usage_in_bytes"
        return int((self._folder / name).read_text())

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        name = "memory.events" if self._unified else "memory.oom_control"
        lines = (self._folder / name).read_text().splitlines()
        return next(int(count) for name, count in map(str.split, lines) if name == "oom_kill")

    def limit(self, most: int) -> None:
        """Allow so many bytes from now on, none of them in swap."""
        if self._unified:
            limit, of_swap, value = "memory.max", "memory.swap.max", 0
        else:
            limit, of_swap, value = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", most
        (self._folder / limit).write_text(str(most))
        # That of swap is there where the kernel counts it.
        if (self._folder / of_swap).exists():
            (self._folder / of_swap).write_text(str(value))


@contextmanager
def memory_group() -> Iterator[MemoryGroup]:
    """A new one; skips the test, and says why, where none can be made."""
    try:
        tree, unified = _tree()
        if unified:
            (tree / "cgroup.subtree_control").write_text("+memory")
        folder = tree / f"vncproxy-tests-{os.getpid()}"
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group for memory can be made here: {error}")
    try:
        yield MemoryGroup(folder, unified=unified)
    finally:
        folder.rmdir()


def _tree() -> tuple[Path, bool]:
    """Where control groups of memory are, and whether these are of version 2."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(place), False
        if kind == "cgroup2":
            with suppress(OSError):
                if "memory" in (Path(place) / "cgroup.controllers").read_text().split():
                    return Path(place), True
    raise FileNotFoundError("none is mounted")
