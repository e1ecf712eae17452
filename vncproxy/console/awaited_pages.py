"""Consoles that viewers came to whose pages aren't there yet.

A page opens the screen's WebSocket first, since a browser opens one after the other. By the time
its control WebSocket is there, the session may be over, and the console with it: it is told by that
console all the same, and by no new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from vncproxy.console.console import Console

PATIENCE_S = 60.0
"""A viewer's ticket is good for so long, so its page can't come later."""

MOST = 1024


class AwaitedPages:
    """By viewers' ids: the consoles that they came to last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody is awaited. Args: clock - monotonic seconds."""
        self._clock = clock
        self._consoles: dict[str, tuple[float, Console]] = {}

    def expect(self, viewer_id: str, console: Console) -> None:
        """The page of this viewer, which came already, belongs to this console."""
        now = self._clock()
        self._consoles.pop(viewer_id, None)
        self._consoles[viewer_id] = now, console
        # Programs have no page.
        for one, (since, _) in list(self._consoles.items()):
            if len(self._consoles) <= MOST and since >= now - PATIENCE_S:
                break
            del self._consoles[one]

    def take(self, viewer_id: str) -> Console | None:
        """The page is there: its console, or None where the viewer hasn't come yet."""
        _, console = self._consoles.pop(viewer_id, (0.0, None))
        return console
