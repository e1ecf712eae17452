"""How many dials a key may make, and when the next one may be: the law of the reconnect budget.

Words. A *claim* is the right to dial once. It is booked for an instant `at`; the dial may begin
from `at` until `at + hold_s` (the VncUrl is fetched in between). Right before the dial the claim is
*spent*, which fixes `at` to that instant. A claim that is neither spent nor cancelled might have
been dialled as late as `at + hold_s`: its *latest* instant. A spent claim's latest instant is `at`.

The law. A new claim is booked no earlier than `span_s` after the limit-th largest latest instant of
all claims of its key, where `span_s` is the window plus a margin.

Why that is enough. Take any `limit + 1` dials, and of their claims the one booked last, N. When N
was booked the other `limit` claims were on record (or forgotten: `span_s` past already), and
their latest instants only ever move towards the past (by being spent). So the smallest of them,
L, was at most the limit-th largest of all, and the law put N at `L + span_s` or later. That
claim's dial was at L or before, N's dial at its `at` or after: the two are `span_s` apart and no
window holds all of them. This needs no order between the dials, and stays true when claims are
cancelled, since a cancelled claim can't be dialled.

The margin covers what lies outside the record: waking up a little early (`EARLY_S`), and the time
from being spent to arriving at the cloud.

First come, first served: a claim is never booked before one that was booked earlier and still
waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WINDOW_S = 60.0
"""The cloud counts over this window. Source: ECS API reference, DescribeInstanceVncUrl: at most 30
reconnections in a minute (facts.md; whether per instance or per account isn't stated)."""

MARGIN_S = 1.0
"""Added to the window, for the travel time of one dial to differ from another's."""

HOLD_S = 10.0
"""A claim must be spent within this time after its instant: room for the call that gets the VncUrl
(`call_timeout`). A longer hold makes a full queue wait longer."""

LIMIT = 29
"""One less than the cloud's 30."""

MAX_AHEAD_S = 3600.0
"""Nothing is booked further ahead than this, so a record of something later is damage."""

EARLY_S = 0.05
"""A timer of the event loop may fire this much early (uvloop counts in milliseconds)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to dial once: booked for the instant `at`, or dialled at it once `spent`."""

    at: float
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` dials in any `window_s`; all instants are seconds of one steady clock.

    Raises: ValueError for values with which the law can't hold.
    """

    limit: int = LIMIT
    window_s: float = WINDOW_S
    margin_s: float = MARGIN_S
    hold_s: float = HOLD_S

    def __post_init__(self) -> None:
        """Refuse what would break the law."""
        if self.limit < 1 or self.window_s <= 0 or self.hold_s < 0 or self.margin_s < 2 * EARLY_S:
            raise ValueError(f"impossible budget: {self}")

    @property
    def span_s(self) -> float:
        """The window with its margin."""
        return self.window_s + self.margin_s

    def latest(self, claim: Claim) -> float:
        """The last instant at which the claim's dial can have begun."""
        return claim.at if claim.spent else claim.at + self.hold_s

    def next_free(self, claims: Iterable[Claim], now: float) -> float:
        """The earliest instant, `now` or later, for which a newcomer may be booked.

        Args: claims - all of the key that aren't cancelled, in any order; now - seconds.
        """
        known = list(claims)
        free = max([now, *(claim.at for claim in known if not claim.spent)])
        if len(known) >= self.limit:
            by_latest = sorted(map(self.latest, known))
            free = max(free, by_latest[-self.limit] + self.span_s)
        return free

    def used(self, claims: Iterable[Claim], now: float) -> int:
        """How many claims count against a dial at `now`, those that wait included."""
        return sum(self.latest(claim) > now - self.span_s for claim in claims)

    def may_spend(self, claim: Claim, now: float) -> bool:
        """Whether the claim's dial may begin at `now`: its time has come and hasn't lapsed."""
        return not claim.spent and claim.at - EARLY_S <= now <= claim.at + self.hold_s

    def is_forgettable(self, claim: Claim, now: float) -> bool:
        """Whether the claim can't matter to any dial from `now` on."""
        return claim.at <= self.forgettable_until(now)

    def forgettable_until(self, now: float) -> float:
        """Claims booked for this instant or before can't matter to any dial from `now` on."""
        return now - self.hold_s - self.span_s
