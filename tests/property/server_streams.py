"""What ServerStream's laws are checked with: for hypothesis, and to be fuzzed."""

from __future__ import annotations

from collections.abc import Iterable

from vncproxy.rfb.server_events import RawReceived, ServerEvent, StreamBroken
from vncproxy.rfb.server_stream import ServerStream

MOST_EVENTS_FOR_WORK = 3


def joined(events: Iterable[ServerEvent]) -> list[ServerEvent]:
    """The events with the pixels of each Raw rectangle in one, as they aren't held."""
    out: list[ServerEvent] = []
    for event in events:
        if isinstance(event, RawReceived) and out and isinstance(out[-1], RawReceived):
            out[-1] = RawReceived(bytes(out[-1].data) + bytes(event.data))
        else:
            out.append(event)
    return out


def fed_with_limit(
    stream: ServerStream, pieces: Iterable[bytes], most_work: int
) -> list[ServerEvent]:
    """All events of these pieces, where no feed does more than so much work.

    Raises:
        AssertionError: One gives more than a few events a unit, or takes nothing.
    """
    events: list[ServerEvent] = []
    for piece in pieces:
        rest = piece
        while rest:
            now = stream.feed(rest, most_work)
            assert len(now) <= MOST_EVENTS_FOR_WORK * most_work
            assert stream.untaken < len(rest)
            rest = rest[len(rest) - stream.untaken :]
            events += now
    return events


def check_end(events: list[ServerEvent], stream: ServerStream) -> None:
    """A StreamBroken is the only one, and the last event; after it comes nothing.

    Args:
        events: All that the stream gave.
        stream: That gave them.

    Raises:
        AssertionError: It isn't so.
    """
    broken = [event for event in events if isinstance(event, StreamBroken)]
    assert broken == events[-1:] or not broken
    if broken:
        assert stream.feed(b"\x02") == []
        assert not stream.at_boundary
