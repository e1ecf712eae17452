"""Faults on request: what goes wrong with the next API call, or with the next dial.

Both queues are bounded; a fault is used up by the call or dial that it hits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

ANY = "*"
"""Stands for every action, or every instance."""

MAX_QUEUED = 1000


class ApiFaultKind(StrEnum):
    """What happens to an API call."""

    ERROR = "error"
    HTML = "html"
    HTTP_500 = "http-500"
    HANG = "hang"
    SLOW = "slow"
    RESET = "reset"
    WRONG_DATE = "wrong-date"


@dataclass(frozen=True, slots=True)
class ApiFault:
    """One fault of the API.

    Args:
        kind: What goes wrong.
        code: The error code, for ERROR.
        status: HTTP status, 0 for the code's usual one.
        retry_after_s: Sent as x-acs-retry-after.
        delay_s: How long HANG and SLOW take.
        date_offset_s: What WRONG_DATE adds to the Date header; the call itself is answered.
    """

    kind: ApiFaultKind
    code: str = ""
    status: int = 0
    retry_after_s: float | None = None
    delay_s: float = 0.0
    date_offset_s: float = 0.0

    @classmethod
    def error(cls, code: str, *, status: int = 0, retry_after_s: float | None = None) -> ApiFault:
        """An error answer with this code."""
        return cls(ApiFaultKind.ERROR, code=code, status=status, retry_after_s=retry_after_s)

    @classmethod
    def html(cls, status: int = 502) -> ApiFault:
        """An HTML page, as of a proxy in between."""
        return cls(ApiFaultKind.HTML, status=status)

    @classmethod
    def http_500(cls) -> ApiFault:
        """Status 500 with an empty body."""
        return cls(ApiFaultKind.HTTP_500, status=500)

    @classmethod
    def hang(cls, delay_s: float = 3600.0) -> ApiFault:
        """No answer for so long, then the connection is reset."""
        return cls(ApiFaultKind.HANG, delay_s=delay_s)

    @classmethod
    def slow(cls, delay_s: float) -> ApiFault:
        """The right answer, late; a VncUrl's life starts before the delay."""
        return cls(ApiFaultKind.SLOW, delay_s=delay_s)

    @classmethod
    def throttle(cls, retry_after_s: float, code: str = "Throttling.User") -> ApiFault:
        """Throttled, with the time to wait."""
        return cls.error(code, retry_after_s=retry_after_s)

    @classmethod
    def reset(cls) -> ApiFault:
        """The connection is reset without an answer."""
        return cls(ApiFaultKind.RESET)

    @classmethod
    def wrong_date(cls, date_offset_s: float) -> ApiFault:
        """The right answer with a Date header that is off."""
        return cls(ApiFaultKind.WRONG_DATE, date_offset_s=date_offset_s)


class GatewayFaultKind(StrEnum):
    """What happens to a dial."""

    HANG = "hang"
    STATUS = "status"
    CLOSE_AT = "close-at"
    RESET_AFTER = "reset-after"
    CLOSE_AFTER = "close-after"
    STALL_AFTER = "stall-after"
    GARBAGE = "garbage"
    UNKNOWN_SECURITY = "unknown-security"
    BAD_RECTANGLE = "bad-rectangle"
    UNKNOWN_MESSAGE = "unknown-message"
    FREEZE = "freeze"


class Step(StrEnum):
    """What the server sends next in the RFB handshake, in order."""

    VERSION = "version"
    SECURITY_TYPES = "security-types"
    CHALLENGE = "challenge"
    SECURITY_RESULT = "security-result"
    SERVER_INIT = "server-init"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class GatewayFault:
    """One fault of the gateway.

    Args:
        kind: What goes wrong; UNKNOWN_SECURITY is for built-in screens only.
        status: HTTP status, for STATUS.
        step: Where CLOSE_AT ends the session instead of sending this, and what GARBAGE replaces.
        after_bytes: Of the server's stream, for the kinds that end in AFTER.
        delay_s: How long HANG takes before it refuses.
    """

    kind: GatewayFaultKind
    status: int = 503
    step: Step = Step.VERSION
    after_bytes: int = 0
    delay_s: float = 3600.0

    @classmethod
    def hang(cls, delay_s: float = 3600.0) -> GatewayFault:
        """No answer to the upgrade for so long, then a reset."""
        return cls(GatewayFaultKind.HANG, delay_s=delay_s)

    @classmethod
    def refuse(cls, status: int = 503) -> GatewayFault:
        """The upgrade is refused with this status."""
        return cls(GatewayFaultKind.STATUS, status=status)

    @classmethod
    def close_at(cls, step: Step) -> GatewayFault:
        """The connection ends where the server would send `step`."""
        return cls(GatewayFaultKind.CLOSE_AT, step=step)

    @classmethod
    def garbage_at(cls, step: Step) -> GatewayFault:
        """Random bytes where the server would send `step`, then silence."""
        return cls(GatewayFaultKind.GARBAGE, step=step)

    @classmethod
    def reset_after(cls, after_bytes: int) -> GatewayFault:
        """A TCP reset after so many bytes of the server's stream."""
        return cls(GatewayFaultKind.RESET_AFTER, after_bytes=after_bytes)

    @classmethod
    def close_after(cls, after_bytes: int) -> GatewayFault:
        """A close frame after so many bytes of the server's stream."""
        return cls(GatewayFaultKind.CLOSE_AFTER, after_bytes=after_bytes)

    @classmethod
    def stall_after(cls, after_bytes: int) -> GatewayFault:
        """Silence after so many bytes of the server's stream; the connection stays."""
        return cls(GatewayFaultKind.STALL_AFTER, after_bytes=after_bytes)

    @classmethod
    def freeze(cls) -> GatewayFault:
        """Once the handshake is over nothing is taken or sent any more; TCP goes on."""
        return cls(GatewayFaultKind.FREEZE)


FaultT = TypeVar("FaultT")


class FaultQueue(Generic[FaultT]):
    """Faults waiting for their victim, by action or by instance id."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[FaultT]] = {}

    def next(self, target: str, fault: FaultT, times: int = 1) -> None:
        """Let the next `times` calls of `target` (an action or instance id, or `ANY`) fail so.

        Raises:
            ValueError: More than `MAX_QUEUED` would wait.
        """
        queue = self._waiting.setdefault(target, deque())
        if len(queue) + times > MAX_QUEUED or len(self._waiting) > MAX_QUEUED:
            raise ValueError(f"more than {MAX_QUEUED} faults waiting")
        queue.extend([fault] * times)

    def take(self, target: str) -> FaultT | None:
        """The fault for this victim, if one waits."""
        for name in (target, ANY):
            queue = self._waiting.get(name)
            if queue:
                return queue.popleft()
        return None

    def clear(self) -> None:
        """Forget all that wait."""
        self._waiting.clear()

    def __len__(self) -> int:
        """How many wait."""
        return sum(len(queue) for queue in self._waiting.values())
