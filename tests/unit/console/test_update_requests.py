"""What the upstream is asked for; more in tests/property/test_shared_screen.py."""

from __future__ import annotations

import struct

import pytest

from vncproxy.console.shared_screen import SharedScreen
from vncproxy.console.update_requests import FormatSwitch
from vncproxy.console.viewer_updates import ViewerUpdates
from vncproxy.rfb import client_messages
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import (
    RectangleReceived,
    ServerEvent,
    UpdateEnded,
    UpdateStarted,
    plain_slices,
)

FORMAT = PixelFormat(32, 24, False, True, 255, 255, 255, 16, 8, 0)
RAW_PIXEL = RectangleReceived(0, 0, 1, 1, enc.RAW, bytes(4))
CURSOR_SHAPE = RectangleReceived(0, 0, 1, 1, enc.CURSOR, bytes(5))
NEXT_FRAME = client_messages.update_request(incremental=True, x=0, y=0, width=1, height=1)


@pytest.mark.parametrize("rectangle", [RAW_PIXEL, CURSOR_SHAPE], ids=["picture", "cursor"])
def test_the_next_frame_is_asked_for_after_any_update(rectangle: RectangleReceived) -> None:
    """A cursor's shape alone is an answer, too: TigerVNC's server sends nothing more unasked."""
    shared_screen = SharedScreen(ScreenState(1, 1, "one pixel", FORMAT), viewer_window_bytes=65536)
    screen = shared_screen.join("v-1")
    screen.set_encodings((enc.RAW, enc.CURSOR), 0.0)
    screen.requested(incremental=False, x=0, y=0, width=1, height=1)
    shared_screen.requests.due(0.0)
    for event in (UpdateStarted(1), RAW_PIXEL, UpdateEnded(1, picture=True)):
        shared_screen.upstream(event)
    screen.requested(incremental=True, x=0, y=0, width=1, height=1)
    assert shared_screen.requests.due(0.0) == [NEXT_FRAME]
    assert shared_screen.requests.due(0.0) == []

    picture = rectangle is RAW_PIXEL
    for event in (UpdateStarted(1), rectangle, UpdateEnded(1, picture=picture)):
        shared_screen.upstream(event)
    screen.requested(incremental=True, x=0, y=0, width=1, height=1)
    assert shared_screen.requests.due(0.0) == [NEXT_FRAME]


# What is asked of the upstream

WIDTH, HEIGHT = 64, 48
OTHER_FORMAT = PixelFormat(16, 16, False, True, 31, 63, 31, 11, 5, 0)
FULL = RectangleReceived(0, 0, WIDTH, HEIGHT, enc.RAW, bytes(4 * WIDTH * HEIGHT))
FRAME = client_messages.update_request(incremental=True, x=0, y=0, width=WIDTH, height=HEIGHT)
WHOLE = client_messages.update_request(incremental=False, x=0, y=0, width=WIDTH, height=HEIGHT)
FIRST_PROBE = client_messages.update_request(incremental=False, x=0, y=0, width=1, height=1)
SECOND_PROBE = client_messages.update_request(incremental=False, x=63, y=47, width=1, height=1)


