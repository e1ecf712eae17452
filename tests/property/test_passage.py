"""The law of the way upstream: whole messages of the controller, in order, and nothing invented.

Anything may come at any time: frames that end anywhere, keepalives, updates, other viewers, a
change of control, a lost link.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from dataclasses import dataclass, field
from itertools import accumulate, cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.property.client_messages import (
    back_buttons,
    continuous_updates,
    cut_texts,
    desktop_sizes,
    extended_clipboards,
    extended_pointers,
    fences,
    keys,
    messages,
    pieces,
    pointers,
    qemu_audio,
    qemu_keys,
    update_requests,
    xvps,
)
from tests.property.passage import (
    ASKS,
    ASKS_FOR_ALL,
    DRIVING,
    EXTENDED_BUTTONS,
    KEEPALIVE_KEYSYM,
    Passage,
    input_for,
    is_release,
    pointer_for,
    whole_messages,
)
from tests.recording_screen import recording_screen
from tests.setup import running, until
from tests.unit.console.fakes import PIXEL_FORMAT, VIEWER_HANDSHAKE
from vncproxy.config.model import Limits
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

HANDSHAKE = b"".join(VIEWER_HANDSHAKE)
PLAIN = b"\0\0\0\0" + PIXEL_FORMAT
KEEPALIVE_KEYS = [
    bytes([4, down, 0, 0]) + KEEPALIVE_KEYSYM.to_bytes(4, "big") for down in (True, False)
]

kinds = st.sampled_from(["any", "pointer", "key"])
cuts = st.lists(st.integers(0, 1 << 20), max_size=30)
STEPS = ["say", "say", "say", "other says", "turn", "answer"]
EVENTS = [*STEPS, "lose", "connect", "grab", "other grabs", "other leaves", "leave"]


def on_screen(buttons: int) -> st.SearchStrategy[bytes]:
    """A pointer message that a keepalive may repeat, with a mask of at most `buttons`."""
    place = st.tuples(st.integers(0, buttons), st.integers(0, 63), st.integers(0, 47))
    return place.map(lambda f: struct.pack(">BBHH", 5, *f))


def shared(extended_buttons: bool) -> st.SearchStrategy[bytes]:
    """Any message but one that would close a viewer of a shared console: another pixel format."""
    buttons = extended_pointers if extended_buttons else back_buttons
    return st.one_of(
        st.just(PLAIN),
        update_requests,
        keys,
        pointers,
        on_screen(0x7F if extended_buttons else 0xFF),
        buttons,
        cut_texts,
        extended_clipboards,
        continuous_updates,
        fences,
        xvps,
        desktop_sizes,
        qemu_keys,
        qemu_audio,
    )


@dataclass
class Speaker:
    """A viewer's bytes in pieces, and which messages each piece completes."""

    name: str
    parts: deque[bytes]
    ends: deque[tuple[int, bytes]]
    sent_bytes: int = 0
    early: list[bytes] = field(default_factory=list)
    """Whole messages that wait for ServerInit."""
    welcomed: bool = False

    @classmethod
    def of(cls, name: str, opening: list[bytes], sent: list[bytes], places: list[int]) -> Speaker:
        whole = [*opening, *sent]
        ends = zip(accumulate(map(len, whole)), whole, strict=True)
        return cls(name, deque(pieces(b"".join(whole), places)), deque(ends))

    def next(self) -> tuple[bytes, list[bytes]]:
        """The next piece, and the messages that are whole with it."""
        piece = self.parts.popleft()
        self.sent_bytes += len(piece)
        done = []
        while self.ends and self.ends[0][0] <= self.sent_bytes:
            done.append(self.ends.popleft()[1])
        return piece, done


