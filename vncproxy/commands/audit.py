"""`vncproxy audit verify`: whether an audit file is what the daemon wrote."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from vncproxy.commands.command import DONE, FAILED, Command, add_commands, add_json
from vncproxy.commands.output import print_json, print_lines, require_output
from vncproxy.errors import AuditError
from vncproxy.languages.text import Text, counted

if TYPE_CHECKING:
    from vncproxy.audit.verification import Verification

_GZIP = b"\x1f\x8b"
_OTHER_FORMS = {b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
"""What log rotations compress by besides, by how their files begin."""
_MAGIC_BYTES = 6


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="also one that gzip has compressed")
    parser.add_argument(
        "--head",
        metavar="HASH",
        type=sha256,
        help="of a record that must be there: the newest audit.head in the daemon's log",
    )
    add_json(parser)


def sha256(text: str) -> str:
    """A SHA-256, in lower case.

    Raises:
        ArgumentTypeError: It isn't one.
    """
    if len(text) == 64 and set(text.lower()) <= set("0123456789abcdef"):
        return text.lower()
    raise argparse.ArgumentTypeError(
        Text("{text} is no SHA-256: 64 hexadecimal digits", text=repr(text))
    )


def _run_verify(options: argparse.Namespace) -> int:
    require_output()
    verdict = verify_file(options.file, options.head)
    if options.json:
        print_json(as_json(verdict))
    else:
        print_lines(in_words(options.file, verdict))
    return DONE if verdict.intact else FAILED


def verify_file(path: Path, head: str | None) -> Verification:
    """Follow the chain in a file, also one that gzip has compressed.

    Raises:
        AuditError: It can't be read.
    """
    from vncproxy.audit.verification import verify

    with lines_in(path) as lines:
        return verify(lines, head)


@contextmanager
def lines_in(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of an audit file, unpacked piece by piece if gzip has compressed it.

    Of a line that is too long to be a record only the beginning comes, as a line.

    Raises:
        AuditError: It can't be read, here or while the lines are.
    """
    import gzip
    import zlib

    try:
        with path.open("rb") as file:
            beginning = file.peek(_MAGIC_BYTES)
            for magic, program in _OTHER_FORMS.items():
                if beginning.startswith(magic):
                    raise AuditError(
                        Text(
                            "{path} is compressed by {program}, which isn't read here: "
                            "{program} -dc {path} | vncproxy audit verify /dev/stdin",
                            path=path,
                            program=program,
                        )
                    )
            if beginning.startswith(_GZIP):
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield _lines_of(cast("BinaryIO", unpacked))
            else:
                yield _lines_of(file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        raise AuditError(
            Text("{path} can't be unpacked to its end: it is damaged, or cut short.", path=path)
        ) from fault
    except OSError as fault:
        raise AuditError(
            Text("{path} can't be read: {reason}.", path=path, reason=fault.strerror)
        ) from fault


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    from vncproxy.audit.record import LINE_MAX_BYTES

    while line := file.readline(LINE_MAX_BYTES):
        yield line
        while line and not line.endswith(b"\n"):
            line = file.readline(LINE_MAX_BYTES)


def in_words(path: Path, verdict: Verification) -> list[Text]:
    """The verdict for people, one line each."""
    lines = [note.in_words for note in verdict.notes]
    lines += [Text("BROKEN  {problem}", problem=one.in_words) for one in verdict.problems]
    if verdict.unlisted:
        lines.append(
            counted(
                verdict.unlisted,
                "BROKEN  and in {count} more place",
                "BROKEN  and in {count} more places",
            )
        )
    records = counted(verdict.records, "{count} record", "{count} records")
    if verdict.intact:
        lines.append(
            Text(
                "{path} is intact: {records}, the last is {seq}",
                path=path,
                records=records,
                seq=verdict.head.seq,
            )
        )
        if verdict.behind_head is None:
            lines.append(
                Text(
                    "Whether records at the end are missing or were written anew shows "
                    "only with --head: take the newest hash of audit.head from the "
                    "daemon's log."
                )
            )
        elif verdict.behind_head:
            lines.append(
                Text(
                    "{count} of them came after the head that was given.", count=verdict.behind_head
                )
            )
    else:
        lines.append(Text("{path} isn't what was written: {records}", path=path, records=records))
    lines.append(Text("head {hash}", hash=verdict.head.hash))
    return lines


def as_json(verdict: Verification) -> dict[str, Any]:
    """The verdict for programs."""
    return {
        "intact": verdict.intact,
        "records": verdict.records,
        "head": {"seq": verdict.head.seq, "hash": verdict.head.hash},
        "behind_head": verdict.behind_head,
        "problems": [{"line": one.line, "text": one.text} for one in verdict.problems],
        "untold": verdict.unlisted,
        "notes": [{"line": one.line, "text": one.text} for one in verdict.notes],
    }


VERIFY = Command(
    "verify",
    "tell whether an audit file is what the daemon wrote",
    (
        "vncproxy audit verify /var/lib/vncproxy/audit.jsonl",
        "vncproxy audit verify /var/lib/vncproxy/audit.jsonl.2.gz",
    ),
    _add_verify,
    _run_verify,
)
COMMAND = Command(
    "audit",
    "look at the audit",
    VERIFY.examples,
    partial(add_commands, commands=(VERIFY,), metavar="ACT"),
    None,
)
