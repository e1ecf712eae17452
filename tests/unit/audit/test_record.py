"""One line of the audit: what is in it, and what isn't."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields

import pytest

from vncproxy.audit.record import (
    LINE_MAX_BYTES,
    LIST_MAX,
    NO_HASH,
    SEQ_MAX,
    TEXT_MAX_LENGTH,
    Entry,
    Event,
    Head,
    encode,
    parse,
)


def test_a_line_says_when_what_and_who_and_nothing_else() -> None:
    """Absent fields are left out; the time is UTC with milliseconds."""
    line, head = encode(Entry(event=Event.OPEN, user="ann", bytes_in=0), Head(), 1_700_000_000.25)
    assert json.loads(line) == {
        "seq": 1,
        "time": "2023-11-14T22:13:20.250Z",
        "event": "open",
        "user": "ann",
        "bytes_in": 0,
        "prev": NO_HASH,
        "hash": head.hash,
    }
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


def test_the_hash_is_that_of_the_line_without_it() -> None:
    """Anybody can check it with sed and sha256sum."""
    line, head = encode(Entry(event=Event.STOP), Head(6, "ab" * 32), 0.0)
    rest = line.rstrip(b"\n").replace(b',"hash":"%s"' % head.hash.encode(), b"")
    assert hashlib.sha256(rest).hexdigest() == head.hash
    assert head.seq == 7
    assert json.loads(rest)["prev"] == "ab" * 32


def test_what_is_written_is_read_back() -> None:
    """Reading gives the chain's end that writing gave."""
    entry = Entry(event=Event.CLOSE, user='an "odd"\nname\u2028\ud800', links=("a", "b"))
    line, head = encode(entry, Head(), 1.0)
    record = parse(line[:-1])
    assert record is not None
    assert record.sound
    assert record.head == head
    assert record.content["user"] == entry.user
    assert record.content["links"] == ["a", "b"]
    assert line.isascii()


def test_the_longest_record_fits_a_line() -> None:
    """Texts chosen elsewhere are cut, so that no line grows beyond what a reader takes."""
    long = "\U0001f600" * 10_000
    texts = {f.name: long for f in fields(Entry) if f.type == "str | None"}
    lists = {f.name: (long,) * 1000 for f in fields(Entry) if "tuple" in str(f.type)}
    assert len(lists) == 4
    entry = Entry(**{**texts, **lists, "event": Event.CLOSE})  # type: ignore[arg-type]
    line, _ = encode(entry, Head(), 0.0)
    assert len(line) < LINE_MAX_BYTES
    record = parse(line[:-1])
    assert record is not None
    assert record.content["user"] == long[:TEXT_MAX_LENGTH]
    assert len(record.content["links"]) == LIST_MAX  # type: ignore[arg-type]


def test_no_field_has_room_for_what_is_typed_or_secret() -> None:
    """The list of fields is closed: a new one has to be thought about here."""
    assert [field.name for field in fields(Entry)] == [
        *("event", "user", "identity", "door", "address", "rule"),
        *("instance", "alias", "region", "viewer", "other", "other_viewer", "links"),
        *("bytes_in", "bytes_out", "seconds", "side", "code", "reason", "text"),
        *("version", "count", "size_bytes", "sha256", "file"),
        *("users", "instances", "role", "record", "power", "force", "hours"),
    ]


def _signed(body: bytes) -> bytes:
    return b'%s,"hash":"%s"}' % (body[:-1], hashlib.sha256(body).hexdigest().encode())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"seq":1}',
        _signed(b"[]"),
        _signed(b'{"seq":1,"prev":"x","event":"open"}'),
        _signed(b'{"seq":"1","prev":"%s","event":"open"}' % NO_HASH.encode()),
        _signed(b'{"seq":true,"prev":"%s","event":"open"}' % NO_HASH.encode()),
        _signed(b'{"seq":0,"prev":"%s","event":"open"}' % NO_HASH.encode()),
        _signed(b'{"seq":%d,"prev":"%s","event":"open"}' % (SEQ_MAX, NO_HASH.encode())),
        _signed(b'{"seq":1,"prev":"%s"}' % NO_HASH.encode()),
        _signed(b"[" * 30_000 + b"}"),
        _signed(b'{"seq":%s}' % (b"9" * 5000)),
        _signed(b'{"a":"%s"}' % (b"x" * LINE_MAX_BYTES)),
        b'{"a":"\xff"},"hash":"' + b"0" * 64 + b'"}',
    ],
)
def test_other_lines_are_no_records(line: bytes) -> None:
    """Whatever else stands in the file is distinguished and breaks nothing."""
    assert parse(line) is None


def test_a_changed_record_is_read_and_known() -> None:
    """It keeps its place in the chain but isn't sound."""
    line, head = encode(Entry(event=Event.OPEN, user="ann"), Head(), 0.0)
    record = parse(line[:-1].replace(b"ann", b"bob"))
    assert record is not None
    assert not record.sound
    assert record.head == head
