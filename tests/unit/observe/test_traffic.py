"""What a console's links have carried, how fast, and what holding them saved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vncproxy.observe.metrics import Metrics
from vncproxy.observe.traffic import (
    SAMPLE_INTERVAL_S,
    WINDOW_S,
    KeptBy,
    Rate,
    Sampling,
    Traffic,
)


class Link:
    """Counts."""

    def __init__(self) -> None:
        self.bytes_in = self.bytes_out = 0
        self.moved: Callable[[], object] = lambda: None


def counted(metrics: Metrics) -> tuple[float, float]:
    """What the metrics counted: to viewers, to the upstream."""
    lines = metrics.render().decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("vncproxy_rfb_bytes_t"))
    name = 'vncproxy_rfb_bytes_total{{direction="{}"}}'
    return float(found[name.format("to_viewers")]), float(found[name.format("to_upstream")])


def nothing_carried(metrics: Metrics) -> Traffic:
    """Of a console."""
    return Traffic(0.0, metrics, Sampling(), "i-1")


def test_links_add_up() -> None:
    """The one that is up counts, and keeps its place in the sum when it has ended."""
    traffic = nothing_carried(Metrics())
    first, second = Link(), Link()
    traffic.begin(first)
    first.bytes_in, first.bytes_out = 100, 10
    assert (traffic.bytes_in, traffic.bytes_out) == (100, 10)
    traffic.end(first)
    first.bytes_in = 999
    assert (traffic.bytes_in, traffic.bytes_out) == (100, 10)
    traffic.begin(second)
    second.bytes_in, second.bytes_out = 50, 5
    assert (traffic.bytes_in, traffic.bytes_out) == (150, 15)


def test_metrics_count_each_byte_once() -> None:
    """While a link is up, and of its last ones when it ends."""
    metrics, link = Metrics(), Link()
    traffic = nothing_carried(metrics)
    traffic.begin(link)
    link.bytes_in, link.bytes_out = 100, 10
    traffic.sample(1.0, 0.0)
    traffic.sample(2.0, 1.0)
    assert counted(metrics) == (100, 10)
    link.bytes_in += 1
    traffic.end(link)
    traffic.sample(3.0, 2.0)
    assert counted(metrics) == (101, 10)


def test_rates_are_of_all_links() -> None:
    """The end of one takes nothing away."""
    traffic = nothing_carried(Metrics())
    first, second = Link(), Link()
    traffic.begin(first)
    first.bytes_in = 1000
    traffic.sample(2.0, 0.0)
    traffic.end(first)
    traffic.begin(second)
    second.bytes_in = 1000
    assert traffic.rate_in.per_s(4.0, traffic.bytes_in, 2.0) == 500.0


def test_what_has_moved_is_known() -> None:
    """By its instance's id, from when its link counts on."""
    sampling, link = Sampling(), Link()
    traffic = Traffic(0.0, Metrics(), sampling, "i-1")
    assert sampling.moved == set()
    traffic.begin(link)
    assert sampling.moved == {"i-1"}
    sampling.moved.clear()
    link.moved()
    assert sampling.moved == {"i-1"}


def sampled(rate: Rate, *, until_s: float, per_s: float, from_s: float = 0.0) -> int:
    """Let the counter grow evenly, sampled on time; gives it at the end."""
    at_s = from_s
    while (at_s := at_s + SAMPLE_INTERVAL_S) <= until_s:
        rate.note(at_s, round((at_s - from_s) * per_s), at_s - SAMPLE_INTERVAL_S)
    return round((until_s - from_s) * per_s)


def test_an_even_flow() -> None:
    """It is right at once, and as long as it lasts."""
    rate = Rate(0.0)
    assert rate.per_s(4.0, 4000, 0.0) == 1000
    total = sampled(rate, until_s=60.0, per_s=1000)
    assert rate.per_s(60.0, total, 60.0) == 1000
    assert rate.per_s(61.5, total + 1500, 60.0) == 1000


def test_what_was_before_does_not_count() -> None:
    """Neither what was counted at the beginning nor what is longer ago than the window."""
    assert Rate(5.0, 10**9).per_s(7.0, 10**9, 6.0) == 0
    rate = Rate(0.0)
    total = sampled(rate, until_s=30.0, per_s=5000)
    assert rate.per_s(42.0, total, 42.0) == 0


def test_a_flow_that_stops_fades_within_the_window() -> None:
    """Half of the window later it is half as much."""
    rate = Rate(0.0)
    total = sampled(rate, until_s=30.0, per_s=1000)
    assert rate.per_s(35.0, total, 34.0) == pytest.approx(1000 * 5 / 10, rel=0.2)


def test_a_burst_at_the_beginning() -> None:
    """The first picture isn't taken for a line of gigabytes in a second."""
    assert Rate(0.0).per_s(0.001, 3_000_000, 0.0) == 3_000_000


def test_looks_that_are_late_or_missing() -> None:
    """A loop that stood still for a minute spoils nothing: the last look is what there is."""
    rate = Rate(0.0)
    rate.note(2.0, 2000, 0.0)
    assert rate.per_s(62.0, 62_000, 2.0) == 1000
    rate.note(62.0, 62_000, 2.0)
    assert rate.per_s(64.0, 64_000, 62.0) == 1000


def test_memory_stays_what_it_is() -> None:
    """However long a counter is looked at."""
    rate = Rate(0.0)
    total = sampled(rate, until_s=4000.0, per_s=100)
    assert len(rate._past) == WINDOW_S / SAMPLE_INTERVAL_S
    for at_s in range(4002, 6000, 2):
        rate.note(float(at_s), total, at_s - SAMPLE_INTERVAL_S)
    assert len(rate._past) == WINDOW_S / SAMPLE_INTERVAL_S


def test_a_burst_after_a_long_rest() -> None:
    """It counts for the whole of the window: nothing had moved until the last round."""
    rate = Rate(0.0)
    sampled(rate, until_s=4.0, per_s=100)
    assert rate.per_s(101.0, 1400, 100.0) == 100
    rate.note(102.0, 1400, 100.0)
    assert rate.per_s(105.0, 1400, 104.0) == 100
    assert rate.per_s(110.0, 1400, 110.0) == 100
    assert rate.per_s(114.0, 1400, 114.0) == 0


def test_a_counter_that_falls_is_no_rate() -> None:
    """It can't; but a page must not show less than nothing."""
    assert Rate(0.0, 100).per_s(1.0, 50, 0.0) == 0


def test_a_console_is_counted_by_what_keeps_its_link() -> None:
    """By one thing at a time; another kind of keepalive than before is worth a line in the log."""
    metrics = Metrics()
    kept_by = KeptBy(metrics, "any")

    def shown() -> str:
        lines = metrics.render().decode().splitlines()
        names = ("vncproxy_keepalive_class_consoles{", "vncproxy_opaque_consoles")
        return " ".join(line for line in lines if line.startswith(names) and line.endswith(" 1.0"))

    assert not kept_by.count("any", opaque=False)
    assert 'kind="any"' in shown()
    assert kept_by.count("pointer", opaque=False)
    assert 'kind="pointer"' in shown()
    assert 'kind="any"' not in shown()
    assert not kept_by.count(None, opaque=False)
    assert shown() == ""
    assert not kept_by.count(None, opaque=True)
    assert "opaque" in shown()
    assert not kept_by.count("pointer", opaque=False)
    assert "opaque" not in shown()
