"""What a console's links have carried, how fast, what kept them, and what holding them saved.

Nothing is measured where the bytes pass: they are counted there anyway, and the counters that have
moved are sampled now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from vncproxy.observe.metrics import Metrics

WINDOW_S = 10.0
"""A rate is the mean over about so long."""
SAMPLE_INTERVAL_S = 2.0
"""Between two samples of a counter."""
_SAMPLES_MAX = int(WINDOW_S / SAMPLE_INTERVAL_S) + 1
_OLDEST_S = WINDOW_S + SAMPLE_INTERVAL_S / 2
_LEAST_S = 1.0
"""A burst right at the beginning must not look like a fast line."""


@dataclass(slots=True)
class Sampling:
    """When the counters of a daemon's consoles were sampled, and which ones are to be.

    Most consoles are idle. To look at all of them in each round would cost more than their
    keepalives do.

    Attributes:
        at_s: When the last round began, in monotonic seconds.
        moved: Ids of the instances on whose consoles something was counted since.
    """

    at_s: float = 0.0
    moved: set[str] = field(default_factory=set)


class Rate:
    """The rate of one counter, which never falls, over the last `WINDOW_S` seconds.

    Instants are in seconds of a clock that never jumps; `total_bytes` is the counter then.
    `still_s` is when counters were sampled last: one that wasn't noted then stood still.
    """

    def __init__(self, at_s: float, total_bytes: int = 0) -> None:
        """Begin here: what was counted before is no part of the rate."""
        # From when until when the counter stood at what, before it stood as it does now.
        self._past: list[tuple[float, float, int]] = []
        self._since_s = at_s
        self._total_bytes = total_bytes

    def note(self, at_s: float, total_bytes: int, still_s: float) -> None:
        """Remember the counter; about every `SAMPLE_INTERVAL_S`, if it has moved."""
        if total_bytes == self._total_bytes:
            return
        self._past.append((self._since_s, max(self._since_s, still_s), self._total_bytes))
        if len(self._past) == _SAMPLES_MAX:
            del self._past[0]
        self._since_s = at_s
        self._total_bytes = total_bytes

    def per_s(self, at_s: float, total_bytes: int, still_s: float) -> float:
        """Bytes in a second: since the oldest sample that is within the window, or the last one."""
        oldest_s = at_s - _OLDEST_S
        since, until, before = next(
            (stood for stood in self._past if stood[1] >= oldest_s),
            (self._since_s, max(self._since_s, still_s), self._total_bytes),
        )
        if total_bytes <= before:
            return 0.0
        if since < oldest_s:
            since = min(until, at_s - WINDOW_S)
        passed_s = at_s - since
        return (total_bytes - before) / (passed_s if passed_s > _LEAST_S else _LEAST_S)


@dataclass(slots=True)
class Saved:
    """What holding links saved one console.

    Attributes:
        dials_avoided: Viewers that found a link in place.
        losses_survived: Lost links that were replaced under their viewers.
    """

    dials_avoided: int = 0
    losses_survived: int = 0


class Carrier(Protocol):
    """A link, as far as it counts.

    Attributes:
        moved: Is called whenever it has counted something.
    """

    moved: Callable[[], object]

    @property
    def bytes_in(self) -> int:
        """From the cloud."""

    @property
    def bytes_out(self) -> int:
        """To the cloud."""


class Traffic:
    """Counts over all links of a console, one after the other."""

    def __init__(self, at_s: float, metrics: Metrics, sampling: Sampling, instance_id: str) -> None:
        """Nothing was carried.

        Args:
            at_s: Now, in monotonic seconds.
            metrics: Of the daemon.
            sampling: Of the daemon.
            instance_id: Of the console, for `sampling`.
        """
        self.sampling = sampling
        # No function of Python's, which every message would cost more.
        self.moved: Callable[[], object] = partial(sampling.moved.add, instance_id)
        """To be called whenever something of the console is counted, so that it is sampled."""
        self.rate_in = Rate(at_s)
        self.rate_out = Rate(at_s)
        self._metrics = metrics
        self._link: Carrier | None = None
        self._past_in = 0
        self._past_out = 0
        self._reported_in = 0
        self._reported_out = 0

    @property
    def bytes_in(self) -> int:
        """What came from the cloud, by all links so far."""
        return self._past_in + (self._link.bytes_in if self._link is not None else 0)

    @property
    def bytes_out(self) -> int:
        """What was sent to the cloud, by all links so far."""
        return self._past_out + (self._link.bytes_out if self._link is not None else 0)

    def begin(self, link: Carrier) -> None:
        """Count this link from now on."""
        self._link = link
        link.moved = self.moved
        self.moved()

    def end(self, link: Carrier) -> None:
        """It is over; its counts are final."""
        self._link = None
        self._past_in += link.bytes_in
        self._past_out += link.bytes_out
        self._report()

    def sample(self, at_s: float, still_s: float) -> None:
        """Note what was counted, for rates and metrics.

        Args:
            at_s: Now, in monotonic seconds.
            still_s: As of `Rate`.
        """
        self.rate_in.note(at_s, self.bytes_in, still_s)
        self.rate_out.note(at_s, self.bytes_out, still_s)
        self._report()

    def _report(self) -> None:
        """To the metrics: what was passed on since the last time."""
        if fresh := self.bytes_in - self._reported_in:
            self._metrics.passed("to_viewers", fresh)
            self._reported_in += fresh
        if fresh := self.bytes_out - self._reported_out:
            self._metrics.passed("to_upstream", fresh)
            self._reported_out += fresh


class KeptBy:
    """Counts a console in the metrics by what keeps its link: a keepalive of some kind, or none."""

    def __init__(self, metrics: Metrics, usual: str) -> None:
        """There is no link.

        Args:
            metrics: Of the daemon.
            usual: The kind of the keepalives that are sent at first.
        """
        self._metrics = metrics
        self._counted_as: str | None = None
        self._counted: AbstractContextManager[object] | None = None
        self._last_kind = usual

    def count(self, kind: str | None, *, opaque: bool) -> bool:
        """Count it so from now on.

        Args:
            kind: Of the keepalives that are sent; None: none are.
            opaque: Its link is.

        Returns:
            Whether another kind than before keeps it.
        """
        counted_as = "opaque" if opaque else kind
        if counted_as == self._counted_as:
            return False
        self._counted_as = counted_as
        if self._counted is not None:
            self._counted.__exit__(None, None, None)
            self._counted = None
        if opaque:
            self._counted = self._metrics.opaque()
        elif kind is not None:
            self._counted = self._metrics.keepalive_class(kind)
        if self._counted is not None:
            self._counted.__enter__()
        if kind is None or kind == self._last_kind:
            return False
        self._last_kind = kind
        return True
