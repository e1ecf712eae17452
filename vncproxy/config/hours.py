"""The hours of a [[rule]]: spans of the week, by the clock on the wall where the daemon runs. Pure.

A span is looked up by weekday and time of day, as people read them off a clock. So a change to
summer time needs no rule of its own: a time that is skipped doesn't come, one that comes twice
counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from vncproxy.languages.text import Text

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `datetime.weekday`."""

_DAY_MINUTES = 24 * 60
_SPAN = re.compile(r"(?:(?P<days>[^ ]+) )?(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)", re.ASCII)

FORM = Text(
    '"22:00-06:00" for every day, or with days: "mon-fri 08:00-18:00", "sat,sun 09:00-12:00"'
)


@dataclass(frozen=True, slots=True)
class Span:
    """One span."""

    days: frozenset[int]
    """On which it begins; 0: Monday."""
    begin: int
    """Minutes since midnight."""
    end: int
    """Minutes since midnight; one that isn't after the beginning is of the next day."""

    def includes(self, now: datetime) -> bool:
        """Whether it is that time; the end is no longer part of it."""
        day, minute = now.weekday(), now.hour * 60 + now.minute
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        evening = day in self.days and minute >= self.begin
        return evening or ((day - 1) % len(DAYS) in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Hours:
    """When a rule counts: in any of the spans, and always without one."""

    spans: tuple[Span, ...]
    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str] | None) -> Hours:
        """From the texts of the configuration.

        Raises:
            ValueError: As `parse_span`.
        """
        written = tuple(texts or ())
        return cls(tuple(map(parse_span, written)), written)

    def __str__(self) -> str:
        """As they were written."""
        return ", ".join(self.texts)

    def include(self, now: datetime) -> bool:
        """Whether the rule counts at a time.

        Args:
            now: Local time, without a zone.
        """
        return not self.spans or any(span.includes(now) for span in self.spans)


def parse_span(text: str) -> Span:
    """A span such as `mon-fri 08:00-18:00`.

    Raises:
        ValueError: It isn't one; the text says what is expected.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(FORM)
    begin, end = _minute(found["begin"]), _minute(found["end"])
    if begin is None or end is None or begin == _DAY_MINUTES:
        raise ValueError(Text("times from 00:00 to 23:59; only an end may be 24:00"))
    if begin == end:
        raise ValueError(Text("an end that isn't its beginning; the whole day is 00:00-24:00"))
    return Span(_days(found["days"]), begin, end)


def clock_text(now: datetime) -> str:
    """A time as people read it, such as `Tue 19:12`."""
    return f"{DAYS[now.weekday()].capitalize()} {now:%H:%M}"


def zone_text(now: datetime) -> str:
    """The zone of this machine's time, such as `UTC+08:00`.

    Args:
        now: Local time, without a zone: summer time is another one.
    """
    return str(timezone(now.astimezone().utcoffset() or timedelta()))


def _minute(text: str) -> int | None:
    hour, minute = int(text[:2]), int(text[3:])
    whole = hour * 60 + minute
    return whole if minute < 60 and whole <= _DAY_MINUTES else None


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(len(DAYS)))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS) or (dash and first == last):
            raise ValueError(
                Text(
                    'days of {days}, as in "mon", "mon-fri", "fri-mon" or "mon,wed"',
                    days=", ".join(DAYS),
                )
            )
        at = DAYS.index(first)
        length = (DAYS.index(last) - at) % len(DAYS) if dash else 0
        days.update((at + step) % len(DAYS) for step in range(length + 1))
    return frozenset(days)
