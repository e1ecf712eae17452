"""A viewer in miniature, over the part of the daemon that is its screen."""

from __future__ import annotations

import numpy as np

from tests.decoder import Decoder
from tests.property.model_server import CURSOR_COLOUR, RAW, Shifts, packed
from vncproxy.console.viewer_updates import ViewerUpdates

FENCE, CONTINUOUS = -312, -313
END = 150
"""EndOfContinuousUpdates."""


class ModelViewer:
    """A viewer that asks for the next update when it has decoded one, or has them unasked."""

    def __init__(self, screen: ViewerUpdates, size: tuple[int, int], shifts: Shifts) -> None:
        """It has just had ServerInit."""
        self.screen = screen
        self.decoder = Decoder(*size, shifts)
        self.may_get = {RAW}
        self.line = bytearray()
        self.reads = True
        self.has_asked = False
        self.continuous = False
        self.ends = 0
        self.may_see = 0
        """As many updates with pictures may have come."""
        self.wished_shifts: Shifts | None = None
        self.next_shifts: Shifts | None = None
        self.cursors_seen: object = None
        self._answered = 0
        self._fences = 0

    def choose(self, encodings: tuple[int, ...], now: float) -> None:
        """SetEncodings."""
        self.may_get |= set(encodings)
        self.screen.set_encodings(encodings, now)

    def ask(self, *, incremental: bool, area: tuple[int, int, int, int] | None = None) -> None:
        """FramebufferUpdateRequest."""
        self.has_asked = True
        x, y, width, height = area or (0, 0, *self.decoder.size)
        self.screen.requested(incremental=incremental, x=x, y=y, width=width, height=height)

    def read(self, size: int, now: float) -> bool:
        """Take some bytes off the line and decode them; whether an update has become complete."""
        data = bytes(self.line[:size])
        del self.line[:size]
        self.decoder.feed(data)
        self._check_cursor()
        for flags, payload in self.decoder.fences[self._fences :]:
            if flags >> 31:
                self.screen.fence_answered(payload, now)
        self._fences = len(self.decoder.fences)
        if self.next_shifts and self.decoder.messages[END] > self.ends:
            # Nothing unasked comes any more: this is the place at which the format changes.
            self.change_format()
        if not self.decoder.at_boundary or self.decoder.updates == self._answered:
            return False
        self._answered = self.decoder.updates
        return True

    def change_format(self) -> None:
        """From here on all is decoded in the format that SetPixelFormat named."""
        assert self.next_shifts is not None
        if self.decoder.shifts != self.next_shifts:
            self.decoder.painted[:] = False
        self.decoder.shifts, self.next_shifts = self.next_shifts, None

    def go_on(self) -> None:
        """After an update: ask for the next, or to have them unasked where that is offered."""
        if self.decoder.messages[END] and CONTINUOUS in self.may_get:
            if not self.continuous:
                self.continuous = True
                self.screen.enable_continuous(enable=True)
        elif self.has_asked:
            self.ask(incremental=True)

    def _check_cursor(self) -> None:
        """A cursor comes in the pixel format that the viewer decodes it with."""
        cursor = self.decoder.cursor
        if cursor is not None and cursor is not self.cursors_seen:
            self.cursors_seen = cursor
            _, _, _, width, height, data = cursor
            pixel = packed(np.array(CURSOR_COLOUR, np.uint8), self.decoder.shifts)
            assert data[: 4 * width * height] == pixel * (width * height)