def shared_screen(pixel_format: PixelFormat = FORMAT) -> SharedScreen:
    """On a screen of 64 by 48."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", pixel_format)
    return SharedScreen(memory, viewer_window_bytes=1 << 20)


def on(console: SharedScreen, name: str, *encodings: int) -> ViewerUpdates:
    """A viewer that has named its encodings."""
    screen = console.join(name)
    screen.set_encodings(encodings, 0.0)
    return screen


def ask(screen: ViewerUpdates, *, incremental: bool = True) -> None:
    """For all of the screen."""
    screen.requested(incremental=incremental, x=0, y=0, width=WIDTH, height=HEIGHT)


def update(console: SharedScreen, *rects: RectangleReceived) -> list[bytes]:
    """One update of the upstream; what goes upstream because of it."""
    picture = any(rect.encoding in enc.PICTURE for rect in rects)
    out: list[bytes] = []
    events: list[ServerEvent] = [UpdateStarted(len(rects)), *rects]
    for event in (*events, UpdateEnded(len(rects), picture)):
        out += console.upstream(event)
    return out


@pytest.mark.parametrize(
    ("lists", "asked"),
    [
        ([], ()),
        ([(enc.TIGHT, enc.RAW)], (enc.TIGHT, enc.RAW)),
        (
            [(enc.ZRLE, enc.ZLIB, enc.JPEG, enc.H264, enc.TIGHT, enc.CURSOR_WITH_ALPHA)],
            (enc.TIGHT,),
        ),
        (
            [(enc.HEXTILE, enc.TIGHT, enc.RAW), (enc.RAW, enc.TIGHT)],
            (enc.TIGHT, enc.RAW),
        ),
        (
            [(enc.TIGHT, enc.DESKTOP_NAME), (enc.TIGHT, enc.QEMU_LED_STATE, enc.LAST_RECT)],
            (enc.TIGHT, enc.DESKTOP_NAME, enc.QEMU_LED_STATE),
        ),
        ([(enc.TIGHT, enc.CURSOR), (enc.TIGHT, enc.X_CURSOR)], (enc.TIGHT,)),
        ([(enc.CURSOR, enc.RAW), (enc.RAW, enc.CURSOR)], (enc.CURSOR, enc.RAW)),
        ([(enc.TIGHT, -26, -250), (enc.TIGHT, -26)], (enc.TIGHT, -26)),
        (
            [(enc.RAW, enc.LAST_RECT), (enc.LAST_RECT, enc.RAW)],
            (enc.RAW, enc.LAST_RECT),
        ),
        ([(enc.RAW, enc.FENCE, enc.CONTINUOUS_UPDATES, enc.XVP)], (enc.RAW,)),
    ],
    ids=[
        "nobody",
        "one viewer",
        "what can't be carried",
        "what all know",
        "what is told to each by itself",
        "cursors of two kinds",
        "cursor of one kind",
        "levels",
        "an open count that all know",
        "what the daemon does itself",
    ],
)
def test_the_upstream_is_asked_for_what_all_can_show(
    lists: list[tuple[int, ...]], asked: tuple[int, ...]
) -> None:
    """In the first one's order; what is filtered for each needs one who asks only."""
    console = shared_screen()
    for number, encodings in enumerate(lists):
        on(console, f"v-{number}", *encodings)
    assert console.requests.encodings() == asked


def test_who_names_no_encoding_gets_raw() -> None:
    """As long as it asks for pictures."""
    console = shared_screen()
    on(console, "v-1", enc.TIGHT, enc.RAW)
    silent = console.join("v-2")
    assert enc.TIGHT in console.requests.encodings()
    ask(silent)
    assert console.requests.encodings() == (enc.RAW,)


def test_where_nothing_is_common_raw_is_named() -> None:
    """Or the upstream would go on with what one viewer can't show."""
    console = shared_screen()
    ask(on(console, "v-1", enc.COPY_RECT, enc.TIGHT), incremental=False)
    assert console.requests.due(0.0)[0] == client_messages.set_encodings((enc.COPY_RECT, enc.TIGHT))
    ask(console.join("v-2"))
    assert client_messages.set_encodings((enc.RAW,)) in console.requests.due(0.0)


