"""The hours of a rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tests.clock import time_zone
from vncproxy.config.hours import Hours, clock_text, parse_span, zone_text

MON, TUE, SAT, SUN = (datetime(2026, 11, day) for day in (23, 24, 28, 29))


def at(day: datetime, text: str) -> datetime:
    """That day at HH:MM."""
    return day.replace(hour=int(text[:2]), minute=int(text[3:]))


@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        ("08:00-18:00", [(MON, "08:00"), (SUN, "17:59")], [(MON, "07:59"), (SUN, "18:00")]),
        ("mon-fri 08:00-18:00", [(TUE, "12:00")], [(SAT, "12:00"), (TUE, "19:12")]),
        ("mon,sun 08:00-12:00", [(MON, "08:00"), (SUN, "08:00")], [(TUE, "08:00")]),
        ("sat-mon 08:00-12:00", [(SAT, "09:00"), (MON, "09:00")], [(TUE, "09:00")]),
        ("00:00-24:00", [(MON, "00:00"), (MON, "23:59")], []),
        ("mon 22:00-24:00", [(MON, "23:59")], [(TUE, "00:00")]),
        ("mon 22:00-00:00", [(MON, "23:59")], [(TUE, "00:00"), (MON, "00:00")]),
    ],
)
def test_spans(
    span: str, inside: list[tuple[datetime, str]], outside: list[tuple[datetime, str]]
) -> None:
    """From the first minute to the last one before the end, on the days named."""
    hours = Hours.of([span])
    assert all(hours.include(at(*moment)) for moment in inside)
    assert not any(hours.include(at(*moment)) for moment in outside)


def test_a_span_past_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    """Also from Sunday to Monday."""
    sunday = Hours.of(["sun 22:00-06:00"])
    assert sunday.include(at(SUN, "22:00"))
    assert sunday.include(at(MON, "05:59"))
    for moment in ((MON, "06:00"), (SUN, "05:00"), (MON, "22:00"), (SAT, "23:00")):
        assert not sunday.include(at(*moment))
    daily = Hours.of(["22:00-06:00"])
    assert daily.include(at(TUE, "03:00"))
    assert not daily.include(at(TUE, "12:00"))


def test_several_spans_and_none() -> None:
    """Any of them is enough; without one it is always."""
    hours = Hours.of(["mon-fri 08:00-18:00", "sat 09:00-12:00"])
    assert hours.include(at(SAT, "09:00"))
    assert hours.include(at(TUE, "09:00"))
    assert not hours.include(at(SUN, "09:00"))
    assert Hours.of([]).include(SUN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, "mon-fri 08:00-18:00") for text in ("", "mon-fri", "8:00-18:00", "08:00 - 18:00")),
        *((text, "mon-fri 08:00-18:00") for text in ("mon  08:00-18:00", " 08:00-18:00", "always")),
        *((text, "mon-fri 08:00-18:00") for text in ("08:00-18:00 mon", "٠٨:00-18:00", "mon 8-18")),
        *(
            (f"{days} 08:00-18:00", "days of mon")
            for days in ("Mon", "mon-fry", "mon-", "mon,", "-")
        ),
        *((f"{days} 08:00-18:00", "days of mon") for days in ("mon-mon", "mon-tue-wed", "daily")),
        ("08:60-18:00", "00:00 to 23:59"),
        ("08:00-24:01", "00:00 to 23:59"),
        ("24:00-08:00", "00:00 to 23:59"),
        ("08:00-08:00", "00:00-24:00"),
    ],
)
def test_what_is_no_span(text: str, expected: str) -> None:
    """The error says what is expected there."""
    with pytest.raises(ValueError, match=expected):
        parse_span(text)


def test_times_are_reported_in_english() -> None:
    """Whatever the language of the machine is."""
    assert clock_text(at(TUE, "19:12")) == "Tue 19:12"


@pytest.mark.parametrize(
    ("zone", "named"), [("UTC", "UTC"), ("CST-8", "UTC+08:00"), ("XYZ3:30", "UTC-03:30")]
)
def test_the_zone_is_reported(zone: str, named: str) -> None:
    """By its distance to UTC, which says the same everywhere."""
    with time_zone(zone):
        assert zone_text(at(TUE, "19:12")) == named


@pytest.fixture
def central_europe() -> Iterator[None]:
    """Local time with a change to summer time at 02:00 and back at 03:00."""
    with time_zone("CET-1CEST,M3.5.0,M10.5.0/3"):
        yield


@pytest.mark.usefixtures("central_europe")
@pytest.mark.parametrize(
    ("day", "minutes"),
    [
        # 01:30-03:30 on a usual Sunday, on one without 02:00-03:00, and on one with it twice.
        (datetime(2026, 3, 22, tzinfo=UTC), 120),
        (datetime(2026, 3, 29, tzinfo=UTC), 60),
        (datetime(2026, 10, 25, tzinfo=UTC), 180),
    ],
)
def test_a_change_of_the_clocks(day: datetime, minutes: int) -> None:
    """The hours are those of the clock on the wall, however long they last that day."""
    hours = Hours.of(["sun 01:30-03:30"])
    start = day.timestamp() - 3 * 3600
    seen = [hours.include(datetime.fromtimestamp(start + 60 * n)) for n in range(12 * 60)]
    assert sum(seen) == minutes
    assert sum(before != after for before, after in pairwise(seen)) == 2
