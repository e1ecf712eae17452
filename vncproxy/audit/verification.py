"""Whether an audit file is what the daemon wrote: every break of the chain, in plain words. Pure.

Who may write to the file can also compute hashes, so a chain alone can't show that its end was cut
or written anew; that shows by a head from elsewhere: the daemon's journal has one every so often.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from vncproxy.audit.record import NO_HASH, Event, Head, Record, parse
from vncproxy.languages.text import Text

REMARKS_MAX = 100
"""More than this are counted, not listed."""
RUBBLE_MAX_BYTES = 1024 * 1024
"""Bytes that are no record; the daemon accepts no more of them at the end of its file."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to know of a file.

    Args:
        line: Counted from 1; 0: the file as a whole.
    """

    line: int
    text: str

    @property
    def in_words(self) -> Text:
        """For people."""
        if not self.line:
            return Text(self.text)
        return Text("line {line}: {text}", line=self.line, text=self.text)

    def __str__(self) -> str:
        """The same in plain English."""
        return self.in_words.english


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of a file.

    Args:
        records: How many it has.
        head: The chain's end.
        behind_head: How many records follow the head that was asked for, None if none was asked for
            or it isn't there.
        problems: Where the chain is broken.
        unlisted: How many further problems there are.
        notes: What the daemon itself noted about the file.
    """

    records: int
    head: Head
    behind_head: int | None
    problems: tuple[Remark, ...]
    unlisted: int
    notes: tuple[Remark, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(lines: Iterable[bytes], head: str | None = None) -> Verification:
    """Follow the chain.

    Args:
        lines: With their line ends, as a binary file gives them.
        head: The hash of a record that must be there, from the journal.
    """
    reader = _Reader(head)
    for number, line in enumerate(lines, start=1):
        reader.take(number, line)
    return reader.result()


class _Reader:
    def __init__(self, head: str | None) -> None:
        self._wanted = head
        self._found: int | None = None
        self._last: Record | None = None
        self._records = 0
        self._problems: list[Remark] = []
        self._unlisted = 0
        self._notes: list[Remark] = []
        # Bytes that are no record; a crash leaves some, and the daemon notes them at its next start
        self._rubble = b""
        self._rubble_line = 0
        self._cut_short = False
        # A daemon that started has recorded no stop yet.
        self._runs = False

    def take(self, number: int, line: bytes) -> None:
        whole = line.endswith(b"\n")
        record = parse(line[:-1]) if whole else None
        if record is None:
            self._rubble_line = self._rubble_line or number
            if len(self._rubble) <= RUBBLE_MAX_BYTES:
                self._rubble += line
            self._cut_short = not whole
            return
        self._settle_rubble(number, record)
        self._records += 1
        if not record.sound:
            self._problem(
                number, Text("record {seq} was changed: it doesn't match its hash", seq=record.seq)
            )
        self._follow(number, record)
        self._note(number, record)
        if record.hash == self._wanted and record.sound:
            self._found = self._records
        self._last = record

    def result(self) -> Verification:
        if self._rubble:
            self._problem(
                self._rubble_line,
                Text(
                    "the last line is cut short: the daemon was stopped hard, or somebody "
                    "cut the file"
                )
                if self._cut_short and b"\n" not in self._rubble
                else Text("what stands here is no record"),
            )
        if not self._records:
            self._problem(0, Text("there is no record in this file"))
        elif self._wanted is not None and self._found is None:
            self._problem(
                0,
                Text(
                    "no record has the head that was given: records at the end were cut "
                    "off, or written anew, or the head belongs to another file"
                ),
            )
        return Verification(
            self._records,
            self._last.head if self._last is not None else Head(),
            self._records - self._found if self._found is not None else None,
            tuple(self._problems),
            self._unlisted,
            tuple(self._notes),
        )

    def _settle_rubble(self, number: int, record: Record) -> None:
        """Was it noted by the record that follows, as a line that a crash had cut short?"""
        if not self._rubble:
            return
        left = self._rubble.removesuffix(b"\n")
        noted = (
            record.event == Event.TORN
            and record.content.get("size_bytes") == len(left) <= RUBBLE_MAX_BYTES
            and record.content.get("sha256") == hashlib.sha256(left).hexdigest()
        )
        if noted:
            self._add_note(
                self._rubble_line,
                Text(
                    "{left} bytes of a record that wasn't finished, as record {seq} says",
                    left=len(left),
                    seq=record.seq,
                ),
            )
        else:
            self._problem(self._rubble_line, Text("what stands here is no record"))
        self._rubble, self._rubble_line = b"", 0

    def _follow(self, number: int, record: Record) -> None:
        last = self._last
        if last is None:
            self._begin(number, record)
        elif record.seq == last.seq + 1:
            if record.prev != last.hash:
                self._problem(
                    number,
                    Text(
                        "record {seq} doesn't continue the record {seq2} above it: one of the "
                        "two isn't the one that was written",
                        seq=record.seq,
                        seq2=last.seq,
                    ),
                )
        elif record.seq > last.seq:
            self._problem(number, _missing(last.seq + 1, record.seq - 1))
        else:
            self._problem(
                number,
                Text(
                    "record {seq} stands below record {seq2}: it was moved or put in",
                    seq=record.seq,
                    seq2=last.seq,
                ),
            )

    def _begin(self, number: int, record: Record) -> None:
        if record.event == Event.ROTATED and record.seq > 1:
            self._add_note(
                number,
                Text(
                    "this file continues another one: verify that with --head {prev}",
                    prev=record.prev,
                ),
            )
        elif record.seq > 1:
            self._problem(number, _missing(1, record.seq - 1))
        elif record.prev != NO_HASH:
            self._problem(
                number, Text("record 1 names one before it: it isn't the one that was written")
            )

    def _note(self, number: int, record: Record) -> None:
        match record.event:
            case Event.START:
                if self._runs:
                    self._add_note(
                        number,
                        Text(
                            "record {seq} starts a daemon, and the one before it recorded no stop: "
                            "it crashed or was killed, and what was open then has no end here",
                            seq=record.seq,
                        ),
                    )
                self._runs = True
            case Event.STOP:
                self._runs = False
            case Event.DAMAGED | Event.ALTERED | Event.UNWRITTEN | Event.CONTINUED:
                # Who altered the file may have chosen the text too.
                text = str(record.content.get("text", "")).encode("unicode_escape").decode()
                self._add_note(
                    number,
                    Text(
                        "record {seq} says: {event}: {text}",
                        seq=record.seq,
                        event=record.event,
                        text=text,
                    ),
                )
                self._runs = self._runs and record.event != Event.CONTINUED
            case Event.TORN:
                pass
            case _:
                self._runs = True

    def _add_note(self, number: int, text: str) -> None:
        if len(self._notes) < REMARKS_MAX:
            self._notes.append(Remark(number, text))

    def _problem(self, number: int, text: str) -> None:
        if len(self._problems) < REMARKS_MAX:
            self._problems.append(Remark(number, text))
        else:
            self._unlisted += 1


def _missing(first: int, last: int) -> Text:
    if first == last:
        return Text("record {first} is missing above", first=first)
    return Text("records {first} to {last} are missing above", first=first, last=last)
