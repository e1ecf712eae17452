"""The folders that the daemon writes to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vncproxy.errors import ConfigError
from vncproxy.recording.folder import Removed, Why
from vncproxy.service.state_folder import make_state_folder, recording_removed


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_state_folder_that_others_may_write_to(tmp_path: Path, mode: int) -> None:
    """Who may write there could plant a token."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}"):
        make_state_folder(tmp_path / "state")


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The reason is the system's."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=os.strerror(20)):
        make_state_folder(tmp_path / "file" / "state")


def test_a_state_folder_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could plant a token; but root may run commands beside the daemon's user."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    if folder.stat().st_uid == 0:
        os.chown(folder, 33, 33)
    monkeypatch.setattr("os.geteuid", lambda: 990)
    with pytest.raises(ConfigError, match="it belongs to uid"):
        make_state_folder(folder)
    with pytest.raises(ConfigError, match="it belongs to uid"):
        make_state_folder(folder, beside=True)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(ConfigError, match="it belongs to uid"):
        make_state_folder(folder)
    make_state_folder(folder, beside=True)


def test_a_recording_that_was_deleted() -> None:
    """Which, how much it was, and which limit took it: else it could have been anybody."""
    assert recording_removed(Removed("x.vncrec", 5, Why.AGE)).given() == {
        "event": "recording-removed",
        "file": "x.vncrec",
        "size_bytes": 5,
        "reason": "age",
        "text": "it was older than max_age",
    }
    assert "max_bytes" in str(recording_removed(Removed("x", 5, Why.ROOM)).text)
