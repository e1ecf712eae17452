"""The index tells what a plain reading of the audit's files tells, whatever happened to them."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.past import AuditWriterForTests, closed, found, opened, told, told_by
from vncproxy.audit.record import Entry, Event
from vncproxy.audit.session_index import SessionIndex

VIEWERS = st.sampled_from(["v-1", "v-2", "v-3", "v-4"])
USERS = st.sampled_from(["ann", "bob"])
RECORDS = st.one_of(
    st.builds(opened, VIEWERS, USERS),
    st.builds(closed, VIEWERS, USERS),
    st.just(Entry(event=Event.START)),
    st.just(Entry(event=Event.LOGIN, user="ann")),
)
STEPS = st.one_of(
    st.tuples(st.just("add"), st.lists(RECORDS, min_size=1, max_size=6)),
    st.tuples(st.sampled_from(["move", "pack", "copy", "restart", "lose", "forget", "read"])),
)


def lines_of(folder: Path) -> list[bytes]:
    """Those of all files, in the order of their records."""
    lines: list[bytes] = []
    for path in folder.glob("audit*"):
        content = path.read_bytes()
        whole = gzip.decompress(content) if path.suffix == ".gz" else content
        lines += whole.splitlines(keepends=True)
    return sorted(lines, key=lambda line: int(json.loads(line)["seq"]))


def step(folder: Path, writer: AuditWriterForTests, index: SessionIndex, name: str) -> SessionIndex:
    """Do it; gives the index to go on with."""
    moved = sorted(folder.glob("audit.jsonl.*[0-9]"))
    if name == "move" and writer.path.exists():
        writer.move_away()
    elif name == "pack" and moved:
        packed = Path(f"{moved[0]}.gz")
        packed.write_bytes(gzip.compress(moved[0].read_bytes()))
        packed.chmod(0o600)
        moved[0].unlink()
    elif name == "copy" and writer.path.exists():
        copy = folder / "audit.jsonl-copy"
        copy.write_bytes(writer.path.read_bytes())
        copy.chmod(0o600)
    elif name == "lose" and moved:
        moved[0].unlink()
    elif name == "restart":
        return SessionIndex(folder / "x.sqlite", lambda: writer.path)
    elif name == "forget":
        for one in folder.glob("x.sqlite*"):
            one.unlink()
    elif name == "read":
        index.refresh()
    return index


@settings(max_examples=30, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_any_split_and_rotation_tells_the_same(steps: list[tuple[object, ...]]) -> None:
    """Files moved away, compressed, copied, lost; a new process; an index that is thrown away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = AuditWriterForTests(folder / "audit.jsonl")
        index = SessionIndex(folder / "x.sqlite", lambda: writer.path)
        for what, *more in steps:
            if what == "add":
                writer.add(*more[0])  # type: ignore[misc]
            else:
                index = step(folder, writer, index, str(what))
        index.refresh()
        assert told(found(index)) == told_by(lines_of(folder))
        # The next process holds all of it against the files, and finds it so.
        later = SessionIndex(folder / "x.sqlite", lambda: writer.path)
        later.refresh()
        assert told(found(later)) == told(found(index))
        assert not any("cut or changed" in one for one in later.problems)
