"""What is measured: each figure with its unit and its aim, and the values that were found.

The aims are for one machine and one run: most are ratios to what another relay needed beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from tests.bench.relays import HAPROXY, NGINX, NGINX_64K, VNCPROXY, WEBSOCKIFY

Medians = Mapping[str, float]
"""By relay."""


@dataclass(frozen=True)
class Figure:
    """One row of the table. Args: aim - in words; is_reached - whether these medians reach it."""

    key: str
    says: str
    unit: str
    aim: str = ""
    is_reached: Callable[[Medians], bool] | None = None


def _times(**most: float) -> Callable[[Medians], bool]:
    """At most so many times what each of these needs."""
    names = {"haproxy": HAPROXY, "nginx": NGINX, "nginx_64k": NGINX_64K, "websockify": WEBSOCKIFY}
    return lambda m: all(m[VNCPROXY] <= times * m[names[name]] for name, times in most.items())


def _at_most(limit: float) -> Callable[[Medians], bool]:
    return lambda m: m[VNCPROXY] <= limit


def _at_least(limit: float) -> Callable[[Medians], bool]:
    return lambda m: m[VNCPROXY] >= limit


FRAMES_BYTES = (1024, 4096, 8192, 65536)
SECURE_FRAMES_BYTES = (4096, 65536)
MODES = {"request": "a request for each update", "continuous": "continuous updates"}
LATE = (1, 2, 3)
CONSOLES, MANY_CONSOLES, TYPED_CONSOLES = 2000, 8000, 100
_CHEAP = "≤ 0.9 HAProxy, < nginx, ≤ 1.1 nginx 64k"


def bytes_key(frame_bytes: int, mode: str, *, secure: bool) -> str:
    """Of the figure for pixels."""
    return f"{'wss' if secure else 'ws'}-{frame_bytes // 1024}k-{mode}"


def _of_bytes(frame_bytes: int, mode: str, *, secure: bool) -> Figure:
    aim, is_reached = _CHEAP, _times(haproxy=0.9, nginx=1.0, nginx_64k=1.1)
    if secure:
        aim, is_reached = "≤ 1.0 HAProxy", _times(haproxy=1.0)
    elif frame_bytes == FRAMES_BYTES[0]:
        aim, is_reached = "≤ 1.1 HAProxy", _times(haproxy=1.1)
    return Figure(
        bytes_key(frame_bytes, mode, secure=secure),
        f"Raw 1080p, {'wss, ' if secure else ''}frames of {frame_bytes // 1024} KiB, {MODES[mode]}",
        "CPU s/GiB",
        aim,
        is_reached,
    )


def _late(count: int) -> Figure:
    more = ("one more viewer", "two more viewers", "three more viewers")[count - 1]
    most = 2.0 if count == 1 else 3.0
    return Figure(
        f"late-{count}",
        f"the same with {more} that joined late",
        "× one viewer's",
        f"≤ {most:g}",
        _at_most(most),
    )


FIGURES = {
    figure.key: figure
    for figure in (
        *(_of_bytes(size, mode, secure=False) for size in FRAMES_BYTES for mode in MODES),
        *(_of_bytes(size, mode, secure=True) for size in SECURE_FRAMES_BYTES for mode in MODES),
        Figure("updates", "updates for one full request", "", "1", _at_most(1)),
        *(
            Figure(
                f"text-{mode}",
                f"Tight, text that scrolls, {says}",
                "CPU ms/1,000 rectangles",
                "≤ 12, or ≤ 2 websockify",
                lambda m: m[VNCPROXY] <= max(12.0, 2 * m[WEBSOCKIFY]),
            )
            for mode, says in MODES.items()
        ),
        *map(_late, LATE),
        Figure(
            "key-1", "a key and its update, 1 console", "µs", "≤ 1.5 HAProxy", _times(haproxy=1.5)
        ),
        Figure("key-1-p99", "the same, p99", "µs", "≤ 3 HAProxy", _times(haproxy=3.0)),
        Figure(
            "key-100",
            f"a key and its update, {TYPED_CONSOLES} consoles at 20 a second",
            "µs",
            "≤ 1.5 HAProxy",
            _times(haproxy=1.5),
        ),
        Figure("key-100-p99", "the same, p99", "µs", "≤ 3 HAProxy", _times(haproxy=3.0)),
        Figure("key-cpu", "a key there and back", "CPU µs", "≤ 2 HAProxy", _times(haproxy=2.0)),
        Figure("idle-memory", f"{CONSOLES:,} idle consoles", "KiB each", "≤ 40", _at_most(40)),
        Figure(
            "idle-cpu",
            f"{CONSOLES:,} idle consoles, a keepalive every 20 s",
            "% of a processor",
            "≤ 3",
            _at_most(3),
        ),
        Figure(
            "turn",
            f"longest turn of the loop, {MANY_CONSOLES:,} idle consoles",
            "ms",
            "≤ 20",
            _at_most(20),
        ),
        Figure("open", "opening a console", "CPU ms", "≤ 2.5", _at_most(2.5)),
        *(
            Figure(
                f"slow-{mode}",
                f"a viewer at 100 kB/s of Raw 1080p, {says}",
                "MiB more",
                "< 2",
                _at_most(2),
            )
            for mode, says in MODES.items()
        ),
        Figure("start", "`serve` to its first answer", "s", "< 0.5", _at_most(0.5)),
        Figure("start-memory", "resident then", "MiB", "< 50", _at_most(50)),
        Figure(
            "far-rate",
            "a screen 200 ms and 10 Mbit/s away, 20 pictures a second",
            "pictures/s",
            "≥ 18",
            _at_least(18),
        ),
        Figure("far-key", "a key's echo from there", "ms", "≤ 250", _at_most(250)),
    )
}


class Found:
    """The values found so far, by figure and relay."""

    def __init__(self) -> None:
        """None yet."""
        self.values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.notes: list[str] = []

    def add(self, key: str, relay: str, value: float) -> None:
        """One more. Raises: KeyError - there is no such figure."""
        self.values[FIGURES[key].key][relay].append(value)

    def medians(self, key: str) -> dict[str, float]:
        """By relay."""
        return {relay: median(values) for relay, values in self.values[key].items()}

    def is_reached(self, figure: Figure) -> bool | None:
        """Whether vncproxy reaches the aim; None if that can't be said."""
        medians = self.medians(figure.key)
        if figure.is_reached is None or VNCPROXY not in medians:
            return None
        try:
            return figure.is_reached(medians)
        except KeyError:
            return None
