"""Recordings that are being played: a long one isn't opened anew for each block. For any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.reader import Recording
from vncproxy.recording.recording_index import opened_recording

KEPT_MAX = 8
"""Recordings that stay open though nobody reads them at the moment."""


@dataclass(slots=True, eq=False)
class Lease:
    """A recording that is being read, until it is given back.

    Args:
        is_old: Another took its place: its last reader closes it.
    """

    recording: Recording
    readers: int = 1
    is_old: bool = False


class PlaybackCache:
    """See the module."""

    def __init__(self, folder: Callable[[], RecordingFolder], kept_max: int = KEPT_MAX) -> None:
        """Nothing is opened yet.

        Args:
            folder: Gives the one in force.
            kept_max: See `KEPT_MAX`.
        """
        self._folder = folder
        self._kept_max = kept_max
        self._lock = threading.Lock()
        self._open: dict[str, Lease] = {}
        """By name, the one that was asked for last at the end."""

    @property
    def folder(self) -> Path:
        """Where the recordings are."""
        return self._folder().path

    def take(self, name: str, *, anew: bool = False) -> Lease:
        """A recording to read; give it back.

        Args:
            name: Of the file.
            anew: As it is now, if it has grown.

        Raises:
            FileNotFoundError: There is none of this name.
            RecordingError: It can't be played.
        """
        if not anew:
            with self._lock:
                known = self._open.pop(name, None)
                if known is not None:
                    self._open[name] = known
                    known.readers += 1
                    return known
        recording = opened_recording(self._folder(), name, check=False)
        with self._lock:
            self._retire(name)
            made = self._open[name] = Lease(recording)
            while len(self._open) > self._kept_max:
                self._retire(next(iter(self._open)))
            return made

    def give_back(self, lease: Lease) -> None:
        """It isn't read any more."""
        with self._lock:
            lease.readers -= 1
            if lease.is_old and not lease.readers:
                lease.recording.close()

    def close(self) -> None:
        """Close all that nobody reads; the others once they were read."""
        with self._lock:
            for name in list(self._open):
                self._retire(name)

    def _retire(self, name: str) -> None:
        found = self._open.pop(name, None)
        if found is not None:
            found.is_old = True
            if not found.readers:
                found.recording.close()
