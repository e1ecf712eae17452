"""Which message keeps the upstream from closing an idle connection, and when to send it.

What the cloud counts as interaction isn't documented, so a console starts with what disturbs least
and learns from links that were closed all the same. The classes hold each other, the widest first:

    ANY      any message; sent: an incremental update request, which has no visible effect
    POINTER  input: pointer or key; sent: the last real pointer message again
    KEY      keys only; sent: press and release of a configured key

The timer runs from the last upstream message of the class in use. Evidence against that class is a
link that the upstream closed, unexplained by a reboot or stop, when

- T, the time since the last message of the next class (since the link opened if there was none),
  is near a known limit: 60 s, 300 s, the configured idle_timeout, or an earlier unexplained T; and
- messages of the class in use did go out meanwhile, so that they evidently didn't count.

Two in a row switch to the next class. An unexplained close at a T near no limit breaks the row and
is remembered; so does a link that outlives every known limit without a message of the next class,
however it ends, since that proves the class in use. A T shorter than the keepalive interval says
nothing: somebody was typing. Near means within 3 s, or a quarter of the limit where that is less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from vncproxy.rfb.client_messages import key_event, update_request
from vncproxy.rfb.held_input import HeldInput

KNOWN_LIMITS_S = (60.0, 300.0)
"""Idle limits that the cloud documents. Source: ECS API reference, DescribeInstanceVncUrl, 2017 to
2026."""

EVIDENCE_TO_SWITCH = 2
MAX_EARLIER = 8
_NEAR_S = 3.0
_NEAR_SHARE = 0.25


class KeepaliveClass(Enum):
    """A kind of message, by what it may count as; see the module."""

    ANY = "any"
    POINTER = "pointer"
    KEY = "key"

    # Each is itself alone; the enumeration's own would be a call for every message.
    __hash__ = object.__hash__


_ORDER = list(KeepaliveClass)
_UP_TO = {kind: _ORDER[: place + 1] for place, kind in enumerate(_ORDER)}
"""Each class with those that hold it."""
_MESSAGES = {
    KeepaliveClass.ANY: "update requests",
    KeepaliveClass.POINTER: "pointer messages",
    KeepaliveClass.KEY: "key presses",
}


CLASSES = {3: KeepaliveClass.ANY, 4: KeepaliveClass.KEY, 5: KeepaliveClass.POINTER}
"""Of most messages, by their type alone: a request's, a key's and the pointer's."""


def class_of(raw: bytes) -> KeepaliveClass:
    """The narrowest class that a whole client message belongs to."""
    if raw[0] == 255 and raw[1] == 0:
        return KeepaliveClass.KEY
    return CLASSES.get(raw[0], KeepaliveClass.ANY)


@dataclass(frozen=True, slots=True)
class KeepaliveMemory:
    """What was learned of an instance, to be stored and given back.

    Args:
        kind: The class in use.
        evidence: Closes in a row that speak against it.
        earlier_ts: Seconds, unexplained idle times seen before, the newest last.
    """

    kind: KeepaliveClass = KeepaliveClass.ANY
    evidence: int = 0
    earlier_ts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """How idle a link was when it ended, in seconds.

    Args:
        kind: The class in use.
        quiet_s: Since the last message of it.
        idle_s: Since the last one of the next class.
    """

    kind: KeepaliveClass
    quiet_s: float
    idle_s: float


@dataclass(frozen=True, slots=True)
class MemoryChanged:
    """The memory changed: store it. `switched`: another class is in use from now on."""

    memory: KeepaliveMemory
    switched: bool


