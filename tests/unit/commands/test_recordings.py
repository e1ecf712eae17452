"""`vncproxy recordings`: the list."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.bench.past import write_recording
from tests.setup import running
from tests.unit.commands.test_export import made
from tests.unit.recording.surroundings import HEADER
from tests.unit.recording.surroundings import folder as recording_folder
from tests.unit.web.past_site import patient
from vncproxy.cli import main
from vncproxy.commands import daemon_client
from vncproxy.commands.command import DONE, FAILED
from vncproxy.commands.recordings import Found, notes, recordings, table
from vncproxy.recording.file_writer import RecordingFile


@pytest.mark.sockets
def test_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is in the folder, and whether all that was shown is in it."""
    monkeypatch.setenv("VNCPROXY_STATE__DIRECTORY", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["recordings"]) == DONE
    folder = tmp_path / "recordings"
    printed = capsys.readouterr()
    assert printed.out == f"There are no recordings in {folder}.\n"
    assert printed.err == "No daemon answers: the folder of this configuration was read.\n"
    folder.mkdir(mode=0o700)
    made(folder / "20260101T000000Z-i-1-v-1.vncrec")
    cut = made(folder / "20260102T000000Z-i-1-v-2.vncrec")
    cut.write_bytes(cut.read_bytes()[:-20])
    (folder / "20260103T000000Z-i-1-v-3.vncrec").write_text("hello\x1b[31m")
    assert main(["recordings"]) == DONE
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert [line.split()[-2] for line in lines[1:]] == ["UNREADABLE", "CUT", "complete"]
    assert "0:00:06" in lines[3]
    assert f"They are in {folder}." in printed.err
    assert main(["recordings", "--json"]) == DONE
    rows = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in rows] == ["unreadable", "cut", "complete"]
    assert rows[2]["user"] == "ann"
    assert rows[2]["file"] == str(folder / "20260101T000000Z-i-1-v-1.vncrec")
    cut.chmod(0o622)
    assert main(["recordings"]) == DONE
    [line] = [one for one in capsys.readouterr().out.splitlines() if "v-2" in one]
    assert "CUT. Others may write to it (mode 0622)." in line
    folder.chmod(0o722)
    assert main(["recordings"]) == FAILED
    assert f"{folder}: The folder for recordings can't be used" in capsys.readouterr().err


@pytest.mark.sockets
async def test_the_daemon_tells_what_it_has(tmp_path: Path) -> None:
    """In pages, and where; each with the word that its own list has."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    names = [write_recording(state / "recordings", number) for number in range(3)]
    with patient(), patch.object(daemon_client, "_PAGE_ROWS", 2):
        async with running(tmp_path) as setup:
            found = await recordings(setup.daemon.config, {})
    folder = state / "recordings"
    assert found.folder == str(folder)
    assert found.from_daemon
    assert sorted(row["file"] for row in found.rows) == sorted(str(folder / one) for one in names)
    assert {row["state"] for row in found.rows} == {"complete"}
    alone = await recordings(setup.daemon.config, {})
    assert not alone.from_daemon
    assert (alone.rows, alone.folder) == (found.rows, found.folder)


def test_a_list_that_is_not_whole_says_so() -> None:
    found = Found([], "", ["A sentence."], from_daemon=True)
    assert list(notes(found)) == ["A sentence."]
    assert table(found) == ["There are no recordings."]


@pytest.mark.sockets
def test_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon has it open: it isn't called cut."""
    monkeypatch.setenv("VNCPROXY_STATE__DIRECTORY", str(tmp_path))
    name, descriptor = recording_folder(tmp_path / "recordings").create(0.0, "i-1", "v-1")
    file = RecordingFile(descriptor, HEADER)
    assert main(["recordings"]) == DONE
    assert capsys.readouterr().out.splitlines()[1].split()[-2:] == ["running", name]
    file.begin(0, bytes(24), whole=True, continues=False)
    file.close(1)
    assert main(["recordings"]) == DONE
    assert capsys.readouterr().out.splitlines()[1].split()[-2:] == ["complete", name]


@pytest.mark.parametrize(("problems", "status"), [([], DONE), (["The disk is full."], FAILED)])
def test_a_program_can_tell_a_part_from_the_whole(
    problems: list[str],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the status: no rows may be no recordings, or a list that can't be brought up to date."""
    (tmp_path / "vncproxy.toml").write_text("")

    async def found(*_: object) -> Found:
        return Found([], "", problems, from_daemon=True)

    monkeypatch.setattr("vncproxy.commands.recordings.recordings", found)
    assert main(["recordings", "--json", "--config", str(tmp_path / "vncproxy.toml")]) == status
    assert capsys.readouterr().out == "[]\n"
