"""The folders that the daemon writes to: the state directory, and that of recordings."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import structlog

from vncproxy import __version__
from vncproxy.audit.log import Audit
from vncproxy.audit.record import Entry, Event
from vncproxy.config.model import Config
from vncproxy.config.paths import recordings_path
from vncproxy.errors import ConfigError, ConfigProblem, RecordingError
from vncproxy.languages.text import Text
from vncproxy.recording.folder import RecordingFolder, Removed, Why
from vncproxy.recording.recordings import Recordings
from vncproxy.threads import call_in_loop

_log = structlog.get_logger("vncproxy.recording")


def make_state_folder(folder: Path, *, beside: bool = False) -> None:
    """Make the state directory, for this user only.

    Args:
        folder: The directory.
        beside: It may be a daemon's that runs as another user, if this one is root.

    Raises:
        ConfigError: It can't be made, or others may write to it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as fault:
        raise _state_problem(folder, fault.strerror or str(fault)) from fault
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _state_problem(
            folder, Text("mode {mode}", mode=f"{stat.S_IMODE(status.st_mode):04o}")
        )
    own = os.geteuid()
    if status.st_uid not in (0, own) and not (beside and own == 0):
        raise _state_problem(folder, Text("it belongs to uid {uid}", uid=status.st_uid))


def _state_problem(folder: Path, found: str) -> ConfigError:
    expected = Text("a folder that only this user may write to")
    return ConfigError(
        [
            ConfigProblem(
                "[state]",
                "directory",
                Text("{folder} ({problem})", folder=folder, problem=found),
                expected,
            )
        ]
    )


def records(config: Config) -> bool:
    """Whether sessions may have to be recorded, or a folder for that is named."""
    return config.recording.directory is not None or any(rule.record for rule in config.rule)


def recordings_of(config: Config, state: Path) -> Recordings:
    """Where sessions are recorded by a configuration that stays the same.

    Args:
        config: The settings.
        state: The state directory.

    Raises:
        ConfigError: As `recording_folder_of`.
    """
    folder = recording_folder_of(config, state)
    required = config.recording.required
    return Recordings(lambda: folder, version=__version__, required=lambda: required)


def recording_folder_of(config: Config, state: Path, audit: Audit | None = None) -> RecordingFolder:
    """The folder of recordings.

    Args:
        config: The settings.
        state: The state directory.
        audit: Takes what is deleted.

    Raises:
        ConfigError: Sessions have to be recorded, or a folder is named, and it can't be used.
    """
    settings = config.recording
    folder = RecordingFolder(
        recordings_path(config, state),
        max_bytes=settings.max_bytes,
        max_age_s=settings.max_age,
        removed=None if audit is None else _noting(audit),
    )
    if records(config):
        try:
            folder.check_place()
        except RecordingError as error:
            expected = Text("a folder that only this user may write to, and no link to one")
            found = Text("{folder} ({problem})", folder=folder.path, problem=error.text)
            problem = ConfigProblem("[recording]", "directory", found, expected)
            raise ConfigError([problem]) from error
    return folder


def _noting(audit: Audit) -> Callable[[Removed], object]:
    """Called, in any thread, for a recording that was deleted."""
    loop = asyncio.get_running_loop()

    def note(gone: Removed) -> None:
        _log.info("recording.removed", file=gone.name, bytes=gone.size_bytes, why=gone.why.value)
        audit.record_later(recording_removed(gone))

    def removed(gone: Removed) -> None:
        call_in_loop(loop, note, gone)

    return removed


def recording_removed(gone: Removed) -> Entry:
    """The daemon deleted a recording, as its limits ask."""
    return Entry(
        event=Event.RECORDING_REMOVED,
        file=gone.name,
        size_bytes=gone.size_bytes,
        reason=gone.why.value,
        text=_REMOVED[gone.why],
    )


_REMOVED = {
    Why.AGE: "it was older than max_age",
    Why.ROOM: "all recordings together were more than max_bytes",
}
