"""Which files are an audit's, in which order, and which aren't believed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from tests.past import AuditWriterForTests, opened
from vncproxy.audit.rotated_files import AuditFileError, parts_of
from vncproxy.audit.rotated_files import opened as opened_file


@pytest.fixture
def writer(tmp_path: Path) -> AuditWriterForTests:
    """One with a record in `audit.jsonl`."""
    writer = AuditWriterForTests(tmp_path / "audit.jsonl")
    writer.add(opened("v-1"))
    return writer


def write_private(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def names(path: Path) -> list[str]:
    return [part.path.name for part in parts_of(path).found]


def test_they_are_in_the_order_in_which_they_were_written(writer: AuditWriterForTests) -> None:
    """Whatever they are called."""
    folder = writer.path.parent
    for place in ("audit.jsonl.9", "audit-2026.jsonl", "audit.jsonl-20261130", "audit.1.jsonl"):
        writer.path.rename(folder / place)
        writer.add(opened("v-2"))
    assert names(writer.path) == [
        "audit.jsonl.9",
        "audit-2026.jsonl",
        "audit.jsonl-20261130",
        "audit.1.jsonl",
        "audit.jsonl",
    ]
    assert parts_of(writer.path).problems == ()


def test_others_beside_it_do_not_count(writer: AuditWriterForTests) -> None:
    content = writer.path.read_bytes()
    for name in ("audit.json", "myaudit.jsonl", "auditjsonl.1", "audit.sqlite"):
        (writer.path.parent / name).write_bytes(content)
    assert names(writer.path) == ["audit.jsonl"]


def test_of_copies_the_longest_counts(writer: AuditWriterForTests) -> None:
    """Compressed ones by what is in them."""
    copy = writer.path.with_name("audit.jsonl.bak")
    copy.write_bytes(writer.path.read_bytes())
    copy.chmod(0o600)
    writer.add(*(opened(f"v-{number}") for number in range(9)))
    packed = writer.path.with_name("audit.jsonl.1.gz")
    packed.write_bytes(gzip.compress(writer.path.read_bytes()))
    packed.chmod(0o600)
    writer.path.unlink()
    writer.add(opened("v-x"))
    assert names(writer.path) == ["audit.jsonl.1.gz", "audit.jsonl"]
    with opened_file(packed) as file:
        assert len(list(file)) == 10


@pytest.mark.parametrize("packed_name", ["audit.jsonl.1.gz", "audit.jsonl.2.gz"])
@pytest.mark.parametrize("damage", ["cut", "begun", "junk", "altered", "none"])
def test_a_packed_copy_never_displaces_a_plain_one(
    writer: AuditWriterForTests, damage: str, packed_name: str
) -> None:
    """Neither one that is damaged, nor one that is just being made, nor one that is as good."""
    writer.add(*(opened(f"v-{number}") for number in range(200)))
    whole = gzip.compress(writer.path.read_bytes())
    altered = bytearray(whole)
    altered[-8] ^= 1
    content = {
        "cut": whole[: len(whole) // 2],
        "begun": whole[:11],
        "junk": whole + b"junk",
        "altered": bytes(altered),
        "none": whole,
    }[damage]
    plain = writer.move_away()
    write_private(plain.with_name(packed_name), content)
    writer.add(opened("v-x"))
    parts = parts_of(writer.path)
    assert [part.path.name for part in parts.found] == ["audit.jsonl.1", "audit.jsonl"]
    if damage != "begun" or packed_name == "audit.jsonl.1.gz":
        assert parts.problems == ()


def test_of_packed_copies_a_whole_one_counts_and_a_damaged_one_with_more_is_told(
    writer: AuditWriterForTests,
) -> None:
    folder = writer.path.parent
    write_private(folder / "audit.jsonl.1.gz", gzip.compress(writer.path.read_bytes()))
    writer.add(*(opened(f"v-{number}") for number in range(200)))
    more = gzip.compress(writer.path.read_bytes())
    writer.path.unlink()
    writer.add(opened("v-x"))
    write_private(folder / "audit.jsonl.2.gz", more[:-20])
    parts = parts_of(writer.path)
    assert [part.path.name for part in parts.found] == ["audit.jsonl.1.gz", "audit.jsonl"]
    assert parts.problems == ("audit.jsonl.2.gz isn't read: it is damaged, or cut short.",)
    # Once it is whole, it counts.
    write_private(folder / "audit.jsonl.2.gz", more)
    parts = parts_of(writer.path)
    assert [part.path.name for part in parts.found] == ["audit.jsonl.2.gz", "audit.jsonl"]
    assert parts.problems == ()


def test_what_is_not_believed_is_told_and_the_rest_counts(writer: AuditWriterForTests) -> None:
    folder, content = writer.path.parent, writer.path.read_bytes()
    (folder / "audit.jsonl.link").symlink_to(writer.path)
    (folder / "audit.jsonl.open").write_bytes(content)
    (folder / "audit.jsonl.open").chmod(0o666)
    (folder / "audit.jsonl.text").write_text("a log\n")
    (folder / "audit.jsonl.text").chmod(0o600)
    (folder / "audit.jsonl.1.gz").write_bytes(gzip.compress(content)[:40])
    (folder / "audit.jsonl.1.gz").chmod(0o600)
    os.mkfifo(folder / "audit.jsonl.pipe", 0o600)
    (folder / "audit.jsonl.folder").mkdir()
    parts = parts_of(writer.path)
    assert [part.path.name for part in parts.found] == ["audit.jsonl"]
    assert set(parts.problems) == {
        "audit.jsonl.link isn't read: it is a symbolic link.",
        "audit.jsonl.open isn't read: others may write to it (mode 0666).",
        "audit.jsonl.text isn't read: there is no record of vncproxy in it.",
        "audit.jsonl.1.gz isn't read: it is damaged, or cut short.",
        "audit.jsonl.pipe isn't read: it is no regular file.",
        "audit.jsonl.folder isn't read: it is no regular file.",
    }


def test_another_accounts_file_is_not_believed(
    writer: AuditWriterForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    else:
        os.chown(writer.path, 12345, 12345)
    with (
        pytest.raises(AuditFileError, match="belongs to another account"),
        opened_file(writer.path),
    ):
        pass


def test_one_that_is_missing_is_told(tmp_path: Path) -> None:
    parts = parts_of(tmp_path / "audit.jsonl")
    assert parts.found == ()
    assert parts.problems == (f"The audit {tmp_path / 'audit.jsonl'} is missing.",)
    assert "can't be read" in parts_of(tmp_path / "no" / "audit.jsonl").problems[0]
