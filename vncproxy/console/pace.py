"""How much may be on its way to one viewer: enough to fill its line, little enough to stay fresh.

A fence follows each update; its answer says that everything before it was read and decoded. From
that come the shortest round trip and the rate at which bytes arrive. What may be under way is what
the line delivers in that round trip and a little more, so no backlog builds up on a slow line, and
a long one is kept full. Pure; `now` is monotonic seconds. Source: rfbproto, ServerFence; the window
follows the idea of BBR (Cardwell and others, ACM Queue 14.5).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

FIRST_WINDOW_BYTES = 128 * 1024
"""Before anything was measured."""
FLOOR_BYTES = 32 * 1024
SLACK_S = 0.1
"""Of what the line delivers, this much more than a round trip may be under way."""
_GAIN = 1.25
_MAX_MARKS = 64
_ROUND_TRIP_AGE_S = 10.0
_RATE_AGE_S = 5.0
_PAYLOAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Mark:
    """A fence under way: its number, the bytes up to it, and what had arrived when it was sent."""

    number: int
    end_bytes: int
    sent_at: float
    arrived_bytes: int
    arrived_at: float
    filled_window: bool


class Pace:
    """One viewer's line. Args: max_bytes - the window never grows beyond."""

    def __init__(self, max_bytes: int) -> None:
        """Nothing was measured yet."""
        self._max_bytes = max_bytes
        self._number = 0
        self._sent_bytes = 0
        self._arrived_bytes = 0
        self._arrived_at = 0.0
        self._marks: deque[_Mark] = deque()
        self._round_trips: deque[tuple[float, float]] = deque()
        self._rates: deque[tuple[float, float]] = deque()

    @property
    def in_flight_bytes(self) -> int:
        """Sent and not known to have arrived."""
        return self._sent_bytes - self._arrived_bytes

    @property
    def window_bytes(self) -> int:
        """How much may be in flight."""
        if not self._rates:
            return min(FIRST_WINDOW_BYTES, self._max_bytes)
        rate = max(rate for _, rate in self._rates)
        shortest_s = min(trip for _, trip in self._round_trips)
        wanted = int(_GAIN * rate * (shortest_s + SLACK_S))
        return min(max(FLOOR_BYTES, wanted), self._max_bytes)

    @property
    def open(self) -> bool:
        """Whether another update may be sent now."""
        return self.in_flight_bytes < self.window_bytes and len(self._marks) < _MAX_MARKS

    def mark(self, size_bytes: int, now: float) -> bytes:
        """`size_bytes` were sent; gives the payload of the fence that is to follow them."""
        self._number += 1
        self._sent_bytes += size_bytes
        if not self._marks:
            # Nothing was under way: the time before this says nothing about the line.
            self._arrived_at = now
        self._marks.append(
            _Mark(
                self._number,
                self._sent_bytes,
                now,
                self._arrived_bytes,
                self._arrived_at,
                self.in_flight_bytes >= self.window_bytes,
            )
        )
        return self._number.to_bytes(_PAYLOAD_BYTES, "big")

    def answered(self, payload: bytes, now: float) -> bool:
        """A fence was answered; False if it wasn't one of these. Earlier ones count as answered."""
        number = int.from_bytes(payload, "big")
        if len(payload) != _PAYLOAD_BYTES or not any(m.number == number for m in self._marks):
            return False
        while True:
            mark = self._marks.popleft()
            if mark.number == number:
                break
        self._arrived_bytes = mark.end_bytes
        self._arrived_at = now
        self._measure(mark, now)
        return True

    def _measure(self, mark: _Mark, now: float) -> None:
        self._round_trips.append((now, now - mark.sent_at))
        while len(self._round_trips) > 1 and self._round_trips[0][0] < now - _ROUND_TRIP_AGE_S:
            self._round_trips.popleft()
        span_s = now - mark.arrived_at
        if span_s <= 0:
            return
        rate = (self._arrived_bytes - mark.arrived_bytes) / span_s
        # With little to send, a low rate is no measure of the line: it counts only if it is a high
        # one, and pushes nothing older out.
        best = max((rate for _, rate in self._rates), default=0.0)
        if mark.filled_window:
            while self._rates and self._rates[0][0] < now - _RATE_AGE_S:
                self._rates.popleft()
        elif rate <= best:
            return
        self._rates.append((now, rate))
        if len(self._rates) > _MAX_MARKS:
            self._rates.popleft()
