"""What the end of a link means: is another try any use, how are viewers closed, is one to blame.

The table of the cloud's errors is design.md's; the call itself has already renewed credentials and
corrected the clock once, so such an error that is left is for good. Pure.
"""

from __future__ import annotations

from vncproxy.errors import (
    CloseCode,
    CloseReason,
    CloudError,
    CloudErrorKind,
    LedgerError,
    LedgerUnusable,
    UpstreamLost,
    UpstreamRefused,
    VncPasswordError,
    VncproxyError,
)

SOON_S = 3.0
"""Between the settings and the link's end."""
LINKS_IN_A_ROW = 3


def least_pause_s(error: VncproxyError) -> float | None:
    """How long to wait at least before another try, in seconds; None: it would be no use."""
    match error:
        case UpstreamRefused():
            return None
        case CloudError(kind=CloudErrorKind.WAITS | CloudErrorKind.TRANSIENT):
            return error.retry_after_s or 0.0
        case LedgerUnusable():
            return None
        case UpstreamLost() | LedgerError():
            # A disk may be full, or slow, for a while only.
            return 0.0
        case _:
            return None


def after_waiting(failure: VncproxyError | None) -> CloseReason:
    """How a viewer is closed that waited for max_wait.

    Args:
        failure: The last one; None: there was none.
    """
    match failure:
        case CloudError(code=code) if code:
            return failure.close_reason()
        case VncPasswordError() | UpstreamRefused():
            return failure.close_reason()
        case None:
            return UpstreamLost("no connection within max_wait").close_reason()
        case LedgerError():
            # Its side is the daemon's, and no link can be had without it.
            return CloseReason(CloseCode.UPSTREAM_LOST, failure.side, failure.public_text)
        case _:
            return UpstreamLost(failure.public_text).close_reason()


class OffenderWatch:
    """Which viewer's own settings end the links of a console: its SetPixelFormat or SetEncodings.

    Some servers hang up on a pixel format or a list of encodings that they don't like. The daemon
    sends each new link what the viewers chose, so such a link would be lost and replaced for ever.
    A link speaks against the viewer whose choice was sent last if it ends soon after that, and if
    nothing came in between: a server that still answers has taken the choice. `now` is monotonic
    seconds. Source: design.md, rule 12.
    """

    def __init__(self) -> None:
        """Nobody has chosen anything."""
        self.chosen_by: str | None = None
        """The viewer whose choice the upstream is sent."""
        self._sent_at: float | None = None
        self._suspect: str | None = None
        self._links = 0

    def link_started(self) -> None:
        """A link that was sent nothing yet."""
        self._sent_at = None

    def settings_sent(self, now: float) -> None:
        """SetPixelFormat or SetEncodings went upstream."""
        self._sent_at = now

    def link_lost(self, now: float, received_at: float) -> str | None:
        """The upstream ended the link; the viewer that has ended enough of them in a row, if any.

        Args:
            now: When it ended.
            received_at: When the last byte came.
        """
        sent_at, self._sent_at = self._sent_at, None
        if sent_at is None or now - sent_at > SOON_S or received_at > sent_at:
            self._links = 0
            return None
        self._links = self._links + 1 if self._suspect == self.chosen_by else 1
        self._suspect = self.chosen_by
        if self._links < LINKS_IN_A_ROW:
            return None
        self._links = 0
        return self._suspect
