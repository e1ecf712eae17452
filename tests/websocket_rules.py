"""RFC 6455 as a table: what each end of ours, and aiohttp's server, make of each case.

`python -m tests.websocket_rules` writes the table to tests/websocket-rules.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.websocket_ends import (
    Outcome,
    at_aiohttp,
    at_the_console,
    at_the_control_channel,
    at_the_gateway,
    frame,
)

_CUT_EVERYWHERE = 400
DOCUMENT = Path(__file__).parent / "websocket-rules.md"
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
TAKEN, REFUSED, LEFT = "taken", "refused", "left"

End = Callable[[Sequence[bytes]], Awaitable[Outcome]]
Wire = Callable[[bool], bytes]
"""The peer's bytes: of a client (masked) or a server."""


@dataclass(frozen=True)
class Column:
    """One end.

    Args:
        masked: Its peer is a client.
    """

    title: str
    end: End
    masked: bool


CONSOLE = Column("a viewer's console", at_the_console, True)
GATEWAY = Column("the cloud's gateway", at_the_gateway, False)
CONTROL = Column("a page's control channel", at_the_control_channel, True)
AIOHTTP = Column("aiohttp's server alone", at_aiohttp, True)
COLUMNS = (CONSOLE, GATEWAY, CONTROL, AIOHTTP)


@dataclass(frozen=True)
class Case:
    """What a peer sends, and what becomes of it.

    Args:
        name: What it is, in words.
        section: Of RFC 6455.
        wire: The bytes.
        expected: At both ends of ours. `TAKEN`: the connection goes on; `REFUSED`: it is ended as
            broken; `LEFT`: the peer has said goodbye.
        received: What binary messages hold until then.
        pongs: The answers to pings until then.
        answer: The code that a goodbye is answered with; 0: none.
        but: By column, where it differs.
    """

    name: str
    section: str
    wire: Wire
    expected: str
    received: bytes = b""
    pongs: tuple[bytes, ...] = ()
    answer: int = 0
    but: tuple[tuple[Column, str], ...] = ()

    def expected_at(self, column: Column) -> str:
        """What becomes of it there."""
        return dict(self.but).get(column, self.expected)


_BY_AIOHTTP_TAKEN = ((CONTROL, TAKEN), (AIOHTTP, TAKEN))
_BY_AIOHTTP_REFUSED = ((CONTROL, REFUSED), (AIOHTTP, REFUSED))


def _f(
    opcode: int,
    data: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    length_bytes: int | None = None,
) -> Wire:
    return lambda masked: frame(
        opcode, data, masked=masked, final=final, reserved=reserved, length_bytes=length_bytes
    )


def _wrong_mask(opcode: int, data: bytes = b"") -> Wire:
    return lambda masked: frame(opcode, data, masked=not masked)


def _together(*wires: Wire) -> Wire:
    return lambda masked: b"".join(wire(masked) for wire in wires)


def _head(opcode: int, length: bytes, short: int) -> Wire:
    """A frame's head with any length, and a mask where it has to have one; nothing follows."""
    return lambda masked: (
        bytes((0x80 | opcode, masked << 7 | short)) + length + (b"mask" if masked else b"")
    )


def _code(number: int, reason: bytes = b"") -> bytes:
    return number.to_bytes(2, "big") + reason


def _lengths() -> list[Case]:
    cases = [
        Case(f"a message of {size:,} bytes", "5.2", _f(BINARY, b"x" * size), TAKEN, b"x" * size)
        for size in (0, 1, 125, 126, 127, 65_535, 65_536)
    ]
    for size, length_bytes in ((0, 2), (125, 2), (125, 8), (126, 8), (65_535, 8)):
        cases.append(
            Case(
                f"{size:,} bytes, with a length of {8 * length_bytes} bits, not the shortest",
                "5.2",
                _f(BINARY, b"x" * size, length_bytes=length_bytes),
                REFUSED,
                but=_BY_AIOHTTP_TAKEN,
            )
        )
    cases += [
        Case(
            "a length of 64 bits with the highest one set",
            "5.2",
            _head(BINARY, b"\x80" + bytes(7), 127),
            REFUSED,
        ),
        Case(
            "the head of a frame of 1 TiB",
            "10.4",
            _head(BINARY, (1 << 40).to_bytes(8, "big"), 127),
            REFUSED,
            # Nothing of the cloud's frames is held, however long they are.
            but=((GATEWAY, TAKEN),),
        ),
    ]
    return cases


