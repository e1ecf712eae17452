"""`vncproxy replay --export` and `--mp4`."""

from __future__ import annotations

import csv
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.recording.surroundings import new_file
from vncproxy.cli import main
from vncproxy.commands.command import DONE, FAILED
from vncproxy.recording.file_format import CHUNK_HEADER_BYTES, Kind
from vncproxy.recording.novnc_form import NOVNC
from vncproxy.rfb.viewer_messages import framebuffer_update, rectangle_header, server_init

SIDE = 16
COLOURS = (b"\xff\0\0\0", b"\0\xff\0\0", b"\0\0\xff\0")


def made(path: Path) -> Path:
    """Three colours: the first two shortly one after the other, the third much later."""
    file = new_file(path)
    file.begin(0, server_init(SIDE, SIDE, NOVNC, "x"), whole=False, continues=False)
    for at_ms, colour in zip((100, 300, 5000), COLOURS, strict=True):
        head = framebuffer_update(1) + rectangle_header(0, 0, SIDE, SIDE, 0)
        file.add(at_ms, Kind.LIVE, [head + colour * SIDE * SIDE])
    assert file.close(6000) is None
    return path


def test_a_damaged_one_is_not_passed_off_as_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is whole is exported, and that this isn't all is stated."""
    path = made(tmp_path / "one")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"BLOK") + CHUNK_HEADER_BYTES + 4] ^= 1
    path.write_bytes(raw)
    folder = tmp_path / "seen"
    assert main(["replay", str(path), "--export", str(folder)]) == FAILED
    assert "is damaged" in capsys.readouterr().err


def test_pictures_with_their_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stood is there, what flashed by isn't; the table has the seconds and the moment."""
    path = made(tmp_path / "one")
    folder = tmp_path / "seen"
    assert main(["replay", str(path), "--export", str(folder)]) == DONE
    assert capsys.readouterr().out == f"2 pictures in {folder}\n"
    with (folder / "times.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seconds"], row["utc"]) for row in rows] == [
        ("0.300", "2026-01-01T00:00:00.300Z"),
        ("5.000", "2026-01-01T00:00:05.000Z"),
    ]
    for row, colour in zip(rows, COLOURS[1:], strict=True):
        with Image.open(folder / row["file"]) as image:
            assert image.size == (SIDE, SIDE)
            assert image.convert("RGB").getcolors() == [(SIDE * SIDE, tuple(colour[:3]))]
        assert stat.S_IMODE((folder / row["file"]).stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    # Nothing is written over.
    assert main(["replay", str(path), "--export", str(folder)]) == FAILED
    assert "isn't empty" in capsys.readouterr().err


@pytest.mark.sockets
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg isn't installed")
def test_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As long as the recording, with the colours at their times."""
    path, film = made(tmp_path / "one"), tmp_path / "one.mp4"
    assert main(["replay", str(path), "--mp4", str(film)]) == DONE
    assert stat.S_IMODE(film.stat().st_mode) & 0o077 == 0
    command = ["ffmpeg", "-v", "error", "-i", str(film), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    frames = [raw[at : at + 3] for at in range(0, len(raw), 3 * SIDE * SIDE)]
    assert abs(len(frames) - 30) <= 1
    assert [max(range(3), key=frames[at].__getitem__) for at in (5, 20, -1)] == [1, 1, 2]
    assert main(["replay", str(path), "--mp4", str(film)]) == FAILED
    assert "there already" in capsys.readouterr().err


@pytest.mark.sockets
def test_without_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text says what is missing; what ffmpeg says is passed on."""
    path = made(tmp_path / "one")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["replay", str(path), "--mp4", str(tmp_path / "one.mp4")]) == FAILED
    assert "needs ffmpeg" in capsys.readouterr().err
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'no such codec' >&2\nexit 1\n")
    program.chmod(0o700)
    assert main(["replay", str(path), "--mp4", str(tmp_path / "one.mp4")]) == FAILED
    assert "ffmpeg failed: no such codec" in capsys.readouterr().err


def test_without_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text says how to get it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("vncproxy.commands.export", "vncproxy.recording.canvas"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "PIL", None)
    path = str(made(tmp_path / "one"))
    assert main(["replay", path, "--export", str(tmp_path / "seen")]) == FAILED
    assert "vncproxy[export]" in capsys.readouterr().err
