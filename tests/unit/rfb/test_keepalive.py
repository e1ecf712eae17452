"""The keepalive's timer, its messages, and what it learns, each as a story."""

from __future__ import annotations

import pytest

from vncproxy.rfb.client_messages import (
    key_event,
    pointer_event,
    qemu_key_event,
    update_request,
)
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import (
    Keepalive,
    KeepaliveClass,
    KeepaliveMemory,
    MemoryChanged,
    class_of,
)

ANY, POINTER, KEY = KeepaliveClass.ANY, KeepaliveClass.POINTER, KeepaliveClass.KEY
REQUEST = update_request(True, 0, 0, 800, 600)
PLACE = pointer_event(0, 10, 20)
SHIFT = 0xFFE1


class Console:
    """A console with one link after the other, at an upstream that counts one class only.

    Args:
        counts: What the upstream takes for interaction.
        limit_s: After which it closes.
    """

    def __init__(
        self,
        *,
        counts: KeepaliveClass = ANY,
        limit_s: float = 60.0,
        interval_s: float = 20.0,
        idle_timeout_s: float = 60.0,
        keysym: int = 0,
        memory: KeepaliveMemory | None = None,
    ) -> None:
        """Start the clock, without a link."""
        self.now = 1000.0
        self.counts, self.limit_s = counts, limit_s
        self.held = HeldInput()
        self.keepalive = Keepalive(
            self.held,
            interval_s=interval_s,
            idle_timeout_s=idle_timeout_s,
            keysym=keysym,
            memory=memory,
        )
        self.counted_at = self.now

    def open(self) -> None:
        """Open a link."""
        self.keepalive.link_started(self.now)
        self.counted_at = self.now

    def send(self, raw: bytes) -> None:
        """Pass a message on, of a viewer or of the keepalive."""
        kind = class_of(raw)
        self.held.track(raw)
        self.keepalive.sent(kind, self.now)
        if self.counts is ANY or kind is KEY or kind is self.counts:
            self.counted_at = self.now

    def run(self, until_s: float) -> bool:
        """Send what is due until then; False if the upstream closed the link before, at its limit.

        The clock then stands at the close, a little late as on a network.
        """
        end = self.now + until_s
        while True:
            due = self.keepalive.next_at
            assert due is not None
            assert due > self.now, "the keepalive never asks to be sent at once again and again"
            closes = self.counted_at + self.limit_s
            self.now = min(due, closes, end)
            if self.now == closes:
                self.now += min(0.4, self.limit_s / 10)
                return False
            if self.now == end:
                return True
            message = self.keepalive.message(800, 600)
            whole = 8 if class_of(message) is KEY else len(message)
            for at in range(0, len(message), whole):
                self.send(message[at : at + whole])

    def closed(self, *, by_upstream: bool = True, explained: bool = False) -> MemoryChanged | None:
        """The link ends now."""
        end = self.keepalive.link_ended(self.now)
        if end is None:
            return None
        return self.keepalive.learn(end, by_upstream=by_upstream, explained=explained)

    def open_and_idle(self) -> MemoryChanged | None:
        """Open a link, let it idle until the upstream closes it, and learn."""
        self.open()
        assert not self.run(4000)
        return self.closed()


def test_messages_are_of_one_class() -> None:
    """Keys of both kinds are keys, pointers are pointers, all else is anything."""
    assert class_of(key_event(True, 1)) is KEY
    assert class_of(qemu_key_event(True, 1, 1)) is KEY
    assert class_of(PLACE) is POINTER
    assert class_of(REQUEST) is ANY
    assert class_of(b"\xff\x01\0\0") is ANY
    assert class_of(update_request(False, 0, 0, 800, 600)) is ANY


def test_the_timer_runs_from_the_last_message_of_the_class_in_use() -> None:
    """At first any message puts the next keepalive off; without a link there is none."""
    console = Console()
    assert console.keepalive.next_at is None
    console.open()
    assert console.keepalive.next_at == 1020.0
    console.now = 1015.0
    console.send(REQUEST)
    assert console.keepalive.next_at == 1035.0
    console.closed()
    assert console.keepalive.next_at is None