class Keepalive:
    """One console's keepalive. All times are monotonic seconds.

    Args:
        held: What went upstream as input, for the pointer's place.
        interval_s: Between messages of the class in use.
        idle_timeout_s: The configured limit.
        keysym: 0: KEY is never used.
        memory: What was learned before.
    """

    def __init__(
        self,
        held: HeldInput,
        *,
        interval_s: float,
        idle_timeout_s: float,
        keysym: int = 0,
        memory: KeepaliveMemory | None = None,
    ) -> None:
        """Start without a link."""
        self._held = held
        self._interval_s = interval_s
        self._limits_s = (*KNOWN_LIMITS_S, idle_timeout_s)
        self._keysym = keysym
        self._memory = self._fitting(memory or KeepaliveMemory())
        self._last: dict[KeepaliveClass, float] = {}
        self._off_screen = False

    def _fitting(self, memory: KeepaliveMemory) -> KeepaliveMemory:
        """The memory as this configuration allows it: the key may have come or gone."""
        if memory.kind is KeepaliveClass.KEY and not self._keysym:
            return replace(memory, kind=KeepaliveClass.POINTER, evidence=0)
        if memory.evidence >= EVIDENCE_TO_SWITCH and self._usable(_after(memory.kind)):
            return replace(memory, kind=_after(memory.kind), evidence=0)
        return memory

    def forget(self) -> None:
        """Know nothing of the instance, as at first."""
        self._memory = KeepaliveMemory()

    def _usable(self, kind: KeepaliveClass) -> bool:
        return kind is not KeepaliveClass.KEY or self._keysym != 0

    @property
    def memory(self) -> KeepaliveMemory:
        """What is known now."""
        return self._memory

    @property
    def kind(self) -> KeepaliveClass:
        """The class whose message is sent: ANY while POINTER is in use with none to repeat."""
        if self._memory.kind is KeepaliveClass.POINTER and (
            self._held.last_pointer is None or self._off_screen
        ):
            return KeepaliveClass.ANY
        return self._memory.kind

    @property
    def next_at(self) -> float | None:
        """When the next keepalive is due; None without a link."""
        return self._last[self.kind] + self._interval_s if self._last else None

    def link_started(self, now: float) -> None:
        """A link opened: its idle time counts from here for every class."""
        self._last = dict.fromkeys(KeepaliveClass, now)
        self._off_screen = False

    def sent(self, kind: KeepaliveClass, now: float) -> None:
        """A message of this class (see `class_of`) went upstream, a keepalive or any other.

        HeldInput has to have tracked it before, if it is input.
        """
        for each in _UP_TO[kind]:
            self._last[each] = now
        if kind is KeepaliveClass.POINTER:
            self._off_screen = False

    def message(self, width: int, height: int) -> bytes:
        """What to send now: one whole message, or a key's press and release.

        Args:
            width: Of the screen, in pixels. A remembered pointer outside of it is not repeated: the
                guest would move the pointer to an edge.
            height: As `width`.
        """
        self._off_screen = not self._held.pointer_within(width, height)
        kind, pointer = self.kind, self._held.last_pointer
        if kind is KeepaliveClass.KEY:
            return key_event(True, self._keysym) + key_event(False, self._keysym)
        if kind is KeepaliveClass.POINTER and pointer is not None:
            return pointer
        return update_request(True, 0, 0, width, height)

    def link_ended(self, now: float) -> LinkEnd | None:
        """The link ended: what `learn` may be given of it, now or later; None: nothing.

        Args:
            now: When it ended, or was last known to work.
        """
        if not self._last:
            return None
        kind = self._memory.kind
        end = LinkEnd(kind, now - self._last[kind], now - self._last[_after(kind)])
        self._last = {}
        is_idle = end.idle_s >= self._interval_s and not _near(end.quiet_s, end.idle_s)
        return end if is_idle and kind is not KeepaliveClass.KEY else None

    def learn(self, end: LinkEnd, *, by_upstream: bool, explained: bool) -> MemoryChanged | None:
        """Learn from a link's end; None: the memory is as it was.

        Args:
            end: What `link_ended` gave of it.
            by_upstream: The upstream ended it, cleanly or not.
            explained: The API saw a reboot or stop, or the daemon knows another cause, such as a
                takeover.
        """
        before = self._memory
        limits_s = (*self._limits_s, *before.earlier_ts)
        idle_s = end.idle_s
        # A class that was given up meanwhile has nothing to learn any more.
        if end.kind is before.kind:
            if by_upstream and not explained:
                self._memory = self._learn(idle_s, any(_near(idle_s, x) for x in limits_s))
            elif idle_s > max(limits_s) + _NEAR_S:
                self._memory = replace(before, evidence=0)
        if self._memory == before:
            return None
        return MemoryChanged(self._memory, switched=self._memory.kind is not before.kind)

    def _learn(self, idle_s: float, at_a_limit: bool) -> KeepaliveMemory:
        earlier = (*self._memory.earlier_ts, round(idle_s, 1))[-MAX_EARLIER:]
        if not at_a_limit:
            return KeepaliveMemory(self._memory.kind, 0, earlier)
        evidence = min(self._memory.evidence + 1, EVIDENCE_TO_SWITCH)
        return self._fitting(KeepaliveMemory(self._memory.kind, evidence, earlier))

    @property
    def why(self) -> str:
        """One sentence for the log and the page: which kind is in use, and why."""
        kind, evidence = self._memory.kind, self._memory.evidence
        if kind is KeepaliveClass.ANY:
            text = "Update requests are sent: nothing has shown that only input counts."
        else:
            wider = _MESSAGES[_ORDER[_ORDER.index(kind) - 1]]
            text = f"{_MESSAGES[kind].capitalize()} are sent: links kept by {wider} were closed."
        if self.kind is not kind:
            text += " Until the pointer was moved on this screen, update requests take their place."
        if evidence and self._memory.earlier_ts:
            missing = "input" if kind is KeepaliveClass.ANY else "key"
            following = _MESSAGES[_after(kind)]
            idle_s = self._memory.earlier_ts[-1]
            if evidence < EVIDENCE_TO_SWITCH:
                text += (
                    f" A link was closed {idle_s:.0f} s after the last {missing} all the same; "
                    f"a second in a row speaks for {following}."
                )
            else:
                text += (
                    f" A link was closed {idle_s:.0f} s after the last {missing} twice in a row: "
                    f"only {following} may count, but keepalive_key is 0."
                )
        return text


def _after(kind: KeepaliveClass) -> KeepaliveClass:
    """The next narrower class; KEY has none and is its own."""
    return _ORDER[min(_ORDER.index(kind) + 1, len(_ORDER) - 1)]


def _near(seconds: float, limit_s: float) -> bool:
    return abs(seconds - limit_s) <= min(_NEAR_S, _NEAR_SHARE * limit_s)
