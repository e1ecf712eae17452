"""Client messages for property tests, packed here by a table of the tests' own."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import strategies as st

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
s32 = st.integers(-(1 << 31), (1 << 31) - 1)
shifts = st.integers(0, 31)

pixel_formats = st.builds(
    # True colours, since a colour map goes with 8 bits only.
    lambda bpp, depth, big, true, *rest: struct.pack(
        ">BBBBHHHBBBxxx", bpp, depth, big, true if bpp == 8 else true or 1, *rest
    ),
    st.sampled_from([8, 16, 32]),
    u8,
    u8,
    u8,
    u16,
    u16,
    u16,
    shifts,
    shifts,
    shifts,
)
set_pixel_format = pixel_formats.map(lambda layout: b"\0\0\0\0" + layout)
set_encodings = st.lists(s32, max_size=30).map(
    lambda numbers: struct.pack(f">BxH{len(numbers)}i", 2, len(numbers), *numbers)
)
update_requests = st.tuples(u8, u16, u16, u16, u16).map(lambda f: struct.pack(">BBHHHH", 3, *f))
keys = st.tuples(u8, u32).map(lambda f: struct.pack(">BBxxI", 4, *f))
pointers = st.tuples(st.integers(0, 0x7F), u16, u16).map(lambda f: struct.pack(">BBHH", 5, *f))
marked_pointers = st.tuples(st.integers(0x80, 0xFF), u16, u16)
back_buttons = marked_pointers.map(lambda f: struct.pack(">BBHH", 5, *f))
extended_pointers = st.tuples(marked_pointers, u8).map(
    lambda f: struct.pack(">BBHHB", 5, *f[0], f[1])
)
cut_texts = st.binary(max_size=300).map(lambda text: struct.pack(">BxxxI", 6, len(text)) + text)
extended_clipboards = st.binary(min_size=4, max_size=300).map(
    lambda data: struct.pack(">Bxxxi", 6, -len(data)) + data
)
continuous_updates = st.tuples(u8, u16, u16, u16, u16).map(
    lambda f: struct.pack(">BBHHHH", 150, *f)
)
fences = st.tuples(u32, st.binary(max_size=64)).map(
    lambda f: struct.pack(">BxxxIB", 248, f[0], len(f[1])) + f[1]
)
xvps = st.integers(2, 4).map(lambda code: struct.pack(">BxBB", 250, 1, code))
desktop_sizes = st.tuples(u16, u16, st.lists(st.binary(min_size=16, max_size=16), max_size=4)).map(
    lambda f: struct.pack(">BxHHBx", 251, f[0], f[1], len(f[2])) + b"".join(f[2])
)
qemu_keys = st.tuples(u16, u32, u32).map(lambda f: struct.pack(">BBHII", 255, 0, *f))
qemu_audio = st.one_of(
    st.integers(0, 1).map(lambda operation: struct.pack(">BBH", 255, 1, operation)),
    st.tuples(st.integers(0, 5), st.integers(1, 2), u32).map(
        lambda f: struct.pack(">BBHBBI", 255, 1, 2, *f)
    ),
)

_common = (
    set_pixel_format,
    set_encodings,
    update_requests,
    keys,
    pointers,
    cut_texts,
    extended_clipboards,
    continuous_updates,
    fences,
    xvps,
    desktop_sizes,
    qemu_keys,
    qemu_audio,
)


def messages(extended_buttons: bool) -> st.SearchStrategy[bytes]:
    """Any one valid message of a viewer to whom extended buttons were, or weren't, confirmed."""
    return st.one_of(*_common, extended_pointers if extended_buttons else back_buttons)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data cut at these places, taken modulo its length."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]