def test_once_input_counts_other_messages_do_not_put_it_off() -> None:
    """With the pointer class in use, keys and pointers move the timer and requests don't."""
    console = Console(memory=KeepaliveMemory(POINTER))
    console.held.track(PLACE)
    console.open()
    console.now = 1010.0
    console.send(REQUEST)
    assert console.keepalive.next_at == 1020.0
    console.send(key_event(True, 1))
    assert console.keepalive.next_at == 1030.0


def test_each_class_has_its_message() -> None:
    """A request for the whole screen; the last real pointer message; a key's press and release."""
    assert Console().keepalive.message(800, 600) == REQUEST
    console = Console(memory=KeepaliveMemory(POINTER))
    console.open()
    console.send(pointer_event(4, 10, 20))
    assert console.keepalive.message(800, 600) == pointer_event(4, 10, 20)
    console = Console(memory=KeepaliveMemory(KEY), keysym=SHIFT)
    assert console.keepalive.message(800, 600) == key_event(True, SHIFT) + key_event(False, SHIFT)


def test_no_pointer_place_is_invented() -> None:
    """Before there was a pointer message, requests stand in for it and the reason is stated."""
    console = Console(memory=KeepaliveMemory(POINTER))
    console.open()
    assert console.keepalive.kind is ANY
    assert console.keepalive.message(800, 600) == REQUEST
    assert console.keepalive.kind is ANY
    assert "Until the pointer was moved" in console.keepalive.why
    assert console.run(100)
    console.send(PLACE)
    assert console.keepalive.kind is POINTER
    assert console.keepalive.message(800, 600) == PLACE
    assert "Until the pointer was moved" not in console.keepalive.why


def test_a_place_outside_a_smaller_screen_is_not_repeated() -> None:
    """The guest would jump to an edge: requests stand in until the pointer is moved again."""
    console = Console(memory=KeepaliveMemory(POINTER))
    console.open()
    console.send(pointer_event(0, 1000, 20))
    assert console.keepalive.message(800, 600) == REQUEST
    assert console.run(100)
    assert console.keepalive.message(1024, 768) == pointer_event(0, 1000, 20)
    assert console.keepalive.kind is POINTER


@pytest.mark.parametrize("limit_s", [60.0, 300.0])
def test_an_upstream_that_counts_any_message_teaches_nothing(limit_s: float) -> None:
    """The link outlives hours without input, and the class stays."""
    console = Console(counts=ANY, limit_s=limit_s)
    console.open()
    assert console.run(7200)
    assert console.closed(by_upstream=False) is None
    assert console.keepalive.memory == KeepaliveMemory()


@pytest.mark.parametrize(
    ("limit_s", "interval_s", "idle_timeout_s"),
    [(60.0, 20.0, 60.0), (300.0, 20.0, 60.0), (3.0, 1.0, 3.0), (120.0, 20.0, 120.0)],
)
def test_two_closes_at_a_limit_switch_to_the_pointer(
    limit_s: float, interval_s: float, idle_timeout_s: float
) -> None:
    """An upstream that counts input only is found out by its second close, then stays open."""
    console = Console(
        counts=POINTER, limit_s=limit_s, interval_s=interval_s, idle_timeout_s=idle_timeout_s
    )
    first = console.open_and_idle()
    assert first is not None
    assert (first.memory.kind, first.memory.evidence, first.switched) == (ANY, 1, False)
    assert "second in a row" in console.keepalive.why
    console.open()
    console.send(PLACE)
    assert not console.run(4000)
    second = console.closed()
    assert second is not None
    assert (second.memory.kind, second.memory.evidence, second.switched) == (POINTER, 0, True)
    assert "Pointer messages are sent" in console.keepalive.why
    console.open()
    assert console.run(4000)


