"""What a recording is, in one word, which is the same wherever recordings are shown."""

from __future__ import annotations

from enum import StrEnum

from vncproxy.recording.reader import Recording


class RecordingState(StrEnum):
    """The word: the first of these that is true."""

    GONE = "gone"
    """The audit names it, and there is no such file."""
    UNREADABLE = "unreadable"
    """It isn't a recording, or nothing of it is left, or it can't be read."""
    RUNNING = "running"
    """A daemon writes it."""
    EMPTY = "empty"
    """Nothing was shown."""
    DAMAGED = "damaged"
    """It isn't as it was written."""
    CUT = "cut"
    """It has no proper end: a crash or a full disk ended it."""
    INCOMPLETE = "incomplete"
    """Something that was shown isn't in it."""
    COMPLETE = "complete"


def state_of(recording: Recording, *, running: bool) -> RecordingState:
    """What a recording is, as far as it was read.

    Args:
        recording: One that could be opened.
        running: Whether it is being written.
    """
    if running:
        return RecordingState.RUNNING
    if not recording.blocks:
        return RecordingState.EMPTY
    if recording.damage:
        return RecordingState.DAMAGED
    if not recording.whole:
        return RecordingState.CUT
    return RecordingState.INCOMPLETE if recording.gaps else RecordingState.COMPLETE


def is_running(recording: Recording) -> bool:
    """Whether a daemon writes it; its lock is touched for a moment."""
    return not recording.whole and recording.is_written()
