"""No edit of an audit file goes unnoticed."""

from __future__ import annotations

import io

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vncproxy.audit.record import Entry, Event, Head, encode
from vncproxy.audit.verification import verify

TEXTS = st.text(max_size=12)
ENTRIES = st.builds(
    Entry,
    # Not `rotated`: a file may begin with that, whatever its number.
    event=st.sampled_from([Event.OPEN, Event.CLOSE, Event.CONTROL_TAKEN, Event.TORN]),
    user=st.none() | TEXTS,
    text=st.none() | TEXTS,
    bytes_in=st.none() | st.integers(0, 2**40),
    seconds=st.none() | st.floats(0, 1e9),
)


def written(entries: list[Entry]) -> tuple[bytes, Head]:
    """The file of these entries, and its head."""
    head = Head()
    lines = []
    for number, entry in enumerate(entries):
        line, head = encode(entry, head, 1e9 + number)
        lines.append(line)
    return b"".join(lines), head


def intact(content: bytes, head: str | None) -> bool:
    return verify(io.BytesIO(content), head).intact


FILES = st.lists(ENTRIES, min_size=1, max_size=6)


@settings(max_examples=80)
@given(FILES)
def test_what_is_written_verifies(entries: list[Entry]) -> None:
    """Whatever the texts hold."""
    content, head = written(entries)
    assert intact(content, None)
    assert intact(content, head.hash)


@settings(max_examples=80)
@given(FILES, st.data())
def test_every_changed_stretch_is_found(entries: list[Entry], data: st.DataObject) -> None:
    """Any bytes taken out, put in or exchanged; a cut at the end of a record by the head only."""
    content, head = written(entries)
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, min(len(content), start + 400)))
    # Digits make numbers and hashes that are still well formed.
    new = data.draw(
        st.binary(max_size=4) | st.text("0123456789abcdef", max_size=64).map(str.encode)
    )
    edited = content[:start] + new + content[stop:]
    assume(edited != content)
    assert not intact(edited, head.hash)
    if not content.startswith(edited):
        assert not intact(edited, None)


@settings(max_examples=80)
@given(FILES, st.data())
def test_every_rearrangement_of_lines_is_found(entries: list[Entry], data: st.DataObject) -> None:
    """Records that go, come twice or change places; a cut end by the head."""
    content, head = written(entries)
    lines = content.splitlines(keepends=True)
    picked = data.draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 2))
    edited = b"".join(picked)
    assume(edited != content)
    assert not intact(edited, head.hash)
    if not content.startswith(edited):
        assert not intact(edited, None)


@settings(max_examples=80)
@given(FILES, st.integers(0, 5), ENTRIES)
def test_a_record_written_anew_is_found(entries: list[Entry], at: int, forged: Entry) -> None:
    """Also by somebody who can compute hashes: at the latest by the head."""
    content, head = written(entries)
    lines = content.splitlines(keepends=True)
    at = min(at, len(lines) - 1)
    before = written(entries[:at])[1]
    lines[at], made = encode(forged, before, 1e9 + at)
    edited = b"".join(lines)
    assume(edited != content)
    assert not intact(edited, head.hash)
    assert intact(edited, made.hash) == (at == len(lines) - 1)