def test_an_undocumented_limit_is_learned_when_it_comes_back() -> None:
    """A close after 137 s is remembered; twice more at the same time is evidence."""
    console = Console(counts=POINTER, limit_s=137.0)
    first = console.open_and_idle()
    assert first == MemoryChanged(KeepaliveMemory(ANY, 0, (137.4,)), switched=False)
    second = console.open_and_idle()
    assert second is not None
    assert second.memory.evidence == 1
    third = console.open_and_idle()
    assert third is not None
    assert third.switched
    assert third.memory.kind is POINTER


def test_reboots_stops_and_our_own_closes_are_no_evidence() -> None:
    """What is explained, or the daemon's own doing, says nothing about a class."""
    console = Console(counts=POINTER)
    for by_upstream, explained in ((True, True), (False, False), (False, True)):
        console.open()
        assert not console.run(4000)
        assert console.closed(by_upstream=by_upstream, explained=explained) is None
    assert console.keepalive.memory == KeepaliveMemory()


def test_a_close_elsewhere_breaks_the_row() -> None:
    """Evidence, an unexplained close at no limit, evidence: the class stays."""
    console = Console(counts=POINTER)
    console.open_and_idle()
    console.limit_s = 41.0
    console.open_and_idle()
    console.limit_s = 60.0
    third = console.open_and_idle()
    assert third is not None
    assert (third.memory.kind, third.memory.evidence) == (ANY, 1)


def test_a_link_that_outlives_every_limit_breaks_the_row() -> None:
    """Ten minutes without input prove that the class in use counts, however the link ends."""
    console = Console(counts=POINTER)
    console.open_and_idle()
    console.counts = ANY
    console.open()
    assert console.run(600)
    learned = console.closed(by_upstream=False)
    assert learned is not None
    assert (learned.memory.kind, learned.memory.evidence) == (ANY, 0)


@pytest.mark.parametrize(
    ("open_s", "earlier_ts", "evidence"),
    [
        (100.0, (60.4,), 1),
        (303.0, (60.4,), 1),
        (303.5, (60.4,), 0),
        (600.0, (60.4, 900.0), 1),
        (903.5, (60.4, 900.0), 0),
    ],
)
def test_a_link_that_does_not_outlive_every_limit_proves_nothing(
    open_s: float, earlier_ts: tuple[float, ...], evidence: int
) -> None:
    """The longest counts, documented or seen, and what is near it may yet have been closed."""
    console = Console(memory=KeepaliveMemory(ANY, 1, earlier_ts))
    console.open()
    assert console.run(open_s)
    console.closed(by_upstream=False)
    assert console.keepalive.memory == KeepaliveMemory(ANY, evidence, earlier_ts)


def test_a_drop_while_somebody_types_says_nothing() -> None:
    """Bad lines that break in the middle of work, again and again, don't teach."""
    console = Console()
    for _ in range(5):
        console.open()
        for _ in range(10):
            console.now += 7.0
            console.send(key_event(True, 1))
            console.now += 3.0
            console.send(REQUEST)
        assert console.closed() is None
    assert console.keepalive.memory == KeepaliveMemory()


def test_a_silent_link_is_no_evidence_against_its_class() -> None:
    """If nothing of the class in use went out either, its closing is what was to be expected."""
    console = Console()
    for _ in range(3):
        console.open()
        console.now += 60.0
        assert console.closed() is None


def test_closes_before_the_first_pointer_are_no_evidence_against_the_pointer() -> None:
    """While requests stand in for the pointer, the pointer class isn't on trial."""
    console = Console(counts=POINTER, keysym=SHIFT, memory=KeepaliveMemory(POINTER))
    for _ in range(3):
        assert console.open_and_idle() is None
    assert console.keepalive.memory.kind is POINTER


