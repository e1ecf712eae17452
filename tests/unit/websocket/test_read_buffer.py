"""One buffer that is read into."""

from __future__ import annotations

from vncproxy.websocket.read_buffer import READ_BYTES, ReadBuffer


def fill(buffer: ReadBuffer, size: int, value: int) -> bytes | memoryview:
    """A read of so many bytes, all of them this one."""
    free = buffer.free()
    assert len(free) == READ_BYTES
    free[:size] = bytes([value]) * size
    return buffer.read(size)


def test_it_is_used_again() -> None:
    """While nobody keeps what was read."""
    buffer = ReadBuffer()
    first = buffer.free()
    del first
    where = id(buffer.free().obj)
    read = fill(buffer, READ_BYTES, 1)
    assert isinstance(read, memoryview)
    assert read.readonly
    del read
    assert id(buffer.free().obj) == where


def test_what_is_kept_never_changes() -> None:
    """Of all of it or of a part: a slow viewer has some of it yet to send."""
    buffer = ReadBuffer()
    whole = fill(buffer, READ_BYTES, 1)
    part = fill(buffer, READ_BYTES, 2)[1000:1010]
    fill(buffer, READ_BYTES, 3)
    assert bytes(whole) == bytes([1]) * READ_BYTES
    assert bytes(part) == bytes([2]) * 10


def test_a_short_read_keeps_no_buffer() -> None:
    """It is copied."""
    buffer = ReadBuffer()
    where = id(buffer.free().obj)
    kept = fill(buffer, 100, 1)
    assert kept == bytes([1]) * 100
    assert isinstance(kept, bytes)
    assert id(buffer.free().obj) == where
