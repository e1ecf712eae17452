"""When it is safe to send SetPixelFormat in the middle of a session.

With a request outstanding the format of the next update is undefined (rfbproto, SetPixelFormat),
and on a still screen one always is. So: no more requests; ask for one corner pixel, not
incrementally, and wait for an update that covers it; then for the opposite corner. An update that
was under way before the first probe can answer at most that one by chance; the second proves that
nothing is outstanding.
"""

from __future__ import annotations

from vncproxy.rfb import client_messages
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import RectangleReceived


class FormatSwitch:
    """One change of the pixel format under way."""

    def __init__(self, pixel_format: PixelFormat, width: int, height: int) -> None:
        """Begin with the corner at 0, 0."""
        self.pixel_format = pixel_format
        self._probes = [(0, 0), (max(0, width - 1), max(0, height - 1))]
        self._covered = False

    def probe(self) -> bytes:
        """The request to send upstream at the start and after each `update_ended` that says so."""
        x, y = self._probes[0]
        return client_messages.update_request(incremental=False, x=x, y=y, width=1, height=1)

    def rectangle(self, rect: RectangleReceived) -> None:
        """A picture rectangle came."""
        x, y = self._probes[0]
        if rect.x <= x < rect.x + rect.width and rect.y <= y < rect.y + rect.height:
            self._covered = True

    def update_ended(self) -> bool:
        """Whether the probe was answered; then either `done`, or the next one is to be sent."""
        answered, self._covered = self._covered, False
        if answered:
            self._probes.pop(0)
        return answered

    @property
    def done(self) -> bool:
        """Nothing is outstanding any more."""
        return not self._probes
