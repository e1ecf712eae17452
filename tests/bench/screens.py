"""The kinds of screen that the benchmark's gateway shows, each a VNC server's part of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Protocol

from tests.bench import pictures

PICTURES_PER_S = 20.0
"""Of `paced`."""
_MOST_OWED = 4


class Sender(Protocol):
    """The session that a screen is shown by."""

    is_free: bool

    def send(self, message: bytes) -> None:
        """Send RFB."""


class Screen:
    """Owes an update for each request; requests merge beyond so many."""

    width, height = 1920, 1080
    most_owed = 1

    def __init__(self, sender: Sender) -> None:
        """A session begins."""
        self.sender = sender
        self._owed = 0
        self._whole_owed = False

    def requested(self, area: list[int], *, incremental: bool) -> None:
        """Owe an update of the whole screen; a part that is asked for outright is shown at once."""
        if incremental or area == [0, 0, self.width, self.height]:
            self._owed = min(self._owed + 1, self.most_owed)
            self._whole_owed = self._whole_owed or not incremental
            self.show()
        else:
            self.sender.send(self.part(area))

    def show(self) -> None:
        """Send what is owed, as long as it is taken at once."""
        while self._owed and self.sender.is_free and (update := self.next(whole=self._whole_owed)):
            self._owed -= 1
            self._whole_owed = False
            self.sender.send(update)

    def next(self, *, whole: bool) -> bytes | None:
        """The next update, None while there is nothing new. Args: whole - of all of the screen."""
        raise NotImplementedError

    def part(self, area: list[int]) -> bytes:
        """An update of this area."""
        return pictures.raw(*area)

    def pressed(self, keysym: int) -> None:
        """A key is down."""

    def close(self) -> None:
        """The session is over."""


class Pixels(Screen):
    """Full HD in Raw, always new: as many updates as are asked for."""

    most_owed = _MOST_OWED

    def next(self, *, whole: bool) -> bytes:
        """The same again."""
        return _still(self.width, self.height)


class Keys(Screen):
    """A still screen that shows each key."""

    width, height = 160, 100

    def __init__(self, sender: Sender) -> None:
        """No key was pressed."""
        super().__init__(sender)
        self._keys: list[int] = []

    def next(self, *, whole: bool) -> bytes | None:
        """The screen, or the keys."""
        if whole:
            return _still(self.width, self.height)
        keys, self._keys = self._keys, []
        return pictures.echo(keys) if keys else None

    def pressed(self, keysym: int) -> None:
        """To be shown."""
        self._keys.append(keysym)
        self.show()


class Text(Screen):
    """Text that scrolls as fast as it is asked for."""

    def __init__(self, sender: Sender) -> None:
        """The first update comes next."""
        super().__init__(sender)
        self._at = 0

    def next(self, *, whole: bool) -> bytes | None:
        """The next update; a whole one is blank."""
        if whole:
            return self.part([0, 0, self.width, self.height])
        updates = self.updates()
        self._at = (self._at + 1) % len(updates)
        return updates[self._at - 1]

    def part(self, area: list[int]) -> bytes:
        """Blank."""
        return pictures.blank(*area)

    def updates(self) -> list[bytes]:
        """All there are."""
        return _text(14)


class Paced(Text):
    """Text that scrolls 20 times a second, each time by some 20 kB; a key is shown at once."""

    def __init__(self, sender: Sender) -> None:
        """The clock runs."""
        super().__init__(sender)
        self._loop = asyncio.get_running_loop()
        self._fresh = False
        self._key: int | None = None
        self._timer = self._loop.call_later(1 / PICTURES_PER_S, self._tick)

    def _tick(self) -> None:
        self._fresh = True
        self._timer = self._loop.call_later(1 / PICTURES_PER_S, self._tick)
        self.show()

    def next(self, *, whole: bool) -> bytes | None:
        """A new picture or a key, once there is one."""
        if whole:
            return super().next(whole=True)
        if self._key is not None:
            keysym, self._key = self._key, None
            return pictures.echo([keysym])
        if not self._fresh:
            return None
        self._fresh = False
        return super().next(whole=False)

    def updates(self) -> list[bytes]:
        """All there are."""
        return _text(110)

    def pressed(self, keysym: int) -> None:
        """To be shown."""
        self._key = keysym
        self.show()

    def close(self) -> None:
        """The clock stops."""
        self._timer.cancel()


@cache
def _still(width: int, height: int) -> bytes:
    return pictures.raw(0, 0, width, height)


@cache
def _text(words: int) -> list[bytes]:
    return pictures.text(Screen.width, Screen.height, updates=240, words=words)


KINDS: dict[str, Callable[[Sender], Screen]] = {
    "pixels": Pixels,
    "keys": Keys,
    "text": Text,
    "paced": Paced,
}
