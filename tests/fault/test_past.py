"""The lists of the past, whatever becomes of files, disks and processes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.bench.past import make_audit
from tests.disks import full_disk
from tests.fault.serving import ROOT
from tests.past import AuditWriterForTests, closed, found, opened, told, told_by
from tests.setup import WAIT_S, until
from tests.unit.web.past_site import PastSite, past_site
from vncproxy.audit import session_index
from vncproxy.audit.session_index import SessionIndex
from vncproxy.recording.file_format import CHUNK_HEADER_BYTES

RECORDS = 6_000
# Small transactions: it is killed among many.
_READ = """
import sys
from pathlib import Path
from vncproxy.audit import session_index
session_index.RECORDS_PER_TRANSACTION = 50
session_index.TURN_S = 0.002
folder = Path(sys.argv[1])
session_index.SessionIndex(folder / "x.sqlite", lambda: folder / "audit.jsonl").refresh()
"""


def read_so_far(folder: Path) -> int:
    """Bytes of the audit that the index has."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'x.sqlite'}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT coalesce(sum(read), 0) FROM files").fetchone()[0])
    except sqlite3.Error:
        return 0


async def test_killed_while_it_reads_it_goes_on_from_there(tmp_path: Path) -> None:
    """At any moment, again and again; each record counts once."""
    audit = tmp_path / "audit.jsonl"
    make_audit(audit, RECORDS)
    for part in (1, 3, 5):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _READ,
            str(tmp_path),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        aim = audit.stat().st_size * part // 8

        def is_there(process: asyncio.subprocess.Process = process, aim: int = aim) -> bool:
            return read_so_far(tmp_path) >= aim or process.returncode is not None

        await until(is_there, f"{part} of 8 parts")
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert read_so_far(tmp_path) > 0
    index = SessionIndex(tmp_path / "x.sqlite", lambda: audit)
    index.refresh()
    with audit.open("rb") as file:
        assert told(found(index)) == told_by(file)
    assert index.problems == []


async def test_an_index_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """The list shows what it has, the daemon runs on, and it is made once it can be."""
    async with past_site(tmp_path) as site:
        state = site.people.setup.daemon.state
        kept = [*state.glob("past-sessions.sqlite*")]
        for file in kept:
            file.unlink()
        (state / "past-sessions.sqlite").mkdir()
        answer = await site.get("sessions")
        assert (answer.status, answer.word) == (503, "unavailable")
        assert "The index" in answer.json["error"]["text"]
        assert len(await site.rows("recordings")) == 2
        (state / "past-sessions.sqlite").rmdir()
        assert len(await site.rows("sessions")) == 3


async def test_on_a_full_disk_the_lists_show_what_they_have_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what SQLite keeps beside an index can be made, nor anything be written to it."""
    async with past_site(tmp_path) as site:
        state = site.people.setup.daemon.state

        @contextmanager
        def full(db: sqlite3.Connection) -> Iterator[None]:
            raise full_disk()
            yield

        with monkeypatch.context() as patched:
            for name in ("past-sessions", "recordings"):
                (state / f"{name}.sqlite-shm").mkdir()
            patched.setattr(session_index, "transaction", full)
            assert await site.load("sessions?format=csv", "ann")
            # What has come since isn't there, which is said.
            assert (await site.get(f"recordings/{site.own}", "ann")).status == 200
            found = (await site.get("sessions")).json
            assert len(found["sessions"]) == 3
            (problem,) = found["problems"]
            assert "past-sessions.sqlite can't be used: database or disk is full." in problem
            assert problem.endswith("What it doesn't have yet isn't in the list.")
            assert len(await site.rows("recordings")) == 2
            refused = await site.get("sessions?format=csv")
            assert (refused.status, refused.word) == (503, "unavailable")
            assert "past-sessions.sqlite can't be used: " in refused.json["error"]["text"]
        for name in ("past-sessions", "recordings"):
            (state / f"{name}.sqlite-shm").rmdir()
        assert (await site.get("sessions")).json["problems"] == []


async def test_an_index_that_is_damaged_while_the_daemon_runs_is_made_again(
    tmp_path: Path,
) -> None:
    async with past_site(tmp_path) as site:
        state = site.people.setup.daemon.state
        for file in state.glob("*.sqlite*"):
            if file.name.startswith(("past-sessions", "recordings")):
                file.write_bytes(b"something else, and long enough to be looked at" * 100)
        await _until_rows(site, "sessions", 3)
        await _until_rows(site, "recordings", 2)


async def _until_rows(site: PastSite, what: str, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            answer = await site.get(what)
            if answer.status == 200 and len(answer.json[what]) == count:
                return


async def test_an_audit_that_is_cut_moved_or_missing_leaves_the_rest(tmp_path: Path) -> None:
    """A sentence for each, and the list goes on."""
    async with past_site(tmp_path) as site:
        state = site.people.setup.daemon.state
        old = AuditWriterForTests(state / "audit.jsonl.old")
        old.at -= 1000.0
        old.add(opened("v-8", "old", "i-old"), closed("v-8", "old", "i-old"))
        assert len(await site.rows("sessions")) == 4
        (state / "audit.jsonl.old").chmod(0o602)
        answer = (await site.get("sessions")).json
        assert len(answer["sessions"]) == 3
        assert answer["problems"] == [
            "audit.jsonl.old isn't read: others may write to it (mode 0602)."
        ]
        (state / "audit.jsonl").rename(state / "elsewhere")
        answer = (await site.get("sessions")).json
        assert answer["sessions"] == []
        assert any("is missing" in one for one in answer["problems"])
        (state / "elsewhere").rename(state / "audit.jsonl")
        assert len(await site.rows("sessions")) == 3


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
async def test_a_recording_that_is_damaged_leaves_the_rest(tmp_path: Path, damage: str) -> None:
    """Its blocks say where; what is gone is gone from the list."""
    async with past_site(tmp_path) as site:
        file = site.people.setup.daemon.state / "recordings" / site.own
        content = file.read_bytes()
        if damage == "cut":
            file.write_bytes(content[: len(content) // 2])
        elif damage == "changed":
            at = len(content) // 2
            file.write_bytes(content[:at] + b"\xff" * CHUNK_HEADER_BYTES + content[at + 60 :])
        else:
            file.unlink()
        os.utime(site.people.setup.daemon.state / "recordings", None)
        names = {row["name"] for row in await site.rows("recordings")}
        assert site.gone in names
        contents = await site.get(f"recordings/{site.own}")
        if damage == "gone":
            assert names == {site.gone}
            assert (contents.status, contents.word) == (404, "unknown-recording")
        else:
            assert contents.status == 200
            assert not contents.json["complete"]
            assert await site.load(f"recordings/{site.own}/blocks/0")