@pytest.mark.parametrize(
    ("pixel_format", "kept"),
    [
        (FORMAT, {enc.TIGHT, enc.TIGHT_PNG}),
        (OTHER_FORMAT, {enc.TIGHT, enc.TIGHT_PNG}),
        (PixelFormat(32, 30, False, True, 1023, 1023, 1023, 20, 10, 0), set()),
        (PixelFormat(8, 8, False, True, 7, 7, 3, 0, 3, 6), {enc.TIGHT}),
    ],
    ids=["32 bits", "16 bits", "30 of 32 bits", "8 bits"],
)
def test_tight_is_asked_for_where_its_lengths_are_certain(
    pixel_format: PixelFormat, kept: set[int]
) -> None:
    """Servers differ in some formats."""
    console = shared_screen(pixel_format)
    on(console, "v-1", enc.TIGHT, enc.TIGHT_PNG, enc.RAW)
    assert {enc.TIGHT, enc.TIGHT_PNG} & set(console.requests.encodings()) == kept


def test_encodings_are_named_when_they_change() -> None:
    """Not with every request; and again on another link."""
    console = shared_screen()
    first = on(console, "v-1", enc.TIGHT, enc.RAW)
    ask(first, incremental=False)
    named = client_messages.set_encodings((enc.TIGHT, enc.RAW))
    assert console.requests.due(0.0) == [named, WHOLE]
    update(console, FULL)
    ask(first)
    assert console.requests.due(0.0) == [FRAME]
    on(console, "v-2", enc.RAW)
    fewer = client_messages.set_encodings((enc.RAW,))
    assert console.requests.due(0.0) == [fewer]
    console.leave("v-2")
    assert console.requests.due(0.0) == [named]
    console.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", FORMAT))
    assert console.requests.due(0.0) == [named, WHOLE]


def test_nobody_no_request() -> None:
    """A console without viewers, or with one that wants nothing now, lets the upstream rest."""
    console = shared_screen()
    assert console.requests.due(0.0) == []
    screen = on(console, "v-1", enc.RAW)
    assert FRAME not in console.requests.due(0.0)
    ask(screen)
    console.leave("v-1")
    assert console.requests.due(0.0) == []


def test_one_frame_request_is_out_at_a_time() -> None:
    """However many viewers want the next frame."""
    console = shared_screen()
    screens = [on(console, f"v-{number}", enc.RAW) for number in range(3)]
    for screen in screens:
        ask(screen, incremental=False)
    assert console.requests.due(0.0)[-1] == WHOLE
    update(console, FULL)
    for screen in screens:
        ask(screen)
        out = console.requests.due(0.0)
        assert out == ([FRAME] if screen is screens[0] else [])
    assert console.requests.repeat() == FRAME


def test_what_a_viewer_asks_for_comes_at_once() -> None:
    """A reload must not wait for a ration; the areas of several are one request."""
    console = shared_screen()
    screens = [on(console, f"v-{number}", enc.RAW) for number in range(2)]
    for screen in screens:
        ask(screen, incremental=False)
    console.requests.due(0.0)
    update(console, FULL)
    screens[0].requested(incremental=False, x=1, y=2, width=3, height=4)
    screens[1].requested(incremental=False, x=10, y=2, width=3, height=5)
    assert console.requests.due(0.001) == [
        client_messages.update_request(incremental=False, x=1, y=2, width=12, height=5)
    ]
    assert console.requests.next_at is None


def test_what_the_daemon_asks_for_itself_is_rationed() -> None:
    """A viewer that lags again and again doesn't make the upstream send everything each time."""
    console = shared_screen()
    slow, fast = on(console, "slow", enc.RAW), on(console, "fast", enc.RAW)
    for screen in (slow, fast):
        ask(screen, incremental=False)
    console.requests.due(10.0)
    update(console, FULL)
    slow.ready = False
    for screen in (slow, fast):
        ask(screen)
    console.requests.due(10.1)
    update(console, FULL)
    console.became_ready("slow")
    ask(fast)
    assert console.requests.due(10.2) == [FRAME]
    assert console.requests.next_at == 11.0
    assert console.requests.due(11.0) == [WHOLE]
    assert console.requests.next_at is None
    assert console.requests.due(11.1) == []


