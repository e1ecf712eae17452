"""What a failed link means: whether another try may mend it, and how a viewer that waited is told.

The table of the cloud's errors is design.md's; the call itself has already renewed credentials and
corrected the clock once, so such an error that is left is for good.
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
    """How a viewer is closed that waited for max_wait. Args: failure - the last one."""
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
