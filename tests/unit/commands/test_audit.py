"""`vncproxy audit verify`, as a user calls it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tracemalloc
from pathlib import Path

import pytest

from vncproxy.audit.chained_file import AuditFile
from vncproxy.audit.record import LINE_MAX_BYTES, Entry, Event, Head
from vncproxy.cli import main
from vncproxy.commands.audit import lines_in


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def heads(path: Path) -> list[Head]:
    """A file of five records."""
    file = AuditFile(path)
    found = []
    for number in range(5):
        file.append(Entry(event=Event.OPEN, user=f"u{number}"), 0.0)
        found.append(file.head)
    file.sync()
    file.close()
    return found


def test_an_intact_file(path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0; it says what a chain can't show, and the head for the next time."""
    assert main(["audit", "verify", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path} is intact: 5 records, the last is 5"
    assert "shows only with --head" in lines[1]
    assert lines[-1] == f"head {heads[-1].hash}"


def test_an_intact_file_with_a_head(
    path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str]
) -> None:
    """Upper case is fine too, as are records that came after it."""
    assert main(["audit", "verify", str(path), "--head", heads[-1].hash.upper()]) == 0
    assert "--head" not in capsys.readouterr().out
    assert main(["audit", "verify", str(path), "--head", heads[2].hash]) == 0
    assert "2 of them came after the head that was given." in capsys.readouterr().out


def test_a_cut_file(path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, and the reason."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    assert main(["audit", "verify", str(path), "--head", heads[-1].hash]) == 1
    out = capsys.readouterr().out
    assert "BROKEN  no record has the head that was given" in out
    assert f"{path} isn't what was written: 3 records" in out


def test_an_altered_file(path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, and the line."""
    path.write_bytes(path.read_bytes().replace(b"u1", b"xx"))
    assert main(["audit", "verify", str(path)]) == 1
    assert "BROKEN  line 2: record 2 was changed" in capsys.readouterr().out


def test_for_programs(path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON, with the same status."""
    assert main(["audit", "verify", str(path), "--json", "--head", heads[3].hash]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "intact": True,
        "records": 5,
        "head": {"seq": 5, "hash": heads[-1].hash},
        "behind_head": 1,
        "problems": [],
        "untold": 0,
        "notes": [],
    }
    path.write_bytes(path.read_bytes() + b"x\n")
    assert main(["audit", "verify", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == [{"line": 6, "text": "what stands here is no record"}]


def test_a_file_that_can_not_be_read(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, and one sentence."""
    assert main(["audit", "verify", str(path)]) == 1
    assert (
        capsys.readouterr().err == f"vncproxy: {path} can't be read: No such file or directory.\n"
    )


@pytest.mark.parametrize("head", ["", "abc", "g" * 64, "a" * 63])
def test_a_head_that_is_none(path: Path, head: str) -> None:
    """A usage error, before anything is read."""
    with pytest.raises(SystemExit) as stopped:
        main(["audit", "verify", str(path), "--head", head])
    assert stopped.value.code == 2


def test_an_endless_line_is_read_in_pieces(
    path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is one line that is no record, however long; the next has the right number."""
    good = path.read_bytes().splitlines(keepends=True)
    long = b"x" * (3 * LINE_MAX_BYTES) + b"\n"
    path.write_bytes(b"".join([*good[:2], long, good[3]]))
    assert main(["audit", "verify", str(path)]) == 1
    out = capsys.readouterr().out
    assert "line 3: what stands here is no record" in out
    assert "line 4: record 3 is missing above" in out


@pytest.mark.parametrize("name", ["audit.jsonl.1.gz", "renamed"])
def test_a_compressed_file_is_unpacked_as_it_is_read(
    path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """As a log rotation leaves it; the chain in it counts, and the head is found."""
    packed = path.with_name(name)
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert main(["audit", "verify", str(packed), "--head", heads[4].hash]) == 0
    assert f"{packed} is intact: 5 records" in capsys.readouterr().out
    good = path.read_bytes().splitlines(keepends=True)
    packed.write_bytes(gzip.compress(b"".join([*good[:2], good[3]])))
    assert main(["audit", "verify", str(packed)]) == 1
    assert "record 3 is missing above" in capsys.readouterr().out


def test_a_compressed_file_takes_no_more_memory_than_a_line(path: Path) -> None:
    """However much is in it: here 32 MiB without a line end, from 32 kB."""
    path.write_bytes(gzip.compress(bytes(32 << 20)))
    with lines_in(path) as lines:
        tracemalloc.start()
        try:
            assert [len(line) for line in lines] == [LINE_MAX_BYTES]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8 * LINE_MAX_BYTES


@pytest.mark.parametrize("cut", [5, 60, -9])
def test_a_compressed_file_that_is_damaged(
    path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str], cut: int
) -> None:
    """Status 1, and one sentence: what is in it isn't all there was."""
    path.write_bytes(gzip.compress(path.read_bytes())[:cut])
    assert main(["audit", "verify", str(path)]) == 1
    assert capsys.readouterr() == (
        "",
        f"vncproxy: {path} can't be unpacked to its end: it is damaged, or cut short.\n",
    )


def test_what_other_programs_compress_is_left_to_them(
    path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str]
) -> None:
    """In words that can be typed."""
    path.write_bytes(lzma.compress(path.read_bytes()))
    assert main(["audit", "verify", str(path)]) == 1
    assert f"xz -dc {path} | vncproxy audit verify /dev/stdin" in capsys.readouterr().err
    path.write_bytes(bz2.compress(b"x"))
    assert main(["audit", "verify", str(path)]) == 1
    assert "compressed by bzip2" in capsys.readouterr().err


def test_many_breaks_are_summed_up(
    path: Path, heads: list[Head], capsys: pytest.CaptureFixture[str]
) -> None:
    """A wholly wrong file doesn't fill the screen."""
    path.write_bytes(path.read_bytes() * 30)
    assert main(["audit", "verify", str(path)]) == 1
    assert len(capsys.readouterr().out.splitlines()) < 110
