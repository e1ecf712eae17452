"""When it is safe to send SetPixelFormat in the middle of a session.

With a request outstanding the format of the next update is undefined (rfbproto, SetPixelFormat),
and on a still screen one always is. So: no more requests; ask for one corner pixel, not
incrementally, and wait for an update that covers it; then for the opposite corner. An update that
was under way before the first probe can answer at most that one by chance; the second proves that
nothing is outstanding.

Some servers take an update without any picture, such as a cursor's, for the answer to a request;
then the probe is lost, and is sent again once its answer is long overdue.
"""

from __future__ import annotations

from vncproxy.rfb import client_messages
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import RawStarted, RectangleReceived

OVERDUE_S = 2.0
"""Far beyond what an answer takes: one sent twice may be answered in the new format."""


class FormatSwitch:
    """One change of the pixel format under way."""

    def __init__(self, pixel_format: PixelFormat, width: int, height: int) -> None:
        """Begin with the corner at 0, 0."""
        self.pixel_format = pixel_format
        self.size = (width, height)
        self.again_at: float | None = None
        """When the probe is to be sent again; None: nothing hints that it was lost."""
        self._doubtful = False
        self._probes = [(0, 0), (max(0, width - 1), max(0, height - 1))]
        self._covered = False

    def probe(self) -> bytes:
        """The request to send upstream at the start and after each `update_ended` that says so."""
        x, y = self._probes[0]
        return client_messages.update_request(incremental=False, x=x, y=y, width=1, height=1)

    def rectangle(self, rect: RectangleReceived | RawStarted) -> None:
        """A picture rectangle came."""
        x, y = self._probes[0]
        if rect.x <= x < rect.x + rect.width and rect.y <= y < rect.y + rect.height:
            self._covered = True

    def update_ended(self) -> bool:
        """Whether the probe was answered; then either `done`, or the next one is to be sent."""
        answered, self._covered = self._covered, False
        self._doubtful = not answered
        if answered:
            self.again_at = None
            self._probes.pop(0)
        return answered

    def overdue(self, now: float) -> bool:
        """Whether to send the probe again now; `again_at` says when to ask next."""
        if not self._doubtful:
            return False
        if self.again_at is None:
            self.again_at = now + OVERDUE_S
        if now < self.again_at:
            return False
        self.again_at, self._doubtful = None, False
        return True

    @property
    def done(self) -> bool:
        """Nothing is outstanding any more."""
        return not self._probes
