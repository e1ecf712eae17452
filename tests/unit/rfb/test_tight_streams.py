"""Viewers that missed a part of Tight's streams can decode what follows."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from vncproxy.rfb import tight_streams
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.tight import TightLayout, compact_length, layout
from vncproxy.rfb.tight_streams import (
    STEP_BYTES,
    FreshStreams,
    InflatedTight,
    Inflation,
    StatelessTight,
    StreamResets,
)

FORMAT = PixelFormat()
SIDE = 20
SIZE = SIDE * SIDE * 3


class Server:
    """Sends basic rectangles whose zlib streams go on from one to the next."""

    def __init__(self) -> None:
        self.streams = [zlib.compressobj() for _ in range(4)]

    def rectangle(self, stream: int, pixels: bytes, resets: int = 0) -> bytes:
        for number in range(4):
            if resets >> number & 1:
                self.streams[number] = zlib.compressobj()
        deflater = self.streams[stream]
        data = deflater.compress(pixels) + deflater.flush(zlib.Z_SYNC_FLUSH)
        return bytes((stream << 4 | resets,)) + compact_length(len(data)) + data


class Viewer:
    """Decodes basic rectangles as a viewer does."""

    def __init__(self) -> None:
        self.streams = [zlib.decompressobj() for _ in range(4)]

    def pixels(self, data: bytes) -> bytes:
        for number in range(4):
            if data[0] >> number & 1:
                self.streams[number] = zlib.decompressobj()
        start = seen(data).data_at
        return self.streams[data[0] >> 4].decompress(data[start:])


def seen(data: bytes) -> TightLayout:
    found = layout(7, SIDE, SIDE, data, FORMAT)
    assert found is not None
    return found


def picture(seed: int) -> bytes:
    rng = random.Random(seed)
    return bytes(rng.choices(range(20), k=SIZE))


def test_a_renewed_viewer_resets_each_stream_once() -> None:
    """After a change of link the first use of each stream carries its reset bit, and no other."""
    server, viewer, resets = Server(), Viewer(), StreamResets()
    for seed in range(4):
        viewer.pixels(server.rectangle(seed, picture(seed)))
    server = Server()
    resets.link_replaced()
    controls = []
    for seed, stream in enumerate((0, 0, 2, 1, 2, 3, 3)):
        data = server.rectangle(stream, picture(seed))
        data = resets.apply(data, seen(data))
        controls.append(data[0] & 15)
        assert viewer.pixels(data) == picture(seed)
    assert controls == [1, 0, 4, 2, 0, 8, 0]


def test_the_servers_own_resets_count() -> None:
    """A stream that the server resets, even by a rectangle without zlib data, needs no more."""
    resets = StreamResets()
    resets.link_replaced()
    fill = b"\x85abc"
    assert resets.apply(fill, seen(fill)) is fill
    for stream, expected in ((0, 0), (1, 2), (2, 0), (3, 8)):
        data = Server().rectangle(stream, picture(1))
        assert resets.apply(data, seen(data))[0] & 15 == expected


def test_a_new_viewer_needs_no_resets() -> None:
    """Before a change of link data passes untouched."""
    data = Server().rectangle(1, picture(1))
    assert StreamResets().apply(data, seen(data)) is data


def test_small_and_image_rectangles_are_no_first_use() -> None:
    """The reset bit waits for zlib data."""
    resets = StreamResets()
    resets.link_replaced()
    small = b"\x10" + bytes(3)
    found = layout(7, 1, 1, small, FORMAT)
    assert found is not None
    assert resets.apply(small, found) is small
    data = Server().rectangle(1, picture(1))
    assert resets.apply(data, seen(data))[0] & 15 == 2


def test_a_late_viewer_decodes_restarted_rectangles() -> None:
    """Any rectangle, started afresh, gives its pixels to a viewer that saw none before."""
    rng = random.Random(2)
    server, stateless = Server(), StatelessTight()
    for seed in range(40):
        resets = rng.choice((0, 0, 0, rng.randrange(16)))
        data = server.rectangle(rng.randrange(4), picture(seed), resets)
        taken = stateless.take(data, seen(data))
        if seed % 3 == 0:
            restarted = taken.restart()
            assert taken.restart() is restarted
            assert Viewer().pixels(restarted) == picture(seed)


def test_stored_rectangles_need_no_past_either() -> None:
    """They are as good as restarted ones, not compressed, and leave what is restarted as it is."""
    server, stateless = Server(), StatelessTight()
    for seed in range(8):
        data = server.rectangle(seed % 4, picture(seed))
        taken = stateless.take(data, seen(data))
        stored = taken.stored()
        assert Viewer().pixels(stored) == picture(seed)
        assert picture(seed) in stored
        assert Viewer().pixels(taken.restart()) == picture(seed)
        assert taken.stored() == taken.restart()


def test_too_much_to_be_stored() -> None:
    """What wouldn't fit uncompressed is compressed."""
    side = 1300
    pixels = bytes(3 * side * side)
    deflater = zlib.compressobj()
    zdata = deflater.compress(pixels) + deflater.flush(zlib.Z_SYNC_FLUSH)
    data = b"\0" + compact_length(len(zdata)) + zdata
    found = layout(7, side, side, data, FORMAT)
    assert found is not None
    stored = StatelessTight().take(data, found).stored()
    assert len(stored) < 1 << 20
    again = layout(7, side, side, stored, FORMAT)
    assert again is not None
    assert zlib.decompressobj().decompress(stored[again.data_at :]) == pixels