@dataclass
class Script:
    """Plays a script against the passage and compares after every step."""

    passage: Passage
    speakers: dict[str, Speaker]
    controller: str | None = "one"
    pointer: bytes | None = None
    passed: list[bytes] = field(default_factory=list)

    async def play(self, steps: list[str]) -> None:
        await self.passage.start()
        self.passage.join("one")
        self.allowed(await self.passage.connect())
        for step in steps:
            await self.step(step)
            if not self.passage.viewers and self.passage.upstream is None:
                break  # Nobody waits for another link: the console ends by itself.
        for name in list(self.passage.viewers):
            while self.speakers[name].parts:
                self.say(name)
        await self.passage.close()

    async def step(self, step: str) -> None:
        passage = self.passage
        match step:
            case "say":
                self.say("one")
            case "other says":
                self.say("two")
            case "turn":
                self.keepalives(await passage.turn())
            case "answer":
                self.allowed(passage.answer(7919 * len(self.passed) + 11))
            case "lose":
                passage.lose()
                if passage.upstream is not None:
                    await passage.lost()
            case "connect" if passage.upstream is None:
                self.connected(await passage.connect())
            case "connect":
                pass
            case "grab" | "other grabs":
                name = "one" if step == "grab" else "two"
                if name in passage.viewers:
                    before, self.controller = self.controller, name
                    self.allowed(await passage.grab(name), releases=before not in (None, name))
            case "leave" | "other leaves":
                name = "one" if step == "leave" else "two"
                if name in passage.viewers:
                    controlled = self.controller == name
                    if controlled:
                        self.controller = None
                    self.allowed(passage.leave(name), releases=controlled)
            case _:
                raise AssertionError(step)

    def say(self, name: str) -> None:
        passage, speaker = self.passage, self.speakers.get(name)
        if speaker is None or not speaker.parts:
            return
        if name not in passage.viewers:
            if speaker.sent_bytes or passage.upstream is None:
                return  # It has left, or nobody would greet it.
            passage.join(name)
            if self.controller is None:
                self.controller = name
        piece, done = speaker.next()
        speaker.early += [message for message in done if message is not HANDSHAKE]
        got = [m for m in passage.say(name, piece) if m[0] not in DRIVING]
        speaker.welcomed |= passage.upstream is not None and speaker.sent_bytes >= len(HANDSHAKE)
        expected = self.expected(speaker)
        assert got == expected
        self.note(got)

    def expected(self, speaker: Speaker) -> list[bytes]:
        """What the upstream is to get of the messages that became whole by now."""
        upstream = self.passage.upstream
        if not speaker.welcomed:
            return []
        done, speaker.early = speaker.early, []
        if upstream is None or self.controller != speaker.name:
            return []
        forms = [input_for(message, confirmed=upstream.confirmed) for message in done]
        return [form for form in forms if form is not None]

    def connected(self, got: list[bytes]) -> None:
        """First what lets go of held input, then what was sent before ServerInit."""
        expected = []
        for name in self.passage.viewers:
            speaker = self.speakers[name]
            speaker.welcomed |= speaker.sent_bytes >= len(HANDSHAKE)
            expected += self.expected(speaker)
        rest = [m for m in got if m[0] not in DRIVING]
        releases = len(rest) - len(expected)
        assert rest[releases:] == expected
        self.allowed(rest[:releases], releases=True)
        self.note(expected)

    def note(self, got: list[bytes]) -> None:
        self.passed += got
        for message in got:
            if message[0] == 5:
                self.pointer = message

    def allowed(self, got: list[bytes], *, releases: bool = False) -> None:
        """Only what drives the picture, and where it may be so what lets go of held input."""
        rest = [m for m in got if m[0] not in DRIVING]
        assert all(releases and is_release(m) for m in rest), rest
        self.note(rest)
        if releases:
            # A button that was let go of, even in silence, isn't pressed again by a keepalive.
            self.pointer = None

    def keepalives(self, got: list[bytes]) -> None:
        """Only requests, the last pointer message once more, or the configured key, both ways."""
        rest = [m for m in got if m[0] not in DRIVING]
        for message in rest:
            if message[0] == 5 and self.pointer is not None:
                upstream = self.passage.upstream
                confirmed = upstream is not None and upstream.confirmed
                assert message == pointer_for(self.pointer, confirmed=confirmed)
            elif message[0] == 5:
                assert message[1] == 0
            else:
                assert message in KEEPALIVE_KEYS
        typed = [m for m in rest if m[0] == 4]
        assert typed == KEEPALIVE_KEYS * (len(typed) // 2)


def play(script: Script, steps: list[str]) -> None:
    """Play it from the first byte to the last; what goes wrong in a task fails it too."""
    with capture_logs() as lines:
        asyncio.run(script.play(steps))
    assert [line for line in lines if line["log_level"] == "error"] == []


def asks_for_buttons(message: bytes) -> bool:
    """A SetEncodings that asks for extended buttons changes how pointer messages end."""
    return message[0] == 2 and EXTENDED_BUTTONS.to_bytes(4, "big", signed=True) in message


@given(
    st.lists(
        on_screen(0xFF) | messages(False).filter(lambda m: not asks_for_buttons(m)), max_size=15
    ),
    cuts,
    st.lists(st.sampled_from([*STEPS, "lose", "connect"]), max_size=40),
    kinds,
)
@settings(max_examples=100)
def test_the_only_viewer_is_passed_on_whole(
    sent: list[bytes], places: list[int], steps: list[str], kind: str
) -> None:
    """From its first byte on, with any pixel format, over lost links, any cut of its messages."""
    one = Speaker.of("one", [HANDSHAKE], sent, places)
    script = Script(Passage(kind, confirms=False), {"one": one})
    play(script, steps)


@given(
    st.lists(shared(True), max_size=15),
    st.lists(shared(False), max_size=10),
    cuts,
    st.lists(st.sampled_from(EVENTS), max_size=60),
    kinds,
)
@example(
    # The eighth button is pressed before the guest tells of extended buttons.
    sent=[],
    other=[b"\x05\x80\x00\x01\x00\x01"],
    places=[len(HANDSHAKE + ASKS)],
    events=["lose", "connect", "other says", "other grabs", "other says", "answer", "turn"],
    kind="pointer",
)
@settings(max_examples=100)
def test_only_the_controller_is_passed_on(
    sent: list[bytes],
    other: list[bytes],
    places: list[int],
    events: list[str],
    kind: str,
) -> None:
    """A message counts for who controls when it is whole, in the form that the guest knows."""
    one = Speaker.of("one", [HANDSHAKE, ASKS_FOR_ALL + ASKS], sent, [])
    opening = pieces(HANDSHAKE + ASKS_FOR_ALL + ASKS, [])
    rest = pieces(b"".join(sent), places) if sent else []
    one.parts = deque([*opening, *rest])
    two = Speaker.of("two", [HANDSHAKE, ASKS], other, places)
    script = Script(Passage(kind, confirms=True), {"one": one, "two": two})
    play(script, ["say", "answer", *events])


def sayable(message: bytes) -> bytes:
    """The message with a down-flag of 0 or 1, which is all that the simulator lets pass."""
    match message[0]:
        case 4:
            return bytes([4, message[1] & 1]) + message[2:]
        case 255 if message[1] == 0:
            return b"\xff\0\0" + bytes([message[3] & 1]) + message[4:]
        case _:
            return message


pauses = st.lists(st.sampled_from([*[0.0] * 6, 0.01, 0.03]), min_size=1, max_size=12)


@pytest.mark.sockets
@given(
    st.lists(on_screen(0xFF) | shared(False).map(sayable), min_size=20, max_size=60),
    st.lists(st.integers(0, 1 << 20), min_size=20, max_size=60),
    pauses,
)
@settings(
    max_examples=8,
    phases=[Phase.generate],
)
def test_through_the_whole_daemon(sent: list[bytes], places: list[int], waits: list[float]) -> None:
    """Over real WebSockets, whose frames end anywhere, with keepalives on their own timer."""
    with TemporaryDirectory() as folder:
        asyncio.run(through_the_daemon(Path(folder), sent, places, waits))


async def through_the_daemon(
    folder: Path, sent: list[bytes], places: list[int], waits: list[float]
) -> None:
    expected = [form for m in sent if (form := input_for(m, confirmed=False)) is not None]
    # A key that nobody types.
    last = bytes.fromhex("0401000000c0ffee")
    async with recording_screen() as screen:
        instance = SimulatedInstance(screen=screen.address)
        cloud = SimulatorSettings(instances=(instance,))
        limits = Limits(keepalive_interval=0.02)
        async with running(folder, cloud=cloud, limits=limits) as setup:
            viewer = await setup.connect()
            await viewer.shake_hands()
            parts = pieces(b"".join([*sent, last]), places)
            for part, wait_s in zip(parts, cycle(waits), strict=False):
                await viewer.socket.send_bytes(part)
                if wait_s:
                    await asyncio.sleep(wait_s)
            received = screen.received[0]
            await until(lambda: last in received, "the last message")
            data = bytes(received[: received.index(last) + len(last)])
            await until(lambda: setup.cloud.messages["update-request"] > 2, "a keepalive")
            assert not setup.cloud.breaches
            assert len(setup.cloud.dials) == 1
        assert not setup.cloud.breaches
    got = [m for m in whole_messages(data) if m[0] not in DRIVING]
    assert got == [*expected, last]
