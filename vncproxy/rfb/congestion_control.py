"""How much may be on its way to one viewer: enough to fill its line, little enough to stay fresh.

Fences follow what is sent; an answer says that everything before it was read and decoded. From that
come the rate at which bytes arrive and, by a fence that nothing is ahead of, the line's own round
trip. What may be under way is what the line delivers in that round trip and a little more, so no
backlog builds up on a slow line, and a long one is kept full. Pure; `now` is monotonic seconds.
Source: rfbproto, ServerFence; the window follows the idea of BBR (Cardwell and others, ACM Queue
14.5).

Laws:
1. A round trip is measured by a fence sent while nothing else is under way. Else it would hold the
   daemon's own backlog, and the window would grow by what it had let through.
2. Every few seconds the window shuts until all has arrived, so that law 1 comes to its measure.
3. Without an answer nothing more is sent than the window holds.
"""

from __future__ import annotations

from operator import itemgetter

from msgspec import Struct

FIRST_WINDOW_BYTES = 128 * 1024
"""Before anything was measured."""
FLOOR_BYTES = 32 * 1024
SLACK_S = 0.1
"""Of what the line delivers, this much more than a round trip may be under way."""
ROUND_TRIP_AGE_S = 10.0
"""After so long the round trip is measured anew, even if the line must run dry for it."""
IDLE_ROUND_TRIP_AGE_S = 1.0
"""After so long it is measured anew where nothing is under way anyhow."""
_GAIN = 1.25
"""A little more than was measured: a line that became faster would never show it otherwise."""
_MAX_MARKS = 256
_ROUND_TRIPS = 3
"""The smallest of so many counts: whatever else is on the line only ever lengthens one."""
_RATE_AGE_S = 2.0
"""The best rate of so long counts: a decoder that was busy for a moment makes no slower line."""
_PAYLOAD_BYTES = 8
_RATE_OF = itemgetter(1)


class _Mark(Struct, frozen=True, gc=False):
    """A fence under way: its number, the bytes up to it, and what had arrived when it was sent.

    `bare`: nothing was under way before it.
    """

    number: int
    end_bytes: int
    sent_at: float
    arrived_bytes: int
    arrived_at: float
    filled_window: bool = False
    bare: bool = False


class CongestionControl:
    """One viewer's line.

    Args:
        max_bytes: The window never grows beyond.

    Attributes:
        window_bytes: How much may be in flight.
    """

    def __init__(self, max_bytes: int) -> None:
        """Nothing was measured yet."""
        self._max_bytes = max_bytes
        self._number = 0
        self._sent_bytes = 0
        self._arrived_bytes = 0
        self._arrived_at = 0.0
        # Short lists: a deque takes 760 bytes from the start on.
        self._marks: list[_Mark] = []
        self._round_trips: list[float] = []
        self._round_trip_at = float("-inf")
        self._draining = False
        self._rates: list[tuple[float, float]] = []
        self.window_bytes = min(FIRST_WINDOW_BYTES, max_bytes)

    @property
    def in_flight_bytes(self) -> int:
        """Sent and not known to have arrived."""
        return self._sent_bytes - self._arrived_bytes

    @property
    def open(self) -> bool:
        """Whether another update may be sent now."""
        return (
            not self._draining
            and self._sent_bytes - self._arrived_bytes < self.window_bytes
            and len(self._marks) < _MAX_MARKS
        )

    @property
    def unanswered_since(self) -> float | None:
        """Since when nothing that was sent is known to have arrived; None: nothing is under way."""
        return max(self._marks[0].sent_at, self._arrived_at) if self._marks else None

    def probe(self, now: float) -> bytes | None:
        """The payload of a fence to send before anything else, if it would measure a round trip."""
        if self._marks or now - self._round_trip_at < IDLE_ROUND_TRIP_AGE_S:
            return None
        return self._mark(now, bare=True)

    def mark(self, size_bytes: int, now: float, *, since: float | None = None) -> bytes:
        """`size_bytes` were sent; gives the payload of the fence that is to follow them.

        Args:
            size_bytes: Of rectangles, without the fence.
            now: Monotonic seconds.
            since: When the first of them was sent; None: now.
        """
        self._sent_bytes += size_bytes
        return self._mark(now, since=now if since is None else since)

    def _mark(self, now: float, *, since: float | None = None, bare: bool = False) -> bytes:
        self._number += 1
        if not self._marks:
            # Nothing was under way: the time before this says nothing about the line.
            self._arrived_at = max(self._arrived_at, now if since is None else since)
        self._marks.append(
            _Mark(
                self._number,
                self._sent_bytes,
                now,
                self._arrived_bytes,
                self._arrived_at,
                filled_window=self._sent_bytes - self._arrived_bytes >= self.window_bytes,
                bare=bare,
            )
        )
        return self._number.to_bytes(_PAYLOAD_BYTES, "big")

    def answered(self, payload: bytes, now: float) -> bool:
        """A fence was answered; False if it wasn't one of these. Earlier ones count as answered."""
        if len(payload) != _PAYLOAD_BYTES or not self._marks:
            return False
        # Their numbers follow each other.
        place = int.from_bytes(payload, "big") - self._marks[0].number
        if not 0 <= place < len(self._marks):
            return False
        mark = self._marks[place]
        del self._marks[: place + 1]
        self._arrived_bytes = mark.end_bytes
        self._arrived_at = now
        if mark.bare:
            self._round_trips.append(now - mark.sent_at)
            del self._round_trips[:-_ROUND_TRIPS]
            self._round_trip_at = now
        else:
            self._measure_rate(mark, now)
        self._set_window()
        # Law 2. It opens again with the answer to the last fence, after which `probe` finds nothing
        # under way. Where none is under way it stays open: nothing would come to open it.
        self._draining = bool(self._marks) and now - self._round_trip_at > ROUND_TRIP_AGE_S
        return True

    def _set_window(self) -> None:
        """From what was measured last."""
        if self._rates and self._round_trips:
            rate = max(self._rates, key=_RATE_OF)[1]
            wanted = int(_GAIN * rate * (min(self._round_trips) + SLACK_S))
            self.window_bytes = min(max(FLOOR_BYTES, wanted), self._max_bytes)

    def _measure_rate(self, mark: _Mark, now: float) -> None:
        # From the last arrival before the fence was sent, not from its sending: several fences are
        # under way at once, and each counts what arrived over its whole round trip.
        span_s = now - mark.arrived_at
        if span_s <= 0:
            return
        rate = (self._arrived_bytes - mark.arrived_bytes) / span_s
        # With little to send, a low rate is no measure of the line: it counts only if it is a high
        # one, and pushes nothing older out.
        best = max(self._rates, key=_RATE_OF)[1] if self._rates else 0.0
        late = now - mark.sent_at > min(self._round_trips, default=0.0) + SLACK_S
        if mark.filled_window or late:
            while self._rates and self._rates[0][0] < now - _RATE_AGE_S:
                del self._rates[0]
        elif rate <= best:
            return
        self._rates.append((now, rate))
        del self._rates[:-_MAX_MARKS]
