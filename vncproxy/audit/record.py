"""One record of the audit: what it may hold, how it is written, how it is read. Pure.

A line is a JSON object whose last member is the SHA-256 of all the rest: take `,"hash":"…"` out of
the line and the hash is that of the bytes that are left. `prev` is the hash of the record before,
`seq` counts them, so no byte of a line can change, and no line can go, come or move, without a
contradiction further down. Nothing secret goes in: what the daemon knows about a session is chosen
here, field by field, and what was typed isn't among it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter

NO_HASH = "0" * 64
"""`prev` of the first record of all."""
TEXT_MAX_LENGTH = 200
"""Characters of one text: some, such as a user's name from a proxy, are chosen elsewhere."""
LIST_MAX = 100
"""Links, users or patterns that one record names; a session rarely has more than a few links."""
LINE_MAX_BYTES = 1024 * 1024
"""More than any record can have, with every character of every text escaped."""

SEQ_MAX = 2**53
"""What every reader of JSON can count to."""

_HEX = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_HASH_LENGTH = len(b',"hash":"') + 64 + len(b'"}')


class Event(StrEnum):
    """What happened."""

    START = "start"
    STOP = "stop"
    RELOAD = "reload"
    RULE = "rule"
    USERS = "users"
    LOGIN = "login"
    LOGOUT = "logout"
    REFUSAL = "refusal"
    OPEN = "open"
    VIEW = "view"
    CLOSE = "close"
    CONTROL_TAKEN = "control-taken"
    CONTROL_GRANTED = "control-granted"
    CONTROL_LOST = "control-lost"
    KICK = "kick"
    LOOK = "look"
    LOOK_END = "look-end"
    POWER = "power"
    POWER_ANSWER = "power-answer"
    RECORDED = "recorded"
    RECORDING_FAILED = "recording-failed"
    RECORDING_RESUMED = "recording-resumed"
    RECORDING_REMOVED = "recording-removed"
    # About the file itself.
    ROTATED = "rotated"
    CONTINUED = "continued"
    TORN = "torn"
    DAMAGED = "damaged"
    ALTERED = "altered"
    UNWRITTEN = "unwritten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The fields of one record; those that are None aren't written.

    Args:
        event: What happened.
        user: Who.
        identity: By which proof: a token, a password, a header and so on.
        door: Through which listener.
        address: From where.
        rule: Allowed by which rule.
        instance: Which instance, by id.
        alias: Its alias.
        region: Its region.
        viewer: Which viewer.
        other: The user who had control before or after, or who was sent away.
        other_viewer: That user's viewer.
        links: The upstream connections that a session used.
        bytes_in: From the viewer.
        bytes_out: To the viewer.
        seconds: How long it lasted.
        side: Whose side it ended on.
        code: The close code, or the HTTP status of a refusal.
        reason: The reason word.
        text: The reason in a sentence.
        version: The daemon's.
        count: How often, or how many.
        size_bytes: Length of what stands in the file itself, or of `file`.
        sha256: Hash of the same.
        file: A recording's name.
        users: As a rule has them.
        instances: As a rule has them.
        role: As a rule has it.
        record: As a rule has it.
        power: As a rule has it, if it does.
        force: Whether the power was to be cut.
        hours: As a rule has them.
    """

    event: Event
    user: str | None = None
    identity: str | None = None
    door: str | None = None
    address: str | None = None
    rule: str | None = None
    instance: str | None = None
    alias: str | None = None
    region: str | None = None
    viewer: str | None = None
    other: str | None = None
    other_viewer: str | None = None
    links: tuple[str, ...] | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    seconds: float | None = None
    side: str | None = None
    code: int | None = None
    reason: str | None = None
    text: str | None = None
    version: str | None = None
    count: int | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    file: str | None = None
    users: tuple[str, ...] | None = None
    instances: tuple[str, ...] | None = None
    role: str | None = None
    record: bool | None = None
    power: bool | None = None
    force: bool | None = None
    hours: tuple[str, ...] | None = None

    def given(self) -> dict[str, object]:
        """The fields that aren't None, texts cut to `TEXT_MAX_LENGTH`."""
        found: dict[str, object] = {}
        for name, value in zip(_FIELDS, _values_of(self), strict=True):
            if value is None:
                continue
            if isinstance(value, str):
                found[name] = str(value)[:TEXT_MAX_LENGTH]
            elif isinstance(value, tuple):
                found[name] = [one[:TEXT_MAX_LENGTH] for one in value[:LIST_MAX]]
            else:
                found[name] = value
        return found


_FIELDS = tuple(field.name for field in fields(Entry))
_values_of = attrgetter(*_FIELDS)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the last record's number and hash."""

    seq: int = 0
    hash: str = NO_HASH


@dataclass(frozen=True, slots=True)
class Record:
    """A line that was read.

    Args:
        sound: Whether its hash is that of its content.
    """

    seq: int
    prev: str
    hash: str
    event: str
    sound: bool
    content: dict[str, object]

    @property
    def head(self) -> Head:
        """The chain's end after this record."""
        return Head(self.seq, self.hash)


def encode(entry: Entry, before: Head, time_s: float) -> tuple[bytes, Head]:
    """A line with its line end, and the chain's new end.

    Args:
        entry: What to write.
        before: The chain's end so far.
        time_s: When it happened, seconds since 1970.
    """
    seq = before.seq + 1
    moment = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
    content = {
        "seq": seq,
        "time": moment.replace("+00:00", "Z"),
        **entry.given(),
        "prev": before.hash,
    }
    # ASCII only: no reader can take anything in a record for a line end. The hash covers the record
    # with `prev` in it, and so the whole chain before it. It is put into the serialised text, which
    # isn't serialised again: what was hashed is what stands in the file.
    body = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()
    digest = hashlib.sha256(body).hexdigest()
    return b'%s,"hash":"%s"}\n' % (body[:-1], digest.encode()), Head(seq, digest)


def parse(line: bytes) -> Record | None:
    """The record in a line without its line end; None if it is none."""
    found = _HASH.fullmatch(line, len(line) - _HASH_LENGTH) if len(line) > _HASH_LENGTH else None
    if found is None or len(line) > LINE_MAX_BYTES:
        return None
    body = line[:-_HASH_LENGTH] + b"}"
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    seq, prev, event = content.get("seq"), content.get("prev"), content.get("event")
    if type(seq) is not int or not 0 < seq < SEQ_MAX or not isinstance(event, str):
        return None
    if not isinstance(prev, str) or _HEX.fullmatch(prev) is None:
        return None
    digest = found[1].decode()
    return Record(seq, prev, digest, event, hashlib.sha256(body).hexdigest() == digest, content)
