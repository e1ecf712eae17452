"""What a console's links have carried, and how fast."""

from __future__ import annotations

from typing import Protocol

from vncproxy.console.rate import Rate
from vncproxy.observe.metrics import Metrics


class Carrier(Protocol):
    """A link, as far as it counts."""

    @property
    def bytes_in(self) -> int:
        """From the cloud."""

    @property
    def bytes_out(self) -> int:
        """To the cloud."""


class Traffic:
    """Counts over all links of a console, one after the other."""

    def __init__(self, at_s: float, metrics: Metrics) -> None:
        """Nothing was carried yet. Args: at_s - now, monotonic seconds."""
        self.rate_in = Rate(at_s)
        self.rate_out = Rate(at_s)
        self._metrics = metrics
        self._link: Carrier | None = None
        self._past_in = 0
        self._past_out = 0
        self._told_in = 0
        self._told_out = 0

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

    def end(self, link: Carrier) -> None:
        """It is over; its counts are final."""
        self._link = None
        self._past_in += link.bytes_in
        self._past_out += link.bytes_out
        self._tell()

    def look(self, at_s: float) -> None:
        """Note what was counted, for rates and metrics. Args: at_s - monotonic seconds."""
        self.rate_in.note(at_s, self.bytes_in)
        self.rate_out.note(at_s, self.bytes_out)
        self._tell()

    def _tell(self) -> None:
        """What was passed on since the last time."""
        bytes_in, bytes_out = self.bytes_in, self.bytes_out
        self._metrics.passed("to_viewers", bytes_in - self._told_in)
        self._metrics.passed("to_upstream", bytes_out - self._told_out)
        self._told_in, self._told_out = bytes_in, bytes_out