def test_what_precedes_the_pixels_is_kept() -> None:
    """Filter and palette go into the restarted rectangle unchanged."""
    deflater = zlib.compressobj()
    bits = bytes(range(60))
    zdata = deflater.compress(bits) + deflater.flush(zlib.Z_SYNC_FLUSH)
    head = b"\x50\x01\x01abcdef"
    data = head + compact_length(len(zdata)) + zdata
    restarted = StatelessTight().take(data, seen(data)).restart()
    assert restarted[:9] == b"\x52\x01\x01abcdef"
    assert zlib.decompressobj().decompress(restarted[seen(restarted).data_at :]) == bits


def test_rectangles_without_zlib_data_restart_as_they_are() -> None:
    """A fill needs nothing; its resets are obeyed all the same."""
    server, stateless = Server(), StatelessTight()
    first = server.rectangle(0, picture(1))
    stateless.take(first, seen(first))
    fill = b"\x81abc"
    assert stateless.take(fill, seen(fill)).restart() is fill
    again = Server().rectangle(0, picture(2))
    assert isinstance(stateless.take(again, seen(again)), InflatedTight)


@pytest.mark.parametrize("pixels", [SIZE - 1, SIZE + 1, 100 * SIZE])
def test_another_size_is_an_error(pixels: int) -> None:
    """Data must inflate to exactly the rectangle's pixels; a bomb is cut off."""
    data = Server().rectangle(0, bytes(pixels))
    with pytest.raises(ValueError, match=f"{SIZE} bytes"):
        StatelessTight().take(data, seen(data))


def test_broken_zlib_is_an_error() -> None:
    """Damaged data raises, in plain words."""
    data = b"\x00" + compact_length(9) + b"no zlib!!"
    with pytest.raises(ValueError, match="inflated"):
        StatelessTight().take(data, seen(data))


def test_a_missed_rectangle_is_noticed() -> None:
    """Taking a rectangle out of order can't pass for right."""
    server = Server()
    server.rectangle(0, picture(1))
    data = server.rectangle(0, picture(2))
    with pytest.raises(ValueError, match="inflate"):
        StatelessTight().take(data, seen(data))