def lacks_all(console: SharedScreen) -> ViewerUpdates:
    """A viewer that waits for the next frame and lacks the whole picture, as after a lag."""
    screen = on(console, "v-1", enc.RAW, enc.CURSOR, enc.EXTENDED_DESKTOP_SIZE)
    ask(screen, incremental=False)
    console.requests.due(0.0)
    update(console, FULL)
    screen.take(0.0)
    screen.ready = False
    ask(screen)
    console.requests.due(0.0)
    update(console, FULL)
    console.became_ready("v-1")
    return screen


def test_the_whole_screen_is_asked_for_once_until_it_comes() -> None:
    """However long that takes; a cursor's shape isn't it, a part of the picture is."""
    console = shared_screen()
    screen = lacks_all(console)
    assert console.requests.due(10.0) == [WHOLE]
    assert console.requests.due(20.0) == []
    update(console, CURSOR_SHAPE)
    assert console.requests.due(30.0) == [FRAME]
    assert console.requests.due(40.0) == []
    update(console, RAW_PIXEL)
    screen.take(40.0)
    ask(screen)
    assert console.requests.due(50.0) == [WHOLE]


def test_another_link_is_asked_for_what_the_lost_one_owed() -> None:
    """The whole screen, and then frames, as if nothing had been asked for."""
    console = shared_screen()
    screen = lacks_all(console)
    assert console.requests.due(10.0) == [WHOLE]
    console.link_lost()
    console.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", FORMAT))
    assert console.requests.due(10.0)[-1] == WHOLE
    update(console, FULL)
    screen.take(10.0)
    ask(screen)
    assert console.requests.due(10.0) == [FRAME]


def test_what_was_owed_in_the_old_format_is_asked_for_in_the_new_one() -> None:
    """The probes' answers count for no request."""
    console = shared_screen()
    lacks_all(console)
    assert console.requests.due(10.0) == [WHOLE]
    console.requests.set_pixel_format(OTHER_FORMAT)
    update(console, FULL)
    assert update(console, FULL) == [client_messages.set_pixel_format(OTHER_FORMAT)]
    assert console.requests.due(20.0)[-1] == WHOLE


def test_a_size_is_an_answer() -> None:
    """TigerVNC's server sends nothing more until it is asked again."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW, enc.EXTENDED_DESKTOP_SIZE)
    ask(screen, incremental=False)
    console.requests.due(0.0)
    same = RectangleReceived(
        0, 0, WIDTH, HEIGHT, enc.EXTENDED_DESKTOP_SIZE, b"\1\0\0\0" + bytes(16)
    )
    update(console, same)
    assert console.requests.due(0.0) == [FRAME]
    assert console.requests.due(1.0) == [WHOLE]


# The pixel format


def test_before_anything_was_asked_the_format_changes_at_once() -> None:
    """As every first viewer has it."""
    console = shared_screen()
    assert console.requests.set_pixel_format(FORMAT) == []
    assert console.requests.set_pixel_format(OTHER_FORMAT) == [
        client_messages.set_pixel_format(OTHER_FORMAT)
    ]
    assert console.memory.pixel_format == OTHER_FORMAT


def test_later_the_format_changes_once_nothing_is_outstanding() -> None:
    """No request but the probes is sent meanwhile, and nothing of the old format to the viewer."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW)
    ask(screen, incremental=False)
    console.requests.due(0.0)
    update(console, FULL)
    screen.take(0.0)
    assert console.requests.set_pixel_format(OTHER_FORMAT) == [FIRST_PROBE]
    assert console.requests.pixel_format == OTHER_FORMAT
    assert console.memory.pixel_format == FORMAT
    ask(screen)
    assert console.requests.due(0.0) == []
    assert console.requests.repeat() == FIRST_PROBE
    assert update(console, FULL) == [SECOND_PROBE]
    assert update(console, FULL) == [client_messages.set_pixel_format(OTHER_FORMAT)]
    assert console.memory.pixel_format == OTHER_FORMAT
    assert screen.take(0.0) == []
    assert console.requests.due(5.0)[-1] == WHOLE


