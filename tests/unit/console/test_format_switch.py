"""When the pixel format may be changed."""

from __future__ import annotations

import struct

from vncproxy.console.format_switch import FormatSwitch
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import RectangleReceived

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