def _fragments() -> list[Case]:
    begun = _f(BINARY, b"one ", final=False)
    ended = _f(CONT, b"two")
    return [
        Case("a message in two fragments", "5.4", _together(begun, ended), TAKEN, b"one two"),
        Case(
            "in five, some of them empty",
            "5.4",
            _together(
                _f(BINARY, b"", final=False),
                _f(CONT, b"one ", final=False),
                _f(CONT, b"", final=False),
                _f(CONT, b"two", final=False),
                _f(CONT),
            ),
            TAKEN,
            b"one two",
        ),
        Case(
            "a ping and a pong between fragments",
            "5.5",
            _together(begun, _f(PING, b"between"), _f(PONG, b"unasked"), ended),
            TAKEN,
            b"one two",
            (b"between",),
        ),
        Case("a continuation of nothing", "5.4", _f(CONT, b"x"), REFUSED),
        Case(
            "a continuation after the last fragment",
            "5.4",
            _together(begun, ended, _f(CONT, b"x")),
            REFUSED,
            b"one two",
        ),
        Case(
            "a new message within one that isn't ended",
            "5.4",
            _together(begun, _f(BINARY, b"x")),
            REFUSED,
            b"one ",
        ),
        Case(
            "text within a binary message",
            "5.4",
            _together(begun, _f(TEXT, b"x")),
            REFUSED,
            b"one ",
        ),
    ]


def _bits() -> list[Case]:
    cases = [
        Case(
            f"reserved bits {bits:03b} of a binary frame",
            "5.2",
            _f(BINARY, b"x", reserved=bits),
            REFUSED,
        )
        for bits in (1, 2, 4, 7)
    ]
    cases.append(Case("a reserved bit of a ping", "5.2", _f(PING, b"x", reserved=4), REFUSED))
    cases += [
        Case(f"the reserved opcode {opcode}", "5.2", _f(opcode, b"x"), REFUSED)
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ]
    cases += [
        Case(
            f"{name} with a mask from a server, without one from a client",
            "5.1",
            _wrong_mask(opcode, data),
            REFUSED,
            but=((AIOHTTP, TAKEN),),
        )
        for name, opcode, data in (
            ("a binary frame", BINARY, b"x"),
            ("an empty one", BINARY, b""),
            ("a ping", PING, b"x"),
        )
    ]
    return cases


def _control_frames() -> list[Case]:
    long = b"x" * 125
    return [
        Case("an empty ping", "5.5.2", _f(PING), TAKEN, pongs=(b"",)),
        Case("a ping of 125 bytes", "5.5.2", _f(PING, long), TAKEN, pongs=(long,)),
        Case("a ping of 126 bytes", "5.5", _f(PING, long + b"x"), REFUSED),
        Case("a ping in fragments", "5.5", _f(PING, b"x", final=False), REFUSED),
        Case("a ping with a length of 16 bits", "5.5", _f(PING, b"x", length_bytes=2), REFUSED),
        Case(
            "ten pings",
            "5.5.3",
            _together(*[_f(PING, bytes((n,))) for n in range(10)]),
            TAKEN,
            pongs=tuple(bytes((n,)) for n in range(10)),
        ),
        Case("a pong that nobody asked for", "5.5.3", _f(PONG, b"x"), TAKEN),
        Case("a pong of 126 bytes", "5.5", _f(PONG, long + b"x"), REFUSED),
        Case("a pong in fragments", "5.5", _f(PONG, b"x", final=False), REFUSED),
    ]


def _texts() -> list[Case]:
    return [
        # The control channel speaks JSON; the screen is bytes.
        Case("text", "5.6", _f(TEXT, "größer".encode()), REFUSED, but=_BY_AIOHTTP_TAKEN),
        Case("text that isn't UTF-8", "8.1", _f(TEXT, b"\xce\xba\xff"), REFUSED),
        Case(
            "text cut inside a character at its end",
            "8.1",
            _f(TEXT, "ä".encode()[:1]),
            REFUSED,
        ),
    ]


