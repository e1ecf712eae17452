"""What is held, and how it is released."""

from __future__ import annotations

import struct

from vncproxy.rfb.held_input import MAX_HELD, HeldInput

SHIFT, CTRL, ALT, DEL, A = 0xFFE1, 0xFFE3, 0xFFE9, 0xFFFF, 0x61


def key(down: int, keysym: int) -> bytes:
    """A KeyEvent, packed here."""
    return struct.pack(">BBxxI", 4, down, keysym)


def qemu_key(down: int, keysym: int, keycode: int) -> bytes:
    """A QEMU extended key event, packed here."""
    return struct.pack(">BBHII", 255, 0, down, keysym, keycode)


def pointer(buttons: int, x: int, y: int) -> bytes:
    """A PointerEvent of six bytes, packed here."""
    return struct.pack(">BBHH", 5, buttons, x, y)


def tracked(*messages: bytes) -> HeldInput:
    """What is held after these messages."""
    held = HeldInput()
    for message in messages:
        held.track(message)
    return held


def test_keys_are_released_the_last_pressed_first() -> None:
    """Modifiers outlive the keys that they modify, as under a hand."""
    held = tracked(key(1, CTRL), key(1, ALT), key(1, DEL))
    assert held.release() == [key(0, DEL), key(0, ALT), key(0, CTRL)]


def test_what_was_released_is_not_held() -> None:
    """A key that went down and up needs nothing; any non-zero flag is a press."""
    assert tracked(key(1, A), key(0, A)).release() == []
    assert tracked(key(7, A)).release() == [key(0, A)]
    assert tracked(key(0, A)).release() == []


def test_auto_repeat_is_one_press() -> None:
    """Repeated presses are released once, in the place of the first."""
    held = tracked(key(1, SHIFT), key(1, A), key(1, SHIFT))
    assert held.release() == [key(0, A), key(0, SHIFT)]


def test_qemu_keys_are_released_by_keysym_and_keycode() -> None:
    """The keycode says which key it is, even if the release has another keysym."""
    held = tracked(qemu_key(1, SHIFT, 0x2A), qemu_key(1, 0x41, 0x1E))
    assert held.release() == [qemu_key(0, 0x41, 0x1E), qemu_key(0, SHIFT, 0x2A)]
    held.track(qemu_key(0, 0x61, 0x1E))
    assert held.release() == [qemu_key(0, SHIFT, 0x2A)]


def test_qemu_keys_without_a_keycode_are_distinguished_by_keysym() -> None:
    """Keycode 0 is no key: two such keys are two."""
    held = tracked(qemu_key(1, A, 0), qemu_key(1, 0x62, 0), qemu_key(0, A, 0))
    assert held.release() == [qemu_key(0, 0x62, 0)]


def test_buttons_are_released_where_the_pointer_is() -> None:
    """The release repeats the last place, so nothing moves."""
    held = tracked(pointer(1, 10, 20), pointer(5, 30, 40))
    assert held.release() == [pointer(0, 30, 40)]
    assert tracked(pointer(1, 10, 20), pointer(0, 11, 21)).release() == []


def test_extended_and_back_buttons_count() -> None:
    """A seventh byte and bit 7 are buttons too, but the marker bit alone isn't."""
    assert tracked(pointer(0x80, 1, 2) + b"\x02").release() == [pointer(0, 1, 2)]
    assert tracked(pointer(0x80, 1, 2) + b"\x00").release() == []
    assert tracked(pointer(0x80, 1, 2)).release() == [pointer(0, 1, 2)]


def test_the_last_pointer_message_is_kept_as_it_was() -> None:
    """It may be repeated only if there was one, and only on a screen that holds it."""
    held = HeldInput()
    assert held.last_pointer is None
    assert not held.pointer_within(800, 600)
    held.track(pointer(1, 799, 599))
    assert held.last_pointer == pointer(1, 799, 599)
    assert held.pointer_within(800, 600)
    assert not held.pointer_within(799, 600)
    assert not held.pointer_within(800, 599)


def test_clear_forgets_what_is_held_but_not_the_place() -> None:
    """After a change of link the place may be repeated, a button may not."""
    held = tracked(key(1, A), pointer(1, 10, 20))
    held.clear()
    assert held.release() == []
    assert held.last_pointer == pointer(0, 10, 20)


def test_releasing_forgets_nothing_until_it_was_sent() -> None:
    """Asking twice gives the same; tracking the answer ends it."""
    held = tracked(key(1, A), pointer(1, 10, 20))
    assert held.release() == held.release() != []
    for message in held.release():
        held.track(message)
    assert held.release() == []


def test_other_messages_are_no_input() -> None:
    """Requests, audio and the like change nothing."""
    held = tracked(key(1, A), bytes([3, 1, *bytes(8)]), b"\xff\x01\x00\x00")
    assert held.release() == [key(0, A)]


def test_a_request_for_everything_is_no_key() -> None:
    """Its second byte is as a QEMU key's."""
    held = HeldInput()
    held.track(b"\x03\0" + bytes(8))
    assert held.release() == []


def test_memory_is_bounded() -> None:
    """A viewer that presses keys without end makes the oldest be forgotten."""
    held = tracked(*(key(1, keysym) for keysym in range(MAX_HELD + 10)))
    assert len(held.release()) == MAX_HELD
    assert held.release()[-1] == key(0, 10)
