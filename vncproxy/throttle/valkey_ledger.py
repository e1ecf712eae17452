"""The ledger that several daemons, on several machines, share by a Valkey or Redis 7 server.

The law is reconnect_budget.py's, written once more in valkey_ledger.lua, which the server runs as
one step: the order of the steps is the order of the bookings of all daemons. What became of a
permit, dialled with or given back, is sent along with the next call, whatever that is about: nobody
waits for it.

Time is the server's (TIME), since nothing else is common to all. It is a wall clock, so it may
jump. Set back, the ledger's clock stands still at the jump and runs on from there: callers that
wait, wait a little longer. Set forward, dials would seem older than they are; but every daemon
sends, by its own steady clock, which instant is the latest possible now, and the ledger's clock
doesn't pass that by more than `CLOCK_TOLERANCE_S`, which the margin covers. Only if the first to
call after the jump is a process that has never called before does the jump count, and one window
may hold the dials of two. A daemon whose own clock stood still (a paused machine) makes the others
wait for as long as no other daemon called meanwhile. Keys live for a day after their last use, in
the server's time: a jump by more than that forgets them.

That the server lost data (a restart without them, a failover) shows in `heartbeat`, and they are
put back by `record`; what came last before the loss may be missing until then.

A permit's time is measured by the daemon's own steady clock, from when it asked (its end) and from
when it was answered (its beginning): so a slow server makes it shorter, and dialling with it is
covered by the record whatever the server's clock does meanwhile. Permits are held for longer by
what the slowest of the last calls took.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.resources import files
from time import CLOCK_BOOTTIME, clock_gettime
from typing import Annotated, TypeVar

import msgspec

from vncproxy.errors import LedgerError, LedgerSlow
from vncproxy.throttle.ledger_interface import Booking, Dial, TooLong
from vncproxy.throttle.reconnect_budget import ACCOUNT, MAX_AHEAD_S, Budget, Claim, Usage
from vncproxy.throttle.store_latency import Delays
from vncproxy.throttle.valkey_connection import PREFIX, Script, ValkeyStore, not_understood

ID_PREFIX = "v-"
"""Begins the ids of this ledger's bookings, and of no other's."""

LATELY_S = 60.0
"""A daemon counts for this long after its last heartbeat."""

CLOCK_TOLERANCE_S = 0.25
"""How far the server's clock may be ahead of what a caller expects: the call's own travel time."""

CLOCK_DRIFT = 1e-3
"""By which part two machines' clocks may differ in rate: ten times what NTP corrects at most."""

MAX_SETTLED = 4096
"""Claims dialled with or given back that wait to be sent; of the oldest beyond these the server
assumes that they may still be dialled, until they lapse."""

SETTLED_AT_ONCE = 128
"""Of these with one call."""

USAGES_AT_ONCE = 256
"""Budgets asked for with one call: the server does nothing else for some milliseconds."""

_SCRIPT = Script(files("vncproxy.throttle").joinpath("valkey_ledger.lua").read_text("utf-8"))
_CLOCK_KEY = "clock"
_DAEMONS_KEY = "daemons"
_INDEX_KEY = "keys"
_CLAIMS = "claims:"
_DIALS_PER_CALL = 500


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What the server answers to a daemon's heartbeat.

    Args:
        daemons: How many daemons had a heartbeat lately.
        identity: Names the server's data: another one means that what was recorded may be lost.
        keys: Those that any daemon dialled for lately, the last first, within a bound.
    """

    daemons: int
    identity: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Settled:
    """What became of a claim, to be sent to the server.

    Args:
        at: When it was dialled with; None: it was given back.
    """

    key: str
    id: str
    at: float | None


_Number = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)]
"""What Lua can count to."""


class _Answer(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What valkey_ledger.lua returns for a step."""

    number: _Number
    other: _Number
    now: _Number


class _ClaimsAnswer(_Answer, frozen=True):
    """With id and two ages of each claim, one after the other."""

    seen: list[str | _Number]


class _UsagesAnswer(_Answer, frozen=True):
    """With two numbers for each key."""

    usages: list[_Number]


class _LeaveAnswer(_Answer, frozen=True):
    """With the name of the server's data."""

    identity: str


class _HeartbeatAnswer(_LeaveAnswer, frozen=True):
    """And the keys in use."""

    keys: list[str]


_A = TypeVar("_A", bound=_Answer)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A claim on the server's record: how long ago its instant was, and its latest one."""

    id: str
    age_s: float
    latest_age_s: float


def _steady() -> float:
    """Seconds since boot, suspend included; nobody can set them."""
    return clock_gettime(CLOCK_BOOTTIME)


