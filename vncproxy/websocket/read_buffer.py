"""One buffer that all connections to gateways are read into: what is read isn't copied once more.

Large reads cost least for each byte. What was read is handed on as a view. A view may be kept, by a
viewer that is slow or a recording: then the next read has a new buffer, so a view never changes.
"""

from __future__ import annotations

READ_BYTES = 384 * 1024
"""Read at once at most."""
_COPIED_BYTES = READ_BYTES // 4
"""What is shorter is copied: kept, it would keep all of a buffer."""


class ReadBuffer:
    """For any number of connections of one event loop, each of which reads at once."""

    def __init__(self) -> None:
        """Nothing was read."""
        self._buffer = bytearray(READ_BYTES)

    def free(self) -> memoryview:
        """The buffer to read into, of which nobody has a view.

        A view itself: asyncio's TLS reads the second record of several into a slice of it, which of
        a bytearray would be a copy.
        """
        try:
            # Python itself knows: while there is a view a bytearray's length can't change.
            self._buffer.pop()
        except BufferError:
            self._buffer = bytearray(READ_BYTES)
        else:
            self._buffer.append(0)
        return memoryview(self._buffer)

    def read(self, size_bytes: int) -> bytes | memoryview:
        """What was read into `free()` just now; it may be kept.

        Args:
            size_bytes: Of it.
        """
        view = memoryview(self._buffer)[:size_bytes]
        return view.toreadonly() if size_bytes > _COPIED_BYTES else bytes(view)
