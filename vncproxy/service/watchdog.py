"""What the service manager gets while the daemon runs: signs of life, and what is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from vncproxy.observe.sd_notify import Notifier

_log = structlog.get_logger("vncproxy.service")

BEATS = 3
"""Signs of life in each of the watchdog's intervals; sd_watchdog_enabled(3) asks for two."""
STATUS_INTERVAL_S = 5.0
"""Least time between two lines of status, however much comes and goes: all consoles are counted."""


async def beat(notifier: Notifier, interval_s: float) -> None:
    """Notify the watchdog that the event loop turns in time; runs until cancelled.

    A loop that wakes late by more than half of a pause between two signs gives none this time: one
    that stays late is ended, and its successor takes over.

    Args:
        notifier: To the service manager.
        interval_s: Within which the watchdog wants to hear something.
    """
    loop = asyncio.get_running_loop()
    pause_s = interval_s / BEATS
    notifier.alive()
    while True:
        due = loop.time() + pause_s
        await asyncio.sleep(pause_s)
        late_s = loop.time() - due
        if late_s <= pause_s / 2:
            notifier.alive()
        else:
            _log.warning("loop.late", seconds=round(late_s, 2))


async def send_status(
    notifier: Notifier,
    status: Callable[[], str],
    sent: str = "",
    interval_s: float = STATUS_INTERVAL_S,
) -> None:
    """Send the service manager the status whenever it differs; runs until cancelled.

    Args:
        notifier: To the service manager.
        status: Gives the status, one line.
        sent: The status that it has already.
        interval_s: Seconds between two comparisons.
    """
    while True:
        if (text := status()) != sent:
            notifier.status(text)
            sent = text
        await asyncio.sleep(interval_s)


def open_in_words(consoles: int, viewers: int) -> str:
    """What is open, as in `2 consoles open, 3 viewers`."""
    if not consoles:
        return "no console open"
    return f"{_count(consoles, 'console')} open, {_count(viewers, 'viewer')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
