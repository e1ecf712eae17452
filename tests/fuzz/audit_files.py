"""The audit's files, whoever wrote into them."""

from __future__ import annotations

import gzip
import hashlib
import io

from tests.fuzz.files import empty_folder
from tests.fuzz.target import Choices, Target
from vncproxy.audit.chained_file import AuditFile
from vncproxy.audit.record import Entry, Event
from vncproxy.audit.rotated_files import AuditFileError, opened, parts_of
from vncproxy.audit.session_index import SessionIndex, SessionQuery
from vncproxy.audit.verification import REMARKS_MAX, verify
from vncproxy.errors import AuditError

TIME_S = 1_796_000_000.0


def _hashed(line: bytes) -> bytes:
    """The line as a record that matches its hash, if it is an object of JSON."""
    body = line.partition(b',"hash":"')[0].rstrip()
    body = body if body.endswith(b"}") else body + b"}"
    return b'%s,"hash":"%s"}' % (body[:-1], hashlib.sha256(body).hexdigest().encode())


def _content(choices: Choices) -> bytes:
    """What stands in the file: as it is, or each line with the right hash."""
    is_hashed = choices.number(1) == 1
    lines = choices.rest.split(b"\n")
    return (
        b"\n".join(_hashed(line) if line else b"" for line in lines) if is_hashed else choices.rest
    )


def audit_file(data: bytes) -> None:
    """It is verified, gone on with, and found again, whatever is in it."""
    content = _content(Choices(data))
    found = verify(io.BytesIO(content), None)
    assert len(found.problems) <= REMARKS_MAX
    for remark in (*found.problems, *found.notes):
        assert remark.text.isprintable()
    if found.intact:
        assert verify(io.BytesIO(content), found.head.hash).behind_head is not None
    folder = empty_folder()
    path = folder / "audit.jsonl"
    path.write_bytes(content)
    path.chmod(0o600)
    try:
        file = AuditFile(path)
    except AuditError:
        return
    for note in file.notes:
        file.append(note, TIME_S)
    file.append(Entry(event=Event.START, version="1"), TIME_S)
    file.sync()
    file.close()
    grown = path.read_bytes()
    assert grown.startswith(content)
    after = verify(io.BytesIO(grown), None)
    assert after.head == file.head
    # What the daemon adds makes no whole file broken.
    assert after.intact or not found.intact


def past_sessions(data: bytes) -> None:
    """The list of past sessions is made of it, packed or not."""
    choices = Choices(data)
    form = choices.number(2)
    content = _content(choices)
    folder = empty_folder()
    path = folder / "audit.jsonl"
    path.write_bytes(content if form == 0 else b"")
    path.chmod(0o600)
    if form:
        packed = folder / "audit.jsonl.1.gz"
        packed.write_bytes(gzip.compress(content, 1) if form == 1 else content)
        packed.chmod(0o600)
        try:
            with opened(packed) as lines:
                verify(lines)
        except AuditFileError:
            pass
    parts_of(path)
    index = SessionIndex(folder / "past.sqlite", lambda: path)
    index.refresh()
    query = SessionQuery([one.key for one in index.instances()])
    sessions = index.find(query, 100)
    for session in sessions:
        repr(session).encode()
    assert index.count(query) >= len(sessions)


_WORDS = (
    b'{"seq":1,"time":"2026-11-30T10:00:00.000Z","event":"open"',
    b',"prev":"' + b"0" * 64 + b'"',
    *(f',"event":"{event}"'.encode() for event in Event),
    b',"viewer":"v-1","user":"ann","instance":"i-1","alias":"web-1"',
    b',"size_bytes":',
    b',"seconds":1e400',
    b"\n",
)
TARGETS: tuple[Target, ...] = (
    Target("audit-file", audit_file, 8192, _WORDS),
    Target("past-sessions", past_sessions, 8192, _WORDS),
)
