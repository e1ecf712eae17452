"""The folders that the daemon writes to: the state directory, and that of recordings."""

from __future__ import annotations

import stat
from pathlib import Path

from vncproxy import __version__
from vncproxy.config.model import Config
from vncproxy.config.search import recordings_path
from vncproxy.errors import ConfigError, ConfigProblem, RecordingError
from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.recordings import Recordings


def make_state_folder(folder: Path) -> None:
    """Make the state directory, for this user only.

    Raises: ConfigError - it can't be made, or others may write to it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as fault:
        raise _state_problem(folder, fault.strerror or str(fault)) from fault
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _state_problem(folder, f"mode {stat.S_IMODE(mode):04o}")


def _state_problem(folder: Path, found: str) -> ConfigError:
    expected = "a folder that only this user may write to"
    return ConfigError([ConfigProblem("[state]", "directory", f"{folder} ({found})", expected)])


def records(config: Config) -> bool:
    """Whether sessions may have to be recorded, or it is said where."""
    return config.recording.directory is not None or any(rule.record for rule in config.rule)


def recordings_of(config: Config, state: Path) -> Recordings:
    """Where sessions are recorded. Raises: ConfigError as `recording_folder_of`."""
    return Recordings(recording_folder_of(config, state), version=__version__)


def recording_folder_of(config: Config, state: Path) -> RecordingFolder:
    """The folder of recordings.

    Raises: ConfigError - sessions have to be recorded, or a folder is named, and it can't be used.
    """
    settings = config.recording
    folder = RecordingFolder(
        recordings_path(config, state), max_bytes=settings.max_bytes, max_age_s=settings.max_age
    )
    if records(config):
        try:
            folder.check_place()
        except RecordingError as error:
            expected = "a folder that only this user may write to, and no link to one"
            found = f"{folder.path} ({error.public_text})"
            problem = ConfigProblem("[recording]", "directory", found, expected)
            raise ConfigError([problem]) from error
    return folder