def test_a_second_wish_replaces_the_first() -> None:
    """While the probes are out."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW)
    ask(screen)
    console.requests.due(0.0)
    third = PixelFormat(8, 8, False, True, 7, 7, 3, 0, 3, 6)
    console.requests.set_pixel_format(OTHER_FORMAT)
    assert console.requests.set_pixel_format(third) == []
    update(console, FULL)
    assert update(console, FULL) == [client_messages.set_pixel_format(third)]


def test_no_cursor_comes_while_the_format_changes() -> None:
    """It would be in the old format; afterwards it is asked for again."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW, enc.CURSOR)
    ask(screen, incremental=False)
    console.requests.due(0.0)
    update(console, FULL, CURSOR_SHAPE)
    screen.take(0.0)
    without = client_messages.set_encodings((enc.RAW,))
    assert console.requests.set_pixel_format(OTHER_FORMAT) == [without, FIRST_PROBE]
    update(console, CURSOR_SHAPE)
    screen.set_encodings((enc.RAW, enc.CURSOR), 0.0)
    assert screen.take(0.0) == []
    update(console, FULL)
    update(console, FULL)
    named = client_messages.set_encodings((enc.RAW, enc.CURSOR))
    assert console.requests.due(5.0) == [named, WHOLE]


def test_a_new_size_begins_the_change_anew() -> None:
    """The old corner may be outside: nobody would answer."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW, enc.DESKTOP_SIZE)
    ask(screen)
    console.requests.due(0.0)
    console.requests.set_pixel_format(OTHER_FORMAT)
    update(console, FULL)
    assert update(console, RectangleReceived(0, 0, 9, 8, enc.DESKTOP_SIZE, b"")) == [FIRST_PROBE]
    corner = client_messages.update_request(incremental=False, x=8, y=7, width=1, height=1)
    assert update(console, RAW_PIXEL) == [corner]


def test_another_link_gets_the_format_that_the_viewers_decode() -> None:
    """Whatever its own is, and also where the change was under way."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW)
    ask(screen)
    console.requests.due(0.0)
    console.requests.set_pixel_format(OTHER_FORMAT)
    told = [client_messages.set_pixel_format(OTHER_FORMAT)]
    assert console.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", FORMAT)) == told
    assert console.requests.due(0.0)[-1] == WHOLE
    assert console.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", OTHER_FORMAT)) == []
    assert console.requests.pixel_format == OTHER_FORMAT


BROWSER = PixelFormat(red_shift=0, green_shift=8, blue_shift=16)
SIXTEEN = PixelFormat(bits_per_pixel=16, depth=16, red_max=31, green_max=63, blue_max=31)


def test_a_sole_viewers_format_is_the_consoles() -> None:
    """The upstream is told at once while nothing was asked of it."""
    console = shared_screen()
    on(console, "v-1", enc.RAW)
    assert console.requests.choose_format("v-1", SIXTEEN) == [
        client_messages.set_pixel_format(SIXTEEN)
    ]
    assert console.requests.choose_format("v-1", SIXTEEN) == []
    assert console.requests.pixel_format == SIXTEEN


def test_beside_others_only_the_order_of_bytes_may_differ() -> None:
    """Then nothing is asked for that can't be rearranged, until it differs no more."""
    console = shared_screen()
    first = on(console, "v-1", enc.HEXTILE, enc.TIGHT, enc.RAW)
    second = on(console, "v-2", enc.HEXTILE, enc.TIGHT, enc.RAW)
    assert console.requests.choose_format("v-2", SIXTEEN) is None
    assert console.requests.choose_format("v-2", BROWSER) == []
    assert console.requests.encodings() == (enc.TIGHT, enc.RAW)
    for screen in (first, second):
        ask(screen, incremental=False)
        screen.take(0.0)
    pixel = bytes((1, 2, 3, 0))
    update(console, RectangleReceived(0, 0, 1, 1, enc.RAW, pixel))
    assert pixel in plain_slices(first.take(0.0))[-1]
    assert bytes(plain_slices(second.take(0.0))[-1]).endswith(bytes((3, 2, 1, 0)))
    ask(second)
    update(console, RectangleReceived(0, 0, 1, 1, enc.HEXTILE, b"\1" + pixel))
    assert second.take(0.0) == []
    assert second.missing is not None
    assert console.requests.choose_format("v-2", PixelFormat()) == []
    assert console.requests.encodings() == (enc.HEXTILE, enc.TIGHT, enc.RAW)


