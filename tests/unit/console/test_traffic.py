"""What a console's links have carried."""

from __future__ import annotations

from dataclasses import dataclass

from vncproxy.console.traffic import Traffic
from vncproxy.observe.metrics import Metrics


@dataclass
class Link:
    """Counts."""

    bytes_in: int = 0
    bytes_out: int = 0


def told(metrics: Metrics) -> tuple[float, float]:
    """What the metrics were told: to viewers, to the upstream."""
    lines = metrics.render().decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("vncproxy_rfb_bytes_t"))
    name = 'vncproxy_rfb_bytes_total{{direction="{}"}}'
    return float(found[name.format("to_viewers")]), float(found[name.format("to_upstream")])


def test_links_add_up() -> None:
    """The one that is up counts, and keeps its place in the sum when it has ended."""
    traffic = Traffic(0.0, Metrics())
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


def test_metrics_hear_each_byte_once() -> None:
    """While a link is up, and of its last ones when it ends."""
    metrics, link = Metrics(), Link()
    traffic = Traffic(0.0, metrics)
    traffic.begin(link)
    link.bytes_in, link.bytes_out = 100, 10
    traffic.look(1.0)
    traffic.look(2.0)
    assert told(metrics) == (100, 10)
    link.bytes_in += 1
    traffic.end(link)
    traffic.look(3.0)
    assert told(metrics) == (101, 10)


def test_rates_are_of_all_links() -> None:
    """The end of one takes nothing away."""
    traffic = Traffic(0.0, Metrics())
    first, second = Link(bytes_in=0), Link(bytes_in=0)
    traffic.begin(first)
    first.bytes_in = 1000
    traffic.look(2.0)
    traffic.end(first)
    traffic.begin(second)
    second.bytes_in = 1000
    assert traffic.rate_in.per_s(4.0, traffic.bytes_in) == 500.0