class ValkeyLedger:
    """See `Ledger` and the module. Each daemon books by its own budget; claims keep their hold."""

    def __init__(
        self,
        store: ValkeyStore,
        budget: Callable[[], Budget],
        *,
        steady: Callable[[], float] = _steady,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Ask nothing yet.

        Args:
            store: Closed with the ledger.
            budget: Gives this daemon's that is in force.
            steady: Seconds of this machine's clock that never jumps.
            clock: Stands in for the server's, in seconds, for tests.
        """
        self._store = store
        self._budget = budget
        self._steady = steady
        self._clock = clock
        self._now: tuple[int, float] | None = None
        self._permits: dict[str, Claim] = {}
        self._settled: deque[_Settled] = deque(maxlen=MAX_SETTLED)
        self._delays = Delays()
        self._seen: dict[str, tuple[float, list[_Seen]]] = {}

    def key_of(self, instance_id: str) -> str:
        """See `Ledger.key_of`."""
        return self._budget().key_of(instance_id)

    async def book(self, instance_id: str, max_wait_s: float) -> Booking | TooLong:
        """See `Ledger.book`."""
        budget = self._budget()
        key = budget.key_of(instance_id)
        booking_id = ID_PREFIX + secrets.token_hex(8)
        longest = _micros(min(max_wait_s, MAX_AHEAD_S))
        began = self._steady()
        hold_s = budget.hold_s + self._delays.longest_s
        try:
            booked, wait, *_ = await self._claims(
                "book", key, booking_id, str(longest), hold_s=hold_s
            )
        except BaseException:
            # Cancelled, or without an answer: the booking may be on record, so it is given back.
            self._settled.append(_Settled(key, booking_id, None))
            raise
        wait_s = wait / 1e6
        if not booked:
            return TooLong(wait_s)
        now = self._steady()
        claim = Claim(now + wait_s, began + wait_s + hold_s)
        if now > claim.latest:
            self._settled.append(_Settled(key, booking_id, None))
            raise LedgerSlow(f"the shared store took {now - began:.0f} s to record a permit")
        self._permits = {one: held for one, held in self._permits.items() if now <= held.latest} | {
            booking_id: claim
        }
        return Booking(booking_id, key, wait_s)

    async def spend(self, booking: Booking) -> bool:
        """See `Ledger.spend`: the booking on record covers the dial, which is sent later."""
        now = self._steady()
        claim = self._permits.get(booking.id)
        if claim is None or not claim.may_be_spent(now):
            return False
        del self._permits[booking.id]
        self._settled.append(_Settled(booking.key, booking.id, now))
        return True

    async def cancel(self, booking: Booking) -> None:
        """See `Ledger.cancel`."""
        self._permits.pop(booking.id, None)
        self._settled.append(_Settled(booking.key, booking.id, None))

    async def usages(self, instance_ids: Collection[str]) -> dict[str, Usage]:
        """See `Ledger.usages`."""
        budget = self._budget()
        keys = {one: budget.key_of(one) for one in instance_ids}
        asked = sorted(set(keys.values()))
        numbers: list[int] = []
        for start in range(0, len(asked), USAGES_AT_ONCE):
            names = (PREFIX + _CLAIMS + key for key in asked[start : start + USAGES_AT_ONCE])
            answer = await self._step(_UsagesAnswer, "usages", _CLAIMS + ACCOUNT, *names)
            numbers += answer.usages
        if len(numbers) != 2 * len(asked):
            raise not_understood()
        found = {
            key: Usage(used, budget.limit, budget.span_s, free / 1e6)
            for key, used, free in zip(asked, numbers[::2], numbers[1::2], strict=True)
        }
        return {one: found[key] for one, key in keys.items()}

    async def refresh(self, key: str) -> None:
        """Read for `seen` what counts for a key.

        Raises:
            LedgerError: The ledger can't be read or written.
        """
        await self._claims("read", key)

    async def check_writable(self) -> None:
        """See `Ledger.check_writable`: each step writes the ledger's clock."""
        lately = str(_micros(LATELY_S))
        await self._step(_HeartbeatAnswer, "heartbeat", _DAEMONS_KEY, "", lately)

    async def record(self, dials: Sequence[Dial]) -> None:
        """Put dials on record that were made without the server; those it knows stay as they are.

        Raises:
            LedgerError: Some may not be recorded; again is harmless.
        """
        by_key: dict[str, list[str]] = {}
        for dial in dials:
            by_key.setdefault(dial.key, []).extend((dial.id, str(_micros(dial.age_s))))
        for key, values in by_key.items():
            for start in range(0, len(values), 2 * _DIALS_PER_CALL):
                await self._claims("record", key, *values[start : start + 2 * _DIALS_PER_CALL])

    async def heartbeat(self, daemon_id: str | None) -> Heartbeat:
        """Show that a daemon runs; to be repeated within `LATELY_S`.

        Args:
            daemon_id: The daemon's; None: only read the answer.

        Raises:
            LedgerError: The ledger can't be read or written.
        """
        lately = str(_micros(LATELY_S))
        answer = await self._step(
            _HeartbeatAnswer, "heartbeat", _DAEMONS_KEY, daemon_id or "", lately
        )
        keys = tuple(name.removeprefix(PREFIX + _CLAIMS) for name in answer.keys)
        self._seen = {key: seen for key, seen in self._seen.items() if key in keys}
        return Heartbeat(answer.number, answer.identity, keys)

    async def leave(self, daemon_id: str) -> None:
        """The daemon stops.

        Raises:
            LedgerError: The ledger can't be read or written.
        """
        await self._step(_LeaveAnswer, "leave", _DAEMONS_KEY, daemon_id)

    async def send_settled(self) -> None:
        """Send what became of permits, if no other call has done so.

        Raises:
            LedgerError: The ledger can't be read or written.
        """
        while self._settled:
            await self._step(_Answer, "settle", _CLAIMS + ACCOUNT)

    def seen(self) -> list[Dial]:
        """The dials on the server's record as last read, others' too, of every key asked for.

        A permit whose time has come counts as dialled at its latest: its owner may have done so
        since. One whose time has not come can't be dialled without the server.
        """
        now = self._steady()
        return [
            Dial(one.id, key, one.latest_age_s + now - at)
            for key, (at, seen) in self._seen.items()
            for one in seen
            if one.age_s + now - at >= 0 and one.latest_age_s + now - at < self._budget().span_s
        ]

    async def close(self) -> None:
        """See `Ledger.close`."""
        try:
            await self.send_settled()
        except LedgerError:
            # They lapse by themselves.
            self._settled.clear()
        await self._store.close()

    async def _claims(
        self, step: str, key: str, *values: str, hold_s: float | None = None
    ) -> tuple[int, int]:
        """One step about a key's claims; the claims in its answer are kept for `seen`."""
        answer = await self._step(_ClaimsAnswer, step, _CLAIMS + key, *values, hold_s=hold_s)
        seen, found = answer.seen, list[_Seen]()
        for name, age, latest in zip(seen[::3], seen[1::3], seen[2::3], strict=False):
            if not isinstance(name, str) or isinstance(age, str) or isinstance(latest, str):
                raise not_understood()
            found.append(_Seen(name, age / 1e6, latest / 1e6))
        self._seen[key] = (self._steady(), found)
        return answer.number, answer.other

    async def _step(
        self, form: type[_A], step: str, subject: str, *values: str, hold_s: float | None = None
    ) -> _A:
        """Run one step of the script; gives its answer. Without `hold_s` the budget's counts."""
        budget = self._budget()
        began = self._steady()
        # The latest instant that the server's clock can have reached since the last answer, by this
        # machine's steady clock: a server whose clock was set forward isn't believed.
        latest = ""
        if self._now is not None:
            then, at = self._now
            elapsed_s = (began - at) * (1 + CLOCK_DRIFT) + CLOCK_TOLERANCE_S
            latest = str(then + _micros(elapsed_s))
        settled = [self._settled.popleft() for _ in range(min(SETTLED_AT_ONCE, len(self._settled)))]
        settled_words = [
            word
            for one in settled
            for word in (
                PREFIX + _CLAIMS + one.key,
                one.id,
                "" if one.at is None else str(_micros(began - one.at)),
            )
        ]
        try:
            answer = await self._store.run(
                form,
                _SCRIPT,
                (_CLOCK_KEY, subject, _INDEX_KEY, _CLAIMS + ACCOUNT),
                step,
                str(budget.limit),
                str(_micros(budget.span_s)),
                str(_micros(budget.hold_s if hold_s is None else hold_s)),
                str(_micros(MAX_AHEAD_S)),
                latest,
                "" if self._clock is None else str(_micros(self._clock())),
                str(len(settled)),
                *settled_words,
                *values,
            )
        except BaseException:
            # Whether the server got them isn't known; to send them again does no harm.
            self._settled.extendleft(reversed(settled))
            raise
        self._delays.note(self._steady() - began)
        # Calls overlap; only the youngest answer counts, or the allowance would grow by old ones.
        if self._now is None or began >= self._now[1]:
            self._now = (answer.now, began)
        return answer


def _micros(seconds: float) -> int:
    """Whole microseconds."""
    return round(seconds * 1e6)