def test_keys_are_the_last_resort_and_only_if_configured() -> None:
    """An upstream that counts keys only gets them after two more closes, if there is a key."""
    console = Console(counts=KEY, keysym=SHIFT)
    console.held.track(PLACE)
    kinds = []
    for _ in range(4):
        learned = console.open_and_idle()
        assert learned is not None
        kinds.append(learned.memory.kind)
    assert kinds == [ANY, POINTER, POINTER, KEY]
    assert "Key presses are sent" in console.keepalive.why
    console.open()
    assert console.run(4000)
    assert console.closed() is None


def test_without_a_key_the_pointer_stays_and_the_reason_is_logged() -> None:
    """With keepalive_key 0 nothing is typed, ever; the page says what could be done."""
    console = Console(counts=KEY)
    console.held.track(PLACE)
    for _ in range(6):
        console.open_and_idle()
    assert console.keepalive.memory.kind is POINTER
    assert console.keepalive.memory.evidence == 2
    assert "keepalive_key is 0" in console.keepalive.why


def test_what_was_learned_survives_a_restart() -> None:
    """The memory of one keepalive, given to another, goes on where it was."""
    console = Console(counts=POINTER)
    learned = console.open_and_idle()
    assert learned is not None
    later = Console(counts=POINTER, memory=learned.memory)
    second = later.open_and_idle()
    assert second is not None
    assert second.switched


def test_the_memory_is_fitted_to_the_configuration() -> None:
    """A key that is configured no longer isn't typed; one that is new is used where it was due."""
    without = Console(memory=KeepaliveMemory(KEY, 0, (60.0,)))
    assert without.keepalive.memory.kind is POINTER
    added = Console(memory=KeepaliveMemory(POINTER, 2, (60.0,)), keysym=SHIFT)
    assert added.keepalive.memory.kind is KEY


def test_the_memory_is_bounded() -> None:
    """However many odd closes there are, only the latest times are kept."""
    console = Console(counts=POINTER)
    for odd in range(30):
        console.limit_s = 25.0 + 11 * odd
        console.open_and_idle()
    assert len(console.keepalive.memory.earlier_ts) <= 8


def test_what_is_forgotten_is_learned_anew() -> None:
    """As if the instance had never been seen."""
    console = Console(counts=POINTER)
    console.open_and_idle()
    console.keepalive.forget()
    assert console.keepalive.memory == KeepaliveMemory()
    console.open_and_idle()
    assert console.keepalive.memory.evidence == 1


def test_another_link_has_another_screen() -> None:
    """A place that lay outside of the last one's is repeated where it is inside."""
    console = Console(memory=KeepaliveMemory(POINTER))
    console.open()
    console.send(pointer_event(0, 1000, 20))
    console.keepalive.message(800, 600)
    assert console.keepalive.kind is ANY
    console.closed()
    console.open()
    assert console.keepalive.kind is POINTER


def test_keys_have_nothing_to_learn() -> None:
    """There is no class after them."""
    console = Console(counts=ANY, keysym=SHIFT, memory=KeepaliveMemory(KEY, 0, ()))
    console.limit_s = 15.0
    assert console.open_and_idle() is None


def test_the_reason_says_what_was_seen() -> None:
    """One close is given with its time and what was missing, for either class; else none."""
    assert "closed" not in Console().keepalive.why
    assert "closed" not in Console(memory=KeepaliveMemory(ANY, 0, (60.4,))).keepalive.why
    first = Console(memory=KeepaliveMemory(ANY, 1, (299.8, 60.4))).keepalive.why
    assert "A link was closed 60 s after the last input all the same" in first
    assert "a second in a row speaks for pointer messages" in first
    second = Console(memory=KeepaliveMemory(POINTER, 1, (60.4,)), keysym=SHIFT)
    assert "60 s after the last key all the same" in second.keepalive.why
    assert "speaks for key presses" in second.keepalive.why


def test_a_close_without_a_link_is_nothing() -> None:
    """A dial that never became a link teaches nothing."""
    assert Console().closed() is None
