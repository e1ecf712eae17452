"""What the end of a link means: another try, and when; how viewers are closed; who is to blame.

The table of the cloud's errors is design.md's; the call itself has already renewed credentials and
corrected the clock once, so such an error that is left is for good. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vncproxy.errors import (
    CloseCode,
    CloseReason,
    CloudError,
    CloudErrorKind,
    LedgerError,
    LedgerUnusable,
    Side,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamRefused,
    UrlExpired,
    VncPasswordError,
    VncproxyError,
)
from vncproxy.observe.metrics import LinkOutcome
from vncproxy.throttle.backoff import Backoff

LONGEST_PAUSE_S = 15.0
NO_CONSOLE_PAUSE_S = 5.0
"""At most, while the instance's state has no console: somebody may just be starting it."""
_NO_CONSOLE_LEAST = 0.9
THROTTLED_PAUSE_S = 60.0
"""The first pause after Throttling where the cloud names none: its limits count for a minute."""
THROTTLED_LONGEST_S = 480.0
_THROTTLED_SPREAD = 0.1
SOON_S = 3.0
"""Between the settings and the link's end."""
LINKS_IN_A_ROW = 3
ENDS_LINKS = CloseReason(
    CloseCode.UPSTREAM_LOST,
    Side.VIEWER,
    "The cloud's VNC server hung up three times in a row on what this viewer asks for, its pixel "
    "format or its encodings; choose others in the viewer.",
)
"""How a viewer is closed that `OffenderWatch` has found."""


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait before another try.

    Args:
        asked_s: What the cloud asked for: nobody cuts it short.
        own_s: The daemon's own after that, which a viewer in a hurry may cut short.
    """

    asked_s: float
    own_s: float


class Pauses:
    """The pauses between the tries of one console to get a link, each as long as its cause wants.

    Args:
        first_s: The first ceiling.
        scatter: Draws from [0, 1).
    """

    def __init__(self, first_s: float, scatter: Callable[[], float]) -> None:
        self._scatter = scatter
        self._usual = Backoff(first_s, 2.0, max(first_s, LONGEST_PAUSE_S))
        self._no_console = Backoff(
            min(first_s, NO_CONSOLE_PAUSE_S), 2.0, NO_CONSOLE_PAUSE_S, _NO_CONSOLE_LEAST
        )
        most = 1 + _THROTTLED_SPREAD
        self._throttling = Backoff(
            most * THROTTLED_PAUSE_S, 2.0, most * THROTTLED_LONGEST_S, 1 / most
        )

    def after(self, error: VncproxyError) -> Pause | None:
        """The pause after this failure; None: another try would be no use."""
        match error:
            case UpstreamRefused() | LedgerUnusable():
                return None
            case CloudError(kind=CloudErrorKind.TRANSIENT, throttled=True, retry_after_s=None):
                return Pause(0.0, self._throttling.next(self._scatter))
            case CloudError(kind=CloudErrorKind.WAITS):
                return Pause(error.retry_after_s or 0.0, self._no_console.next(self._scatter))
            case CloudError(kind=CloudErrorKind.TRANSIENT):
                return Pause(error.retry_after_s or 0.0, self._usual.next(self._scatter))
            case UpstreamLost() | LedgerError():
                # A disk may be full, or slow, for a while only.
                return Pause(0.0, self._usual.next(self._scatter))
            case _:
                return None

    def reset(self) -> None:
        """A link has lived long enough: the next pauses are short again."""
        self._usual.reset()
        self._no_console.reset()
        self._throttling.reset()


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


def outcome_of(error: VncproxyError) -> LinkOutcome:
    """What the metrics count a link as that couldn't be had, or broke the rules."""
    match error:
        case CloudError():
            return "refused"
        case UrlExpired():
            return "expired"
        case VncPasswordError():
            return "vnc-password"
        case UpstreamProtocolError():
            return "protocol"
        case _:
            return "unreachable"


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
