"""The pages of one console: a mailbox for each, and the messages that they are sent."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, TypeAlias

from vncproxy.console.viewer import Viewer
from vncproxy.errors import CloseReason, ConsoleElsewhere

Message: TypeAlias = dict[str, Any]

_NOTICES_MAX = 16
_EARLY_MAX = 64
"""Viewers whose messages are kept until their pages come; programs have none."""


class Subscriber:
    """One control WebSocket's mailbox: the newest state, and a bounded row of notices.

    A page that reads slowly misses states that are out of date anyway, and the oldest notices.
    """

    def __init__(self, viewer_id: str) -> None:
        """A mailbox for the page of this viewer."""
        self.viewer_id = viewer_id
        self._notices: deque[Message] = deque(maxlen=_NOTICES_MAX)
        self._changed = asyncio.Event()
        self._changed.set()

    def changed(self) -> None:
        """The console's state is another."""
        self._changed.set()

    def notify(self, message: Message) -> None:
        """Something that happened, to be shown once."""
        self._notices.append(message)
        self._changed.set()

    async def news(self) -> list[Message]:
        """Wait for a change; the notices since the last call."""
        await self._changed.wait()
        self._changed.clear()
        notices = list(self._notices)
        self._notices.clear()
        return notices


class Pages:
    """The pages that are open for one console's viewers."""

    def __init__(self) -> None:
        """None is open."""
        self._subscribers: set[Subscriber] = set()
        self._early: dict[str, deque[Message]] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._subscribers)

    def subscribe(self, viewer_id: str) -> Subscriber:
        """A mailbox for the page of this viewer; `unsubscribe` gives it back.

        A page opens its screen's WebSocket first: what it was to be shown since is in the mailbox.
        """
        subscriber = Subscriber(viewer_id)
        for message in self._early.pop(viewer_id, ()):
            subscriber.notify(message)
        self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """The page is gone."""
        self._subscribers.discard(subscriber)

    def has(self, viewer_id: str) -> bool:
        """Whether the page of this viewer is open."""
        return any(one.viewer_id == viewer_id for one in self._subscribers)

    def changed(self) -> None:
        """What every page shows has changed."""
        for subscriber in self._subscribers:
            subscriber.changed()

    def notify(self, viewer_id: str | None, message: Message) -> None:
        """Show something once on the page of one viewer, as soon as that is there."""
        theirs = [one for one in self._subscribers if one.viewer_id == viewer_id]
        for subscriber in theirs:
            subscriber.notify(message)
        if viewer_id is not None and not theirs:
            self._early.setdefault(viewer_id, deque(maxlen=_NOTICES_MAX)).append(message)
            if len(self._early) > _EARLY_MAX:
                del self._early[next(iter(self._early))]

    def notify_all(self, message: Message) -> None:
        """Show something once on every page."""
        for subscriber in self._subscribers:
            subscriber.notify(message)

    def end_viewer(self, viewer: Viewer, reason: CloseReason, *, by_hand: bool = False) -> None:
        """End one viewer's session; its page shows the reason's text.

        Args:
            viewer: Whose session ends.
            reason: The close code, and a text for which a close frame has no room.
            by_hand: Whether somebody ended it.
        """
        self.notify(viewer.id, ending(reason.text, by_hand=by_hand))
        viewer.close(reason)


def elsewhere(refusal: ConsoleElsewhere) -> Message:
    """Which other daemon has the console now: the last that a page gets."""
    return {
        "type": "elsewhere",
        "name": refusal.name,
        "url": refusal.url or None,
        "pass_on": refusal.pass_on,
        "text": refusal.public_text,
    }


def ending(text: str, *, by_hand: bool = False) -> Message:
    """Why a session ends, and whether somebody ended it: the close code has no room for that."""
    return {"type": "ending", "text": text, "by_hand": by_hand}


def input_count(viewer: Viewer, link: int) -> Message:
    """How much of a viewer's input went upstream: for one that wants to be certain.

    Args:
        viewer: Whose input.
        link: The number of the connection that is up, or comes next: what went to another one may
            be lost.
    """
    return {"type": "input-count", "link": link, "messages": viewer.input_passed_on}


def notice(text: str, level: str = "info") -> Message:
    """A sentence for the page to show once."""
    return {"type": "notice", "level": level, "text": text}
