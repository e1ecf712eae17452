"""`vncproxy recordings`: the list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.commands.test_export import made
from tests.unit.recording.surroundings import HEADER
from tests.unit.recording.surroundings import folder as recording_folder
from vncproxy.cli import main
from vncproxy.commands.command import DONE
from vncproxy.recording.file_writer import RecordingFile


def test_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is in the folder, and whether all that was shown is in it."""
    monkeypatch.setenv("VNCPROXY_STATE__DIRECTORY", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["recordings"]) == DONE
    assert "no recordings" in capsys.readouterr().out
    folder = tmp_path / "recordings"
    folder.mkdir()
    made(folder / "20260101T000000Z-i-1-v-1.vncrec")
    cut = made(folder / "20260102T000000Z-i-1-v-2.vncrec")
    cut.write_bytes(cut.read_bytes()[:-20])
    (folder / "20260103T000000Z-i-1-v-3.vncrec").write_text("hello\x1b[31m")
    assert main(["recordings"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2] for line in lines[1:]] == ["complete", "CUT", "unreadable"]
    assert "0:00:06" in lines[1]
    assert main(["recordings", "--json"]) == DONE
    rows = json.loads(capsys.readouterr().out)
    assert [row.get("ended") for row in rows] == [True, False, None]
    assert rows[0]["user"] == "ann"


def test_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon has it open: it isn't called cut."""
    monkeypatch.setenv("VNCPROXY_STATE__DIRECTORY", str(tmp_path))
    name, descriptor = recording_folder(tmp_path / "recordings").create(0.0, "i-1", "v-1")
    file = RecordingFile(descriptor, HEADER)
    assert main(["recordings"]) == DONE
    assert capsys.readouterr().out.splitlines()[1].split()[-2:] == ["running", name]
    file.close(1)
    assert main(["recordings"]) == DONE
    assert capsys.readouterr().out.splitlines()[1].split()[-2:] == ["complete", name]
