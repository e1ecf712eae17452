"""RFB after the handshakes: what an upstream and a viewer send, and what Tight and Hextile hold.

No input raises, and any split gives the same events.
"""

from __future__ import annotations

import struct

from tests.fuzz.target import Choices, Target, check_same, splits
from tests.property.server_streams import check_end, fed_with_limit, joined
from vncproxy.errors import RecordingError
from vncproxy.recording.canvas import Canvas
from vncproxy.recording.novnc_form import NovncForm
from vncproxy.rfb import tight
from vncproxy.rfb.client_events import ClientEvent
from vncproxy.rfb.client_events import StreamBroken as ViewerBroke
from vncproxy.rfb.client_stream import ClientStream
from vncproxy.rfb.encodings import HEXTILE, RRE, TIGHT, TIGHT_PNG
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import RectangleReceived
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.viewer_messages import framebuffer_update, rectangle_header, server_init

WIDTH, HEIGHT = 64, 48
FORMATS = (
    PixelFormat(),
    PixelFormat(red_shift=0, green_shift=8, blue_shift=16),
    PixelFormat(
        bits_per_pixel=16,
        depth=16,
        red_max=31,
        green_max=63,
        blue_max=31,
        red_shift=11,
        green_shift=5,
        blue_shift=0,
    ),
    PixelFormat(bits_per_pixel=8, depth=8, true_colour=False),
)
MOST_WORK = (1, 7, 60)


def server_stream(data: bytes) -> None:
    """Messages of an upstream."""
    choices = Choices(data)
    pixel_format = FORMATS[choices.number(len(FORMATS) - 1)]
    seed, most_work = choices.number(255), MOST_WORK[choices.number(2)]
    wire = choices.rest

    def new() -> ServerStream:
        return ServerStream(WIDTH, HEIGHT, pixel_format)

    stream = new()
    whole = joined(stream.feed(wire))
    check_end(whole, stream)
    for pieces in splits(wire, seed):
        stream = new()
        check_same(joined([event for piece in pieces for event in stream.feed(piece)]), whole)
    check_same(joined(fed_with_limit(new(), [wire], most_work)), whole)
    for event in whole:
        if isinstance(event, RectangleReceived):
            found = tight.layout(
                event.encoding, event.width, event.height, event.data, pixel_format
            )
            assert found is None or found.data_at <= len(event.data)


def client_stream(data: bytes) -> None:
    """Messages of a viewer."""
    choices = Choices(data)
    extended, seed = choices.number(1) == 1, choices.number(255)
    most_work = MOST_WORK[choices.number(2)]
    wire = choices.rest
    stream = ClientStream(extended_buttons=extended)
    whole = stream.feed(wire)
    passed = b"".join(event.raw for event in whole if not isinstance(event, ViewerBroke))
    assert wire.startswith(passed)
    broken = [event for event in whole if isinstance(event, ViewerBroke)]
    assert broken == whole[len(whole) - len(broken) :]
    assert len(broken) <= 1
    if broken:
        assert stream.feed(b"\4\1\0\0\0\0\0\x61") == []
    for pieces in splits(wire, seed):
        stream = ClientStream(extended_buttons=extended)
        check_same([event for piece in pieces for event in stream.feed(piece)], whole)
    stream = ClientStream(extended_buttons=extended)
    events: list[ClientEvent] = []
    rest = wire
    while rest:
        events += stream.feed(rest, most_work)
        assert stream.untaken < len(rest)
        rest = rest[len(rest) - stream.untaken :]
    check_same(events, whole)


def tight_rectangle(data: bytes) -> None:
    """One rectangle of Tight or TightPNG: measured, and drawn as in a recording's export."""
    _rectangle(data, (TIGHT, TIGHT_PNG))


def hextile_rectangle(data: bytes) -> None:
    """One rectangle of Hextile or RRE, the same."""
    _rectangle(data, (HEXTILE, RRE))


def _rectangle(data: bytes, encodings: tuple[int, ...]) -> None:
    choices = Choices(data)
    encoding = encodings[choices.number(len(encodings) - 1)]
    pixel_format = FORMATS[choices.number(len(FORMATS) - 1)]
    width, height = choices.number(WIDTH), choices.number(HEIGHT)
    content = choices.rest
    stream = ServerStream(WIDTH, HEIGHT, pixel_format)
    header = rectangle_header(0, 0, width, height, encoding)
    events = stream.feed(framebuffer_update(1) + header + content)
    found = [event for event in events if isinstance(event, RectangleReceived)]
    again = ServerStream(WIDTH, HEIGHT, pixel_format)
    single = [again.feed(bytes((byte,))) for byte in framebuffer_update(1) + header + content]
    assert [
        event for some in single for event in some if isinstance(event, RectangleReceived)
    ] == found
    if not found:
        return
    form = NovncForm(server_init(WIDTH, HEIGHT, pixel_format, "fuzzed"))
    canvas = Canvas(form.opening)
    try:
        canvas.draw(
            canvas.drawable(form.translated(framebuffer_update(1) + found[0].message_bytes))
        )
    except RecordingError:
        return


TARGETS = (
    Target(
        "server-stream",
        server_stream,
        words=tuple(
            struct.pack(">i", encoding)
            for encoding in (
                0,
                1,
                2,
                5,
                7,
                16,
                -223,
                -224,
                -239,
                -240,
                -260,
                -261,
                -307,
                -308,
                -314,
            )
        ),
    ),
    Target("client-stream", client_stream, words=(b"\xff\0", b"\xff\1\0\2", b"\xf8\0\0\0")),
    Target("tight", tight_rectangle),
    Target("hextile", hextile_rectangle),
)
