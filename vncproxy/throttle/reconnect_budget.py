"""How many dials a key may make, and when the next one may be: the law of the reconnect budget.

Words. A *claim* is the right to dial once. It is booked for an instant `at`; the dial may begin
from `at` until `latest`, which is `at + hold_s` or later (the VncUrl is fetched in between). Right
before the dial the claim is *spent*: its owner sees to it that it is dialled with once, and in its
time. That dial is covered by what is on record already. So nothing has to be written before it,
and a slow disk or server can't make a permit lapse; the record follows, and fixes both instants to
the dial's. Each claim keeps its own latest instant: a hold that changes afterwards, or another
process's hold, means nothing to it.

The law. A new claim is booked no earlier than `span_s` after the limit-th largest latest instant of
all claims of its key, where `span_s` is the window plus a margin, the same for everybody.

Why that is enough. Take any `limit + 1` dials, and of their claims the one booked last, N. When N
was booked the other `limit` claims were on record (or forgotten: `span_s` past already), and
their latest instants only ever move towards the past (once they are recorded as spent). So the
smallest of them, L, was at most the limit-th largest of all, and the law put N at `L + span_s` or
later. That claim's dial was at L or before, N's dial at its `at` or after: the two are `span_s`
apart and no window holds all of them. This needs no order between the dials, and stays true when
claims are cancelled, since a cancelled claim can't be dialled.

What may change while claims are out. The proof uses one limit only, the one by which N was booked:
a window's dials are never more than *the limit in force when the last of their claims was booked*.
So a reload may set any other limit, and processes with different ones may share a record. After a
change every window with a dial that was booked since keeps the new limit, whatever came before it;
a window of dials that were all promised before keeps the old one: permits aren't taken back. The
hold isn't in the proof at all.

Keys. The key `ACCOUNT` overlaps every other: a claim of it may be for any instance. What counts for
a booking is every claim whose key overlaps its own, so that a change of what is counted for frees
nothing either: an instance's window holds no more than the limit whichever key its dials were
booked for, and the whole account's no more once the last of them was booked for the account.

The margin covers what lies outside the record: waking up a little early (`EARLY_S`), and the time
from being spent to arriving at the cloud.

A record of being spent that comes late, or never, costs waiting only: until then the claim counts
for as long as it might have been dialled.

First come, first served: a claim is never booked before one that was booked earlier and still
waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

WINDOW_S = 60.0
"""The cloud counts over this window. Source: ECS API reference, DescribeInstanceVncUrl: at most 30
reconnections in a minute (facts.md; whether per instance or per account isn't stated)."""

MARGIN_S = 1.0
"""Added to the window, for the travel time of one dial to differ from another's."""

HOLD_S = 10.0
"""A claim must be spent within this time after its instant: room for the call that gets the VncUrl
(`call_timeout`). A longer hold makes a full queue wait longer."""

MAX_HOLD_S = 86400.0
"""No claim is held for longer, so a record of one that is would be damage."""

LIMIT = 29
"""One less than the cloud's 30."""

MAX_AHEAD_S = 3600.0
"""Nothing is booked further ahead than this, so a record of something later is damage."""

EARLY_S = 0.05
"""A timer of the event loop may fire this much early (uvloop counts in milliseconds)."""

ACCOUNT = "account"
"""The key of a budget that counts for the whole account; it overlaps all others."""

_T = TypeVar("_T")


class Claim(NamedTuple):
    """The right to dial once, from `at` until `latest`; once `spent`, both are its instant."""

    at: float
    latest: float
    spent: bool = False

    @classmethod
    def dialled(cls, at: float) -> Claim:
        """One that is spent."""
        return cls(at, at, spent=True)

    def may_be_spent(self, now: float) -> bool:
        """Whether the dial may begin at `now`: its time has come and hasn't lapsed."""
        return not self.spent and self.at - EARLY_S <= now <= self.latest


class Tally(NamedTuple):
    """The claims that count, summed up.

    Args:
        used: How many.
        earliest: The smallest latest instant.
        promised: The largest instant of those that aren't spent. None: there is no such claim.
    """

    used: int
    earliest: float | None
    promised: float | None

    @classmethod
    def of(cls, parts: Iterable[Tally]) -> Tally:
        """Several together."""
        known = list(parts)
        if len(known) == 1:
            return known[0]
        return cls(
            sum(part.used for part in known),
            min((part.earliest for part in known if part.earliest is not None), default=None),
            max((part.promised for part in known if part.promised is not None), default=None),
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """How full a budget is.

    `used` of `limit` dials in `window_s` (margin included) are made or promised, which may exceed
    the limit while some wait; a newcomer would wait `next_free_s` seconds.
    """

    used: int
    limit: int
    window_s: float
    next_free_s: float


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` dials in any `window_s`; all instants are seconds of one steady clock.

    Args:
        by_account: They are counted for the whole account, not for each instance.

    Raises:
        ValueError: For values with which the law can't hold.
    """

    limit: int = LIMIT
    window_s: float = WINDOW_S
    margin_s: float = MARGIN_S
    hold_s: float = HOLD_S
    by_account: bool = False

    def __post_init__(self) -> None:
        """Refuse what would break the law."""
        timely = self.window_s > 0 and self.margin_s >= 2 * EARLY_S
        if self.limit < 1 or not timely or not 0 <= self.hold_s <= MAX_HOLD_S:
            raise ValueError(f"impossible budget: {self}")

    @property
    def span_s(self) -> float:
        """The window with its margin."""
        return self.window_s + self.margin_s

    def key_of(self, instance_id: str) -> str:
        """What the dials of an instance are counted for."""
        return ACCOUNT if self.by_account else instance_id

    def booked(self, at: float, extra_s: float = 0.0) -> Claim:
        """A new claim for the instant that `next_free` gave.

        Args:
            at: As `next_free` gave it.
            extra_s: Held for so much longer, since it takes so long to be on record.
        """
        return Claim(at, at + self.hold_s + extra_s)

    def next_free(self, claims: Iterable[Claim], now: float) -> float:
        """The earliest instant, `now` or later, for which a newcomer may be booked.

        Args:
            claims: All that aren't cancelled and whose key overlaps, in any order.
            now: This instant.
        """
        known = list(claims)
        free = max([now, *(claim.at for claim in known if not claim.spent)])
        if len(known) >= self.limit:
            by_latest = sorted(claim.latest for claim in known)
            free = max(free, by_latest[-self.limit] + self.span_s)
        return free

    def used(self, claims: Iterable[Claim], now: float) -> int:
        """How many claims count against a dial at `now`, those that wait included."""
        forgettable = self.forgettable_until(now)
        return sum(claim.latest > forgettable for claim in claims)

    def usage(self, claims: Sequence[Claim], now: float) -> Usage:
        """How full it is.

        Args:
            claims: As for `next_free`.
            now: This instant.
        """
        free = self.next_free(claims, now)
        return Usage(self.used(claims, now), self.limit, self.span_s, free - now)

    def is_crowded(self, tally: Tally) -> bool:
        """Whether the tally of the claims that count isn't enough for `usage_of`."""
        return tally.used > self.limit

    def usage_of(self, tally: Tally, now: float, latest: Iterable[float] = ()) -> Usage:
        """As `usage`.

        Args:
            tally: Of the claims that count.
            now: This instant.
            latest: Theirs, if it is crowded.
        """
        free = now if tally.promised is None else max(now, tally.promised)
        # What another process has deleted since the tally can't matter any more.
        decisive = sorted(latest)[-self.limit :] if self.is_crowded(tally) else [tally.earliest]
        if tally.used >= self.limit and decisive and decisive[0] is not None:
            free = max(free, decisive[0] + self.span_s)
        return Usage(tally.used, self.limit, self.span_s, free - now)

    def is_forgettable(self, claim: Claim, now: float) -> bool:
        """Whether the claim can't matter to any dial from `now` on."""
        return claim.latest <= self.forgettable_until(now)

    def forgettable_until(self, now: float) -> float:
        """Claims whose latest instant is this or before can't matter to a dial from `now` on."""
        return now - self.span_s


def counting_for(key: str, claims_by_key: Mapping[str, _T]) -> list[_T]:
    """What counts for a key: its own, the account's; for the account, all."""
    if key == ACCOUNT:
        return list(claims_by_key.values())
    return [claims_by_key[one] for one in (key, ACCOUNT) if one in claims_by_key]
