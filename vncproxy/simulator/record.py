"""What the simulator saw: dials, calls, breaches of its rules, and what was typed."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

MAX_KEPT = 100_000
"""Entries kept of each journal; the oldest go first."""


class Breach(StrEnum):
    """A rule of the cloud, or of RFB, that a client broke."""

    EXPIRED_URL = "expired-url"
    REUSED_URL = "reused-url"
    UNKNOWN_URL = "unknown-url"
    TOO_MANY_DIALS = "too-many-dials"
    SECOND_SESSION = "second-session"
    TEXT_FRAME = "text-frame"
    BAD_HANDSHAKE = "bad-handshake"
    EXCLUSIVE_REQUEST = "exclusive-request"
    PARTIAL_MESSAGE = "partial-message"
    UNKNOWN_MESSAGE = "unknown-message"
    INVALID_MESSAGE = "invalid-message"
    REQUEST_NOT_NEGOTIATED = "request-not-negotiated"
    FORMAT_WITH_REQUEST_OUTSTANDING = "format-with-request-outstanding"


@dataclass(frozen=True, slots=True)
class Dial:
    """One attempt to connect to the gateway.

    Args:
        at_s: Monotonic seconds of its arrival.
        instance_id: "" where the URL is unknown.
        outcome: "accepted", a breach's name, or a fault's.
    """

    at_s: float
    instance_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API: monotonic seconds, the action, and the error code or "OK"."""

    at_s: float
    action: str
    outcome: str


@dataclass(frozen=True, slots=True)
class TypedKey:
    """A key event that reached a built-in screen."""

    instance_id: str
    keysym: int
    down: bool


@dataclass(frozen=True, slots=True)
class PointerReport:
    """A pointer event that reached a built-in screen."""

    instance_id: str
    x: int
    y: int
    buttons: int


@dataclass(frozen=True, slots=True)
class PowerCall:
    """A start, stop or restart that was carried out; `action` as in StopInstance."""

    instance_id: str
    action: str
    forced: bool


@dataclass(slots=True)
class Record:
    """The journals, bounded, oldest first."""

    dials: deque[Dial] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    typed: deque[TypedKey] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    pointed: deque[PointerReport] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    powered: deque[PowerCall] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    endings: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    messages: Counter[str] = field(default_factory=Counter)
    breaches: Counter[str] = field(default_factory=Counter)

    def most_dials(self, window_s: float, instance_id: str | None = None) -> int:
        """The largest number of dials in any `window_s` seconds, of one instance or of all."""
        window: deque[float] = deque()
        most = 0
        for dial in self.dials:
            if instance_id is not None and dial.instance_id != instance_id:
                continue
            window.append(dial.at_s)
            while window[0] <= dial.at_s - window_s:
                window.popleft()
            most = max(most, len(window))
        return most