def test_a_viewer_that_stays_alone_keeps_its_order() -> None:
    """Until it names its format again, which then is the console's."""
    console = shared_screen()
    for name in ("v-1", "v-2"):
        on(console, name, enc.RAW)
    assert console.requests.choose_format("v-2", BROWSER) == []
    console.leave("v-1")
    screen = console.viewers["v-2"]
    assert screen.reorders
    assert console.requests.choose_format("v-2", BROWSER) == [
        client_messages.set_pixel_format(BROWSER)
    ]
    assert not screen.reorders


SAME_SIZE = RectangleReceived(
    0, 0, WIDTH, HEIGHT, enc.EXTENDED_DESKTOP_SIZE, bytes((1, 0, 0, 0)) + bytes(16)
)


def switching() -> SharedScreen:
    """A console whose sole viewer wants another format in the middle of its session."""
    console = shared_screen()
    ask(on(console, "v-1", enc.RAW, enc.EXTENDED_DESKTOP_SIZE), incremental=False)
    console.requests.due(0.0)
    # TigerVNC's server would answer with the layout alone.
    assert console.requests.choose_format("v-1", SIXTEEN) == [
        client_messages.set_encodings((enc.RAW, enc.DESKTOP_SIZE)),
        probe(0, 0),
    ]
    return console


def probe(x: int, y: int) -> bytes:
    """A request for one pixel."""
    return client_messages.update_request(incremental=False, x=x, y=y, width=1, height=1)


def test_a_size_sent_again_does_not_begin_a_change_of_format_anew() -> None:
    """QEMU tells it before each answer to a request that isn't incremental."""
    console = switching()
    assert update(console, SAME_SIZE) == []
    assert update(console, FULL) == [probe(WIDTH - 1, HEIGHT - 1)]
    assert update(console, SAME_SIZE) == []
    assert update(console, FULL) == [client_messages.set_pixel_format(SIXTEEN)]


def test_another_size_begins_a_change_of_format_anew() -> None:
    """The corner that was asked for may be none any more."""
    console = switching()
    smaller = RectangleReceived(0, 0, 9, 8, enc.EXTENDED_DESKTOP_SIZE, SAME_SIZE.data)
    assert update(console, FULL) == [probe(WIDTH - 1, HEIGHT - 1)]
    assert update(console, smaller) == [probe(0, 0)]


def test_a_probe_that_was_taken_for_answered_is_sent_again() -> None:
    """By an update without a picture; not before its answer is long overdue."""
    console = switching()
    assert console.requests.due(1.0) == []
    assert console.requests.next_at is None
    update(console, SAME_SIZE)
    assert console.requests.due(1.0) == []
    due = console.requests.next_at
    assert due is not None
    assert due > 1.0
    assert console.requests.due(due) == [probe(0, 0)]
    assert console.requests.due(due) == []
    assert console.requests.next_at is None
    update(console, SAME_SIZE)
    assert console.requests.due(due) == []
    assert update(console, FULL) == [probe(WIDTH - 1, HEIGHT - 1)]
    assert console.requests.due(due + 10.0) == []


def test_a_probe_that_was_sent_twice_may_be_answered_twice() -> None:
    """By a keepalive: the second answer may be under way, so another corner is asked for first."""
    console = switching()
    assert update(console, FULL) == [probe(WIDTH - 1, HEIGHT - 1)]
    assert console.requests.repeat() == probe(WIDTH - 1, HEIGHT - 1)
    assert update(console, FULL) == [probe(0, 0)]
    assert update(console, FULL) == [client_messages.set_pixel_format(SIXTEEN)]


