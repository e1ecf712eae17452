"""A disk that fills up, fails or hangs, for one file of this process."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

_write, _fsync = os.write, os.fsync


class Disk:
    """Stands between the process and one file, as long as the test runs.

    Args: room - bytes that may still be written. `failing` makes syncing fail; while `hanging` is
    cleared, writing waits.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path, room: int = 10**9) -> None:
        """Every other file is written as ever."""
        self.room = room
        self.failing = False
        self.hanging = threading.Event()
        self.hanging.set()
        self._path = path
        monkeypatch.setattr(os, "write", self._limited)
        monkeypatch.setattr(os, "fsync", self._unreliable)

    def _limited(self, descriptor: int, data: bytes) -> int:
        if not self._is_ours(descriptor):
            return _write(descriptor, data)
        assert self.hanging.wait(30.0)
        with memoryview(data) as view:
            if not self.room and view:
                # File systems note the time before they find out.
                os.utime(descriptor)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = _write(descriptor, view[: self.room])
        self.room -= written
        return written

    def _unreliable(self, descriptor: int) -> None:
        if self.failing and self._is_ours(descriptor):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        _fsync(descriptor)

    def _is_ours(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False
