"""What one peer sends, on its way to the receiver: bounded, in order, a portion for each turn.

Whatever a peer sends, one turn of the event loop does bounded work for it: the rest waits, unread
beyond what had been read already, while the others have their turn. And what means nothing is
rationed: a peer that sends more of it than its ration is read later, and ended if it never stops.
Every transport has one `InputFlow`, between what it reads and its receiver.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

TURN_BYTES = 64 * 1024
"""Of one peer's input, this much is taken in a turn at most, where no other limit is given."""
TURN_PIECES = 64
"""So many pieces are, if they are small."""
IDLE_WORK_PER_S = 5_000
"""Of what means nothing, in units of work: one is about what a short message costs."""
IDLE_WORK_BURST = 10_000
IDLE_WORK_PORTION = 32
"""Less isn't spent by itself: looking at the clock for each request would cost half a message."""
IDLE_WORK_PATIENCE_S = 30.0
"""A peer that was over its ration for all this time is ended."""

Buffer = bytes | memoryview


class Ration:
    """How much of what means nothing a peer may say: a token bucket. Pure; `now` is monotonic."""

    def __init__(self, now: float) -> None:
        """It is full."""
        self._left = float(IDLE_WORK_BURST)
        self._at = self._well_at = now

    def spend(self, work: int, now: float) -> float:
        """Something meant nothing. Gives for how many seconds nothing more is to be taken."""
        self._left = min(IDLE_WORK_BURST, self._left + (now - self._at) * IDLE_WORK_PER_S)
        self._at = now
        if self._left >= IDLE_WORK_BURST / 2:
            self._well_at = now
        # At most a second is owed, or a few long messages would be paid for too dearly.
        self._left = max(self._left - work, -IDLE_WORK_PER_S)
        return max(0.0, -self._left / IDLE_WORK_PER_S)

    @property
    def exceeded(self) -> bool:
        """Whether it has gone on for too long."""
        return self._left < 0 and self._at - self._well_at > IDLE_WORK_PATIENCE_S


class InputListener(Protocol):
    """Who is told what becomes of a peer's input.

    An object, not its methods: bound ones, kept for each peer, take more than all else here.
    """

    def input_wanted(self, on: bool) -> None:
        """Start or stop reading from the peer."""

    def input_flooded(self) -> None:
        """The peer doesn't stop sending what means nothing: from now on all is thrown away."""


class Nobody:
    """Stands where nobody is left to listen."""

    def input_wanted(self, on: bool) -> None:
        """Nothing is read."""

    def input_flooded(self) -> None:
        """Nothing is sent."""