@pytest.mark.parametrize("spare", [-1, 0])
def test_what_would_inflate_to_too_much_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    """Neither at once nor in steps; what just fits is."""
    monkeypatch.setattr(tight_streams, "MAX_PIXELS_BYTES", SIZE + spare)
    data = Server().rectangle(0, picture(1))
    ways: tuple[Callable[[], object], ...] = (
        lambda: StatelessTight().take(data, seen(data)),
        lambda: StatelessTight().begin(data, seen(data), restart=False),
    )
    for way in ways:
        if spare < 0:
            with pytest.raises(ValueError, match=f"of {SIZE} bytes"):
                way()
        else:
            way()


@pytest.mark.parametrize("restart", [False, True])
def test_a_bomb_costs_no_more_memory_than_its_rectangle(restart: bool) -> None:
    """A few KiB that inflate to many MiB: only what the rectangle may have is ever made."""
    data = Server().rectangle(0, bytes(4 << 20))
    inflation = StatelessTight().begin(data, seen(data), restart=restart)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"{SIZE} bytes"):
            StatelessTight().take(data, seen(data))
        with pytest.raises(ValueError, match=f"{SIZE} bytes"):
            while not inflation.step():
                pass
        assert tracemalloc.get_traced_memory()[1] < 256 << 10
    finally:
        tracemalloc.stop()


