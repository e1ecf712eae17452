"""Files without a disk: most inputs of files are made, read and gone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path


@contextmanager
def in_memory(content: bytes) -> Iterator[Path]:
    """The path of a regular file with this content, which nobody else may read."""
    descriptor = os.memfd_create("fuzzed", os.MFD_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, content)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@lru_cache(1)
def _scratch() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(
        prefix="vncproxy-fuzz", dir=memory if memory.is_dir() else None
    )


def empty_folder() -> Path:
    """A folder in memory, where there is such; the same each time, with nothing in it."""
    folder = Path(_scratch().name)
    for path in folder.iterdir():
        path.unlink()
    return folder


def remove_folder() -> None:
    """No input follows."""
    if _scratch.cache_info().currsize:
        _scratch().cleanup()
        _scratch.cache_clear()