# When the format may change


FIRST = struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1)
SECOND = struct.pack(">BBHHHH", 3, 0, 63, 47, 1, 1)


def switch() -> FormatSwitch:
    """On a screen of 64 by 48."""
    return FormatSwitch(PixelFormat(), 64, 48)


def raw(x: int, y: int, width: int, height: int) -> RectangleReceived:
    """A picture rectangle."""
    return RectangleReceived(x, y, width, height, enc.RAW, b"")


def test_both_corners_are_asked_for_in_turn() -> None:
    """One pixel each, not incrementally; done when both were sent."""
    change = switch()
    assert change.probe() == FIRST
    change.rectangle(raw(0, 0, 1, 1))
    assert not change.done
    assert change.update_ended()
    assert not change.done
    assert change.probe() == SECOND
    change.rectangle(raw(60, 40, 4, 8))
    assert change.update_ended()
    assert change.done


def test_one_update_answers_one_probe_at_most() -> None:
    """A full picture that was under way before the first probe proves nothing yet."""
    change = switch()
    change.rectangle(raw(0, 0, 64, 48))
    assert change.update_ended()
    assert not change.done


def test_updates_elsewhere_are_no_answer() -> None:
    """Nor is one that ends next to the corner."""
    change = switch()
    for rect in (raw(1, 0, 5, 5), raw(0, 1, 5, 5), raw(63, 47, 1, 1)):
        change.rectangle(rect)
        assert not change.update_ended()
    assert change.probe() == FIRST


def test_what_was_covered_in_an_earlier_update_does_not_count() -> None:
    """Each probe is answered by an update of its own."""
    change = switch()
    change.rectangle(raw(0, 0, 64, 48))
    change.update_ended()
    assert not change.update_ended()


def test_a_screen_of_one_pixel_has_two_corners() -> None:
    """They are the same one."""
    change = FormatSwitch(PixelFormat(), 1, 1)
    for _ in range(2):
        assert change.probe() == FIRST
        change.rectangle(raw(0, 0, 1, 1))
        assert change.update_ended()
    assert change.done


# A long line


def far_away() -> tuple[SharedScreen, ViewerUpdates]:
    """A screen that moves, 0.2 s away; the next frame was asked for at 0.2 s."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW)
    ask(screen, incremental=False)
    assert console.requests.due(0.0)[-1] == WHOLE
    update(console, FULL)
    ask(screen)
    assert console.requests.due(0.2) == [FRAME]
    return console, screen


def test_on_a_long_line_the_request_under_way_is_repeated() -> None:
    """Only while somebody is there to see what it brings."""
    console, screen = far_away()
    ask(screen)
    assert console.requests.due(0.21) == []
    assert (at := console.requests.next_at) is not None
    assert console.requests.due(at) == [FRAME]
    assert console.requests.due(at) == []
    console.leave("v-1")
    assert console.requests.due(at + 0.1) == []


def test_the_format_changes_once_all_that_was_repeated_has_come() -> None:
    """Several updates in the old format may be under way: none of them is taken for an answer."""
    console, screen = far_away()
    ask(screen)
    assert console.requests.due(0.21) == []
    assert (at := console.requests.next_at) is not None
    assert console.requests.due(at) == [FRAME]
    assert FIRST_PROBE not in (console.requests.choose_format("v-1", OTHER_FORMAT) or [])
    for _ in range(3):
        assert update(console, FULL) == []
    assert console.requests.due(at + 0.1) == []
    assert (settled_at := console.requests.next_at) is not None
    assert console.requests.due(settled_at) == [FIRST_PROBE]
    assert update(console, RAW_PIXEL) == [SECOND_PROBE]