class InputFlow:
    """One peer's input. Nothing is given before the first `resume`."""

    def __init__(
        self,
        take: Callable[[Buffer], int],
        listener: InputListener,
        turn_bytes: int = TURN_BYTES,
    ) -> None:
        """Hold nothing, and wait for the first `resume`.

        Args:
            take: Is given bytes, and gives how many of them it took; the rest is offered again at a
                later turn.
            listener: Owns the peer's connection.
            turn_bytes: What is taken in a turn at most.
        """
        self._take = take
        self._owner = listener
        # Few at a time: a list, since an empty deque takes ten times as much.
        self._held: list[Buffer] = []
        self._turn_bytes = self._left_bytes = turn_bytes
        self._left_pieces = TURN_PIECES
        self._turn_due = False
        self._again = False
        self._paused = True
        self._resting: asyncio.TimerHandle | None = None
        self._reading = True
        self._over = False
        self._ended: list[Callable[[], None]] = []
        self._ration: Ration | None = None
        self._unspent_work = 0

    @property
    def held_bytes(self) -> int:
        """What was read and not taken yet."""
        return sum(map(len, self._held))

    @property
    def paused(self) -> bool:
        """Whether the receiver wants nothing."""
        return self._paused

    def put(self, data: Buffer) -> None:
        """The peer sent this."""
        if self._over:
            return
        self._held.append(data)
        if self._resting is None and not self._paused and len(self._held) == 1:
            self._give()
        self._settle()

    def pause(self) -> None:
        """Give nothing until `resume`, and stop reading."""
        self._paused = True
        self._settle()

    def resume(self) -> None:
        """Go on at the next turn: the caller may be in the midst of something."""
        if self._paused:
            self._paused = False
            self._next_turn()

    def again(self) -> None:
        """Give something at the next turn, nothing if there is nothing: the receiver isn't done."""
        self._again = True
        self._next_turn()

    def waste(self, work: int) -> None:
        """What was taken meant nothing.

        Args:
            work: What it cost, in units.
        """
        if self._over or work <= 0 or self._ended:
            # One that has gone sends no more of it: what is left needs its turns, but no rests.
            return
        self._unspent_work += work
        if self._unspent_work < IDLE_WORK_PORTION:
            return
        work, self._unspent_work = self._unspent_work, 0
        now = time.monotonic()
        if self._ration is None:
            self._ration = Ration(now)
        rest_s = self._ration.spend(work, now)
        if self._ration.exceeded:
            self.stop()
            self._owner.input_flooded()
        elif rest_s and self._resting is None:
            self._resting = asyncio.get_running_loop().call_later(rest_s, self._rested)
            self._settle()

    def end(self, then: Callable[[], None]) -> None:
        """The peer sends nothing more.

        Args:
            then: Called once all it sent was taken.
        """
        self._ended.append(then)
        if self._resting is not None:
            self._resting.cancel()
            self._rested()
        self._settle()

    def stop(self) -> None:
        """Throw away what is held and what comes."""
        self._over = True
        self._held.clear()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        self._settle()

    def release(self) -> None:
        """Stop, and let go of those that were given to it: its transport is gone.

        They hold it, so that only a collection would end them, and a whole one is rare.
        """
        self.stop()
        self._take, self._owner = len, _NOBODY

    def _rested(self) -> None:
        self._resting = None
        self._next_turn()

    def _next_turn(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """The others have had their turn."""
        self._turn_due = False
        self._left_bytes, self._left_pieces = self._turn_bytes, TURN_PIECES
        if self._resting is None and not self._paused:
            if self._held:
                self._again = False
                self._give()
            elif self._again:
                self._again = False
                self._take(b"")
        self._settle()

    def _give(self) -> None:
        """Offer what is held, as far as this turn goes."""
        held = self._held
        while (
            held
            and self._left_bytes > 0
            and self._left_pieces > 0
            and self._resting is None
            and not (self._paused or self._again)
        ):
            # Held while it is taken: not before is the peer's end the end.
            portion = data = held[0]
            if len(data) > self._left_bytes:
                portion = memoryview(data)[: self._left_bytes]
            self._left_bytes -= len(portion)
            self._left_pieces -= 1
            taken = self._take(portion)
            if self._over:
                return
            if taken == len(data):
                del held[0]
            elif taken:
                held[0] = memoryview(data)[taken:]
            if taken < len(portion):
                # It has had enough for this turn.
                self._left_bytes = 0
        if self._is_half_spent:
            self._next_turn()

    @property
    def _is_half_spent(self) -> bool:
        """Whether a turn's share is to be renewed; small messages needn't do that each time."""
        return self._left_bytes < self._turn_bytes // 2 or self._left_pieces < TURN_PIECES // 2

    def _settle(self) -> None:
        """Read or not, as things are, and say that it is over once it is."""
        free = not (self._held or self._paused or self._resting or self._again)
        if free is not self._reading and not self._over:
            self._reading = free
            self._owner.input_wanted(free)
        if self._held and not self._paused and self._resting is None:
            self._next_turn()
        while self._ended and (free or self._over):
            self._ended.pop(0)()


_NOBODY = Nobody()


def do_nothing(*_: object) -> None:
    """What is called where nobody is left to act."""


class FlowControlled:
    """The part of a transport by which the receiver steers its input: it is the flow's."""

    flow: InputFlow

    def pause(self) -> None:
        """Deliver nothing until `resume`, and stop reading."""
        self.flow.pause()

    def resume(self) -> None:
        """Go on, from the next turn of the event loop."""
        self.flow.resume()

    def again(self) -> None:
        """Deliver something at the next turn, nothing if there is nothing."""
        self.flow.again()

    def waste(self, work: int) -> None:
        """What was delivered meant nothing.

        Args:
            work: What it cost, in units.
        """
        self.flow.waste(work)