def _goodbyes() -> list[Case]:
    bye = _f(CLOSE, _code(1000))
    cases = [
        Case("without a code", "5.5.1", _f(CLOSE), LEFT),
        Case(
            "data and a ping after it",
            "5.5.1",
            _together(bye, _f(BINARY, b"late"), _f(PING, b"x")),
            LEFT,
            answer=1000,
        ),
        Case("rubbish after it", "5.5.1", _together(bye, lambda _: b"\xff" * 9), LEFT, answer=1000),
        Case(
            "between the fragments of a message",
            "5.5.1",
            _together(_f(BINARY, b"one ", final=False), bye, _f(CONT, b"late")),
            LEFT,
            b"one ",
            answer=1000,
        ),
        Case("two of them", "5.5.1", _together(bye, _f(CLOSE, _code(1001))), LEFT, answer=1000),
    ]
    cases += [
        Case(f"the code {number}", "7.4", _f(CLOSE, _code(number)), LEFT, answer=number)
        for number in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    ]
    for number in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
        is_known_to_aiohttp = number != 1006 and number < 3000
        cases.append(
            Case(
                f"the code {number}, which isn't to be sent",
                "7.4",
                _f(CLOSE, _code(number)),
                LEFT,
                but=_BY_AIOHTTP_REFUSED if is_known_to_aiohttp else (),
            )
        )
    cases.append(
        Case(
            "a reason of 123 bytes", "5.5.1", _f(CLOSE, _code(1000, b"x" * 123)), LEFT, answer=1000
        )
    )
    cases += [
        Case(name, section, wire, LEFT, but=_BY_AIOHTTP_REFUSED)
        for name, section, wire in (
            ("a reason that isn't UTF-8", "5.5.1", _f(CLOSE, _code(1000, b"\xff"))),
            ("half a code", "5.5.1", _f(CLOSE, b"\x03")),
            ("126 bytes", "5.5", _f(CLOSE, _code(1000, b"x" * 124))),
            ("in fragments", "5.5", _f(CLOSE, _code(1000), final=False)),
            ("with a reserved bit", "5.2", _f(CLOSE, _code(1000), reserved=4)),
        )
    ]
    cases.append(
        Case(
            "with a mask from a server, without one from a client",
            "5.1",
            _wrong_mask(CLOSE, _code(1000)),
            LEFT,
            # A browser always masks, so this is none.
            but=((CONSOLE, REFUSED), (CONTROL, REFUSED)),
        )
    )
    return cases


GROUPS: dict[str, list[Case]] = {
    "Lengths": _lengths(),
    "Fragments": _fragments(),
    "Bits, opcodes, masks": _bits(),
    "Control frames": _control_frames(),
    "Text": _texts(),
    "Goodbyes": _goodbyes(),
}


def what_became(outcome: Outcome) -> str:
    """In one of the three words."""
    if outcome.breach:
        return REFUSED
    return LEFT if outcome.over else TAKEN


def splits(case: Case, column: Column) -> list[list[int]]:
    """Where a case's bytes are cut: nowhere; everywhere, or in every head of a long frame."""
    size = len(case.wire(column.masked))
    everywhere = range(1, size) if size < _CUT_EVERYWHERE else (*range(1, 16), size - 1)
    return [[], list(everywhere)]


async def outcome_of(case: Case, column: Column, places: Sequence[int] = ()) -> Outcome:
    """What an end does with a case.

    Args:
        case: Which.
        column: The end.
        places: Where its bytes are cut.
    """
    wire = case.wire(column.masked)
    pieces = [wire[start:end] for start, end in pairwise((0, *places, len(wire)))]
    return await column.end(pieces)


async def document() -> str:
    """The table, as each end does it now."""
    lines = [_ABOUT]
    for title, cases in GROUPS.items():
        lines += [f"## {title}", "", _row("case", "RFC 6455", *[one.title for one in COLUMNS])]
        lines.append(_row(*["---"] * (2 + len(COLUMNS))))
        for case in cases:
            found = [what_became(await outcome_of(case, column)) for column in COLUMNS]
            cells = [word if word == found[0] else f"**{word}**" for word in found]
            lines.append(_row(case.name, case.section, *cells))
        lines.append("")
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


_ABOUT = """# WebSocket rules

What becomes of what a peer may send, at the daemon's ends of WebSockets and at aiohttp's server
alone. Made by `python -m tests.websocket_rules`; `property/test_websocket_rules.py` tries each
case, also cut into single bytes, and sees that this table is what it finds.

*taken*: the connection goes on, and a ping is answered. *refused*: it is ended as broken, with 4400
(console), 1002 (gateway) or a code of aiohttp's. *left*: the peer has said goodbye; it is answered,
and nothing after it counts. Bold: otherwise than at a console.

Our own reader (console and gateway) is stricter than aiohttp about lengths that aren't in their
shortest form, which browsers refuse when such frames are passed on to them; about a client's frames
without a mask, as the control channel is; and about text where bytes are meant. It is more lenient
about goodbyes: one that is malformed is one. How the daemon says goodbye itself is tested in
`unit/websocket/test_browser_transport.py` and `test_gateway_transport.py`.
"""


if __name__ == "__main__":
    DOCUMENT.write_text(asyncio.run(document()))
