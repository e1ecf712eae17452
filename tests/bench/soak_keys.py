"""What became of each key of a soak's console: it arrived, was counted, or was lost with its link.

A key has a number of its own in its console, which its keysym holds. A page that believes to have
control sends press and release in one message. What may become of it:

- it arrives: once, after all that its page sent before;
- there is no link: the daemon discards it, and counts it on the console's pages;
- its link is lost while it is under way: it is missing at the end of what arrives by that link;
- its page has lost control, and doesn't know yet: it is ignored.

So between two keys of one page that came by one link, and were sent under one control, none is
missing. What the pages sent is what the daemon passed on, by its own count, and what it discarded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

FIRST_KEYSYM = 0x0101_0000
"""Of key 0: characters beyond those that anybody types."""

KEYS_MOST = 0x000F_0000
"""Numbers that a console has."""


@dataclass
class PageKeys:
    """The keys of one page.

    Attributes:
        waiting: Numbers of those that were sent and neither arrived nor are known to be lost, each
            with the number of the control that it was sent under.
        control: Counts how often the page was told that it has control.
        sent: Keys sent since the console's last reckoning; `arrived`: how many arrived since.
        passed_on: What the daemon had counted of its keys then.
        last: Of the last that arrived: its link and its control.
    """

    waiting: dict[int, int] = field(default_factory=dict)
    control: int = 0
    sent: int = 0
    arrived: int = 0
    passed_on: int = 0
    last: tuple[int, int] = (-1, -1)


class ConsoleKeys:
    """The keys of one console, from all of its pages.

    Attributes:
        arrived, lost: All keys that came, and that were sent and didn't.
        reckonings: How often the daemon's counts were compared with what was sent.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        """Nothing sent yet.

        Args:
            report: Called with each wrong that is found, in words.
        """
        self.arrived = self.lost = self.reckonings = 0
        self._report = report
        self._next = 0
        self._owners: dict[int, PageKeys] = {}
        self._down: set[int] = set()
        self._link = -1
        # Since the last reckoning:
        self._sent = 0
        self._passed_on_by_gone = 0
        self._unsure = 0
        self._discarded_before = 0
        self._countable = False

    def number(self, page: PageKeys) -> int:
        """The keysym for one more key that this page sends now."""
        number = self._next
        self._next += 1
        assert number < KEYS_MOST, "fewer keys than that, or another way to number them"
        self._owners[number] = page
        page.waiting[number] = page.control
        page.sent += 1
        self._sent += 1
        return FIRST_KEYSYM + number

    def came(self, link: int, keysym: int, *, down: bool) -> None:
        """A key event reached the instance by this link."""
        number = keysym - FIRST_KEYSYM
        if link != self._link:
            self._link = link
            self._down.clear()
        if not down:
            if number not in self._down:
                self._report(f"a release of key {number}, which isn't down")
            self._down.discard(number)
            return
        page = self._owners.pop(number, None)
        if page is None:
            self._report(f"key {number} twice, too late, or sent by nobody")
            self._down.add(number)
            return
        if self._down:
            self._report(f"key {number} while {sorted(self._down)} are down")
        self._down.add(number)
        now = link, page.waiting.pop(number)
        self.arrived += 1
        page.arrived += 1
        before = [other for other in page.waiting if other < number]
        if page.last == now:
            missing = [other for other in before if page.waiting[other] == now[1]]
            if missing:
                self._report(f"key {number} before {missing} of the same page, by the same link")
        self._forget(before)
        page.last = now

    def control_lost(self, page: PageKeys) -> None:
        """A page was told that it hasn't control: what it sent lately may be ignored."""
        self._unsure += len(page.waiting)

    def left(self, page: PageKeys, passed_on: int | None) -> None:
        """A page is gone.

        Args:
            page: Which.
            passed_on: The daemon's count of its keys, when nothing more was under way; None: nobody
                asked.
        """
        if passed_on is None:
            self._passed_on_by_gone += page.arrived
            self._unsure += page.sent - page.arrived
        else:
            self._passed_on_by_gone += passed_on - page.passed_on

    def not_countable(self) -> None:
        """The daemon's counts began anew, or are unknown: nothing follows from them until again."""
        self._countable = False

    def settle(self) -> None:
        """Nothing is under way: what hasn't arrived never will."""
        self._forget(list(self._owners))

    def wrong_with(self, counts: Sequence[tuple[PageKeys, int]], discarded: int) -> str:
        """Why the daemon's counts don't explain what was sent since the last time; "": they do.

        Args:
            counts: The pages that are on, each with the daemon's count of its keys.
            discarded: The daemon's count of keys of this console that it discarded.
        """
        passed_on = sum(count - page.passed_on for page, count in counts)
        passed_on += self._passed_on_by_gone
        discarded -= self._discarded_before
        if not self._countable or self._sent - self._unsure <= passed_on + discarded <= self._sent:
            return ""
        return (
            f"{self._sent} keys were sent, {self._unsure} of them by pages that left or lost "
            f"control; {passed_on} were passed on and {discarded} discarded, by the daemon's counts"
        )

    def begin_anew(self, counts: Sequence[tuple[PageKeys, int]], discarded: int) -> None:
        """Reckon from here on."""
        self.reckonings += self._countable
        for page, count in counts:
            page.passed_on = count
            page.sent = page.arrived = 0
        self._sent = self._unsure = self._passed_on_by_gone = 0
        self._discarded_before = discarded
        self._countable = bool(counts)

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            self._owners.pop(number).waiting.pop(number)
            self.lost += 1
