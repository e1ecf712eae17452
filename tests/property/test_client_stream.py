"""Laws of the viewer's stream: the cuts don't matter, nothing is lost, nothing raises."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.client_messages import messages, pieces
from vncproxy.rfb.client_events import ClientEvent, StreamBroken
from vncproxy.rfb.client_stream import ClientStream, work

cuts = st.lists(st.integers(0, 1 << 20), max_size=40)
scripts = st.booleans().flatmap(
    lambda extended: st.tuples(st.just(extended), st.lists(messages(extended), max_size=12))
)


def feed_all(stream: ClientStream, parts: list[bytes]) -> list[ClientEvent]:
    """Everything that comes out when the parts are fed one by one."""
    return [event for part in parts for event in stream.feed(part)]


def raw_of(events: list[ClientEvent]) -> list[bytes]:
    """The messages inside the events, none of which may be the end."""
    return [e.raw for e in events if not isinstance(e, StreamBroken)]


@given(scripts, cuts)
@settings(max_examples=100)
def test_any_cut_gives_the_same_messages(
    script: tuple[bool, list[bytes]], places: list[int]
) -> None:
    """However valid messages are cut, they come out whole, in order and alike."""
    extended, sent = script
    data = b"".join(sent)
    whole = ClientStream(extended_buttons=extended).feed(data)
    cut = feed_all(ClientStream(extended_buttons=extended), pieces(data, places))
    assert cut == whole
    assert raw_of(cut) == sent
    assert len(cut) == len(sent)


@given(scripts)
@settings(max_examples=100)
def test_boundaries_are_exactly_the_ends_of_messages(script: tuple[bool, list[bytes]]) -> None:
    """Fed byte by byte, the stream says at_boundary at the ends of messages and nowhere else."""
    extended, sent = script
    ends = {0, *accumulate(len(message) for message in sent)}
    stream = ClientStream(extended_buttons=extended)
    data = b"".join(sent)
    assert stream.at_boundary
    for place, byte in enumerate(data, start=1):
        events = stream.feed(bytes([byte]))
        assert stream.at_boundary == (place in ends)
        assert bool(events) == (place in ends)


mostly_valid = st.lists(st.one_of(messages(False), st.binary(max_size=60)), max_size=8)


@given(mostly_valid, st.booleans(), cuts)
@settings(max_examples=100)
def test_garbage_ends_the_stream_and_never_raises(
    parts: list[bytes], extended: bool, places: list[int]
) -> None:
    """Any bytes give messages that repeat the input, then at most one end, whatever the cuts."""
    data = b"".join(parts)
    whole = ClientStream(extended_buttons=extended)
    events = whole.feed(data)
    cut = ClientStream(extended_buttons=extended)
    assert feed_all(cut, pieces(data, places)) == events
    assert cut.at_boundary == whole.at_boundary
    passed = b"".join(raw_of(events))
    assert data.startswith(passed)
    ends = [e for e in events if isinstance(e, StreamBroken)]
    assert ends == events[len(events) - len(ends) :]
    assert len(ends) <= 1
    if ends:
        assert not whole.at_boundary
        assert whole.feed(b"\4\1\0\0\0\0\0\x61") == []
    else:
        assert whole.at_boundary == (passed == data)


@given(scripts, cuts, st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_any_limit_on_the_work_gives_the_same_messages(
    script: tuple[bool, list[bytes]], places: list[int], most_work: int
) -> None:
    """What one feed leaves alone, the next ones give; none does more than it was let, but one."""
    extended, sent = script
    data = b"".join(sent)
    whole = ClientStream(extended_buttons=extended).feed(data)
    stream = ClientStream(extended_buttons=extended)
    given_: list[ClientEvent] = []
    for piece in pieces(data, places):
        rest = piece
        while rest:
            events = stream.feed(rest, most_work)
            assert sum(map(work, raw_of(events)[:-1])) < most_work
            assert stream.untaken < len(rest)
            rest = rest[len(rest) - stream.untaken :]
            given_ += events
    assert given_ == whole