def test_a_large_rectangle_is_inflated_a_step_at_a_time() -> None:
    """No step makes more pixels than a step holds, however well they are deflated."""
    side = 1300
    deflater = zlib.compressobj()
    zdata = deflater.compress(bytes(3 * side * side)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    data = b"\0" + compact_length(len(zdata)) + zdata
    found = layout(7, side, side, data, FORMAT)
    assert found is not None
    inflation = StatelessTight().begin(data, found, restart=False)
    steps = 1
    while not inflation.step():
        steps += 1
    assert steps >= found.size / STEP_BYTES


def test_what_deflates_to_the_limit_itself_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its length would have one bit more than Tight can say, and the viewer would read another."""
    pixels = picture(1)
    data = Server().rectangle(0, pixels)
    restarted = StatelessTight().take(data, seen(data)).restart()
    zdata_bytes = len(restarted) - seen(restarted).data_at
    monkeypatch.setattr(tight_streams, "COMPACT_LIMIT", zdata_bytes + 1)
    assert StatelessTight().take(data, seen(data)).restart() == restarted
    monkeypatch.setattr(tight_streams, "COMPACT_LIMIT", zdata_bytes)
    with pytest.raises(ValueError, match="4 MiB"):
        StatelessTight().take(data, seen(data)).restart()


def test_pixels_that_do_not_deflate_can_not_be_restarted() -> None:
    """A compact length ends below 4 MiB."""
    found = layout(7, 1200, 1200, b"\x00\x01z", FORMAT)
    assert found is not None
    taken = InflatedTight(b"\x00\x01z", found, random.Random(1).randbytes(1200 * 1200 * 3))
    with pytest.raises(ValueError, match="4 MiB"):
        taken.restart()


@pytest.mark.parametrize("size", [12, 13, 255, 256, 257, 511, 512, 513, 32767, 32768, 40000])
def test_windows_of_any_size_inflate(size: int) -> None:
    """A restarted rectangle inflates with the window that viewers use, whatever its size."""
    pixels = random.Random(size).randbytes(size // 2) * 2 + bytes(size % 2)
    found = layout(7, size, 1, b"\x40\x01\x02" + bytes(9) + b"\x01z", FORMAT)
    assert found is not None
    restarted = InflatedTight(b"\x60\x01\x02" + bytes(9) + b"\x01z", found, pixels).restart()
    at = layout(7, size, 1, restarted, FORMAT)
    assert at is not None
    assert zlib.decompressobj().decompress(restarted[at.data_at :]) == pixels


# In steps


def done(inflation: Inflation) -> InflatedTight:
    """What comes of it."""
    while not inflation.step():
        pass
    return inflation.result


@pytest.mark.parametrize("restart", [False, True])
def test_in_steps_a_rectangle_is_as_good_as_at_once(restart: bool) -> None:
    """The streams go on behind it; where that is wanted, it can be started afresh."""
    server, stateless = Server(), StatelessTight()
    for seed in range(6):
        data = server.rectangle(seed % 2, picture(seed), resets=seed // 4)
        if seed % 3 == 2:
            assert Viewer().pixels(stateless.take(data, seen(data)).restart()) == picture(seed)
            continue
        found = done(stateless.begin(data, seen(data), restart=restart))
        if restart:
            assert Viewer().pixels(found.restart()) == picture(seed)
        else:
            with pytest.raises(ValueError, match="weren't kept"):
                found.restart()


def test_many_steps_make_one_rectangle() -> None:
    """Long zlib data and long pixels, cut where they come."""
    width, height = 1000, 600
    pixels = random.Random(1).randbytes(300_000) + bytes(3 * width * height - 300_000)
    zdata = zlib.compress(pixels)
    data = b"\0" + compact_length(len(zdata)) + zdata
    found = layout(7, width, height, data, FORMAT)
    assert found is not None
    restarted = done(StatelessTight().begin(data, found, restart=True)).restart()
    again = layout(7, width, height, restarted, FORMAT)
    assert again is not None
    assert restarted[0] == 1
    assert zlib.decompressobj().decompress(restarted[again.data_at :]) == pixels


@pytest.mark.parametrize("restart", [False, True])
def test_damage_is_found_in_steps_too(restart: bool) -> None:
    """Too few pixels, too many, and what is no zlib data."""
    for pixels in (0, SIZE - 1, SIZE + 1):
        data = Server().rectangle(0, bytes(pixels))
        with pytest.raises(ValueError, match=f"{SIZE} bytes"):
            done(StatelessTight().begin(data, seen(data), restart=restart))
    data = b"\x00" + compact_length(9) + b"no zlib!!"
    with pytest.raises(ValueError, match="inflated"):
        done(StatelessTight().begin(data, seen(data), restart=restart))


def test_what_does_not_deflate_fast_is_deflated_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what doesn't deflate at all can't be started afresh."""
    rng = random.Random(1)
    words = [rng.randbytes(rng.randrange(3, 9)) for _ in range(20)]
    pixels = b"".join(rng.choices(words, k=SIZE))[:SIZE]
    data = Server().rectangle(0, pixels)
    fast = len(done(StatelessTight().begin(data, seen(data), restart=True)).restart())
    zdata_bytes = fast - seen(data).data_at
    monkeypatch.setattr(tight_streams, "COMPACT_LIMIT", zdata_bytes)
    found = done(StatelessTight().begin(data, seen(data), restart=True))
    assert len(found.restart()) < fast
    assert Viewer().pixels(found.restart()) == pixels
    monkeypatch.setattr(tight_streams, "COMPACT_LIMIT", 100)
    found = done(StatelessTight().begin(data, seen(data), restart=True))
    with pytest.raises(ValueError, match="weren't kept"):
        found.restart()


def test_streams_that_begin_afresh_go_on() -> None:
    """Who missed all before gets each rectangle's pixels; what the server resets, they do, too."""
    server, viewer = Server(), Viewer()
    stateless, streams = StatelessTight(), FreshStreams(10 * SIZE, SIZE)
    bits: list[int] = []
    for number in range(10):
        pixels = picture(number)
        data = server.rectangle(number % 2, pixels, resets=2 if number == 5 else 0)
        fresh = streams.data(data, seen(data), stateless.inflate(data, seen(data)))
        bits.append(fresh[0] & 15)
        assert viewer.pixels(fresh) == pixels
    assert bits == [1, 2, 0, 0, 0, 2, 0, 0, 0, 0]
    fill = b"\x81abc"
    assert streams.data(fill, seen(fill), None) == fill
    data = server.rectangle(0, pixels)
    again = streams.data(data, seen(data), pixels)
    assert again[0] & 15 == 1, "the fill has reset it"
    assert viewer.pixels(again) == pixels
