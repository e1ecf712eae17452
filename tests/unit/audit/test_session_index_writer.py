"""What the records of one session become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.past import BEGAN_AT, AuditWriterForTests, closed, found, opened
from vncproxy.audit.record import Entry, Event
from vncproxy.audit.session_index import PastSession, SessionIndex


def sessions(tmp_path: Path, *entries: Entry) -> list[PastSession]:
    """What is told of these, the newest first."""
    writer = AuditWriterForTests(tmp_path / "audit.jsonl")
    writer.add(*entries)
    index = SessionIndex(tmp_path / "x.sqlite", lambda: writer.path)
    index.refresh()
    return found(index)


def test_who_what_when_how_long_and_why_it_ended(tmp_path: Path) -> None:
    recorded = Entry(event=Event.RECORDED, viewer="v-1", file="a.vncrec")
    (one,) = sessions(tmp_path, opened("v-1"), closed("v-1", seconds=1.5), recorded)
    began_ms = round(1000 * BEGAN_AT)
    assert (one.user, one.identity, one.door, one.address) == (
        "ann",
        "cookie",
        "local",
        "192.0.2.1",
    )
    assert (one.instance.id, one.instance.alias, one.rule) == ("i-1", "alias-i-1", "rule 1")
    assert (one.started_ms, one.ended_ms, one.seconds) == (began_ms + 1000, began_ms + 2000, 1.5)
    assert (one.side, one.code, one.reason, one.text) == ("viewer", 1000, "viewer-left", "")
    assert (one.watching, one.recording, one.lost_ms) == (False, "a.vncrec", None)


def test_one_that_is_open_and_one_whose_daemon_crashed(tmp_path: Path) -> None:
    """The next start tells the second from the first."""
    start = Entry(event=Event.START)
    open_one, lost = sessions(tmp_path, opened("v-1", view=True), start, opened("v-2"))
    assert (open_one.viewer, open_one.ended_ms, open_one.lost_ms) == ("v-2", None, None)
    assert (lost.viewer, lost.ended_ms) == ("v-1", None)
    assert lost.lost_ms == round(1000 * BEGAN_AT) + 2000
    assert lost.watching


def test_an_end_alone_is_a_session_too(tmp_path: Path) -> None:
    """Its opening was in a file that is gone."""
    (one,) = sessions(tmp_path, closed("v-1", seconds=60.0))
    assert (one.watching, one.seconds) == (None, 60.0)
    assert one.ended_ms is not None
    assert one.ended_ms - one.started_ms == 60_000


def test_values_that_no_daemon_writes_are_left_out(tmp_path: Path) -> None:
    """Somebody who knows how hashes are made may put anything there."""
    odd = replace(closed("v-1"), seconds=1e300, user="\ud800x", code=10**30)
    (one,) = sessions(tmp_path, odd)
    assert (one.seconds, one.code, one.user) == (None, None, "?x")
