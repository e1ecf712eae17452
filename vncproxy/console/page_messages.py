"""How a console tells its pages what has changed."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, TypeAlias

from vncproxy.errors import ConsoleElsewhere

Message: TypeAlias = dict[str, Any]

_NOTICES_MAX = 16


class Subscriber:
    """One control WebSocket's mailbox: the newest state, and a bounded row of notices.

    A page that reads slowly misses states that are out of date anyway, and the oldest notices.
    """

    def __init__(self, viewer_id: str) -> None:
        """A mailbox for the page of this viewer."""
        self.viewer_id = viewer_id
        self._notices: deque[Message] = deque(maxlen=_NOTICES_MAX)
        self._news = asyncio.Event()
        self._news.set()

    def changed(self) -> None:
        """The console's state is another."""
        self._news.set()

    def notify(self, message: Message) -> None:
        """Something that happened, to be shown once."""
        self._notices.append(message)
        self._news.set()

    async def news(self) -> list[Message]:
        """Wait for a change; the notices since the last call."""
        await self._news.wait()
        self._news.clear()
        notices = list(self._notices)
        self._notices.clear()
        return notices


def elsewhere(refusal: ConsoleElsewhere) -> Message:
    """Which other daemon has the console now: the last that a page hears."""
    return {
        "type": "elsewhere",
        "name": refusal.name,
        "url": refusal.url or None,
        "pass_on": refusal.pass_on,
        "text": refusal.public_text,
    }


def ending(text: str) -> Message:
    """Why a session ends: the close code that follows has no room for it."""
    return {"type": "ending", "text": text}


def notice(text: str, level: str = "info") -> Message:
    """A sentence for the page to show once."""
    return {"type": "notice", "level": level, "text": text}
