"""Keys that are sent over a daemon: all of them, or it is known how many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.page import page
from tests.recorded import played_from, record_everybody, recordings
from tests.setup import Running, until
from tests.unit.commands.surroundings import Installation
from vncproxy.commands.console_client import ConsoleClient, ControlLostError
from vncproxy.commands.key_sender import (
    CHUNK_STROKES,
    KEY_CHANGE_S,
    SendingStoppedError,
    Sent,
    print_what_is_sent,
    send_keys,
)
from vncproxy.commands.keystrokes import Stroke, text_strokes
from vncproxy.commands.kick import kick
from vncproxy.commands.type_text import _typed
from vncproxy.config.model import Config, Listen
from vncproxy.errors import AccessError, LocalError
from vncproxy.languages.text import counted
from vncproxy.recording.reader import Recording
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

pytestmark = pytest.mark.sockets

TEXT = "The quick brown fox jumps over the lazy dog. " * 3
AT = CHUNK_STROKES + 8
"""In the second chunk."""


@dataclass
class Typing:
    """`vncproxy type` on a console that a test does things to.

    Attributes:
        happens: What comes to pass after so many strokes.
        pauses: How long it paused each time.
        notes: What was said meanwhile.
    """

    setup: Running
    config: Config
    happens: dict[int, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    async def __call__(self, text: str = TEXT, instance: str = "demo") -> int:
        """Type it; gives how many characters have arrived."""
        return (await self.send(text, instance)).arrived

    async def send(self, text: str = TEXT, instance: str = "demo") -> Sent:
        """Type it."""

        def strokes_of(client: ConsoleClient) -> Sequence[Stroke]:
            return text_strokes(text, "us", caps_lock=client.screen.caps_lock is True)

        return await send_keys(
            self.config,
            {},
            instance,
            strokes_of,
            how_many=lambda count: counted(count, "{count} character", "{count} characters"),
            per_second=40.0,
            note=self.notes.append,
            pause=self._pause,
        )

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)
        if (what := self.happens.get(len(self.pauses))) is not None:
            await what()

    @property
    def arrived(self) -> str:
        """What the guest has read."""
        return self.setup.cloud.typed_text

    async def stops(self) -> SendingStoppedError:
        """Type it all, and give why that stopped."""
        with pytest.raises(SendingStoppedError) as stopped:
            await self()
        return stopped.value


@asynccontextmanager
async def typing_on(installation: Installation) -> AsyncIterator[Typing]:
    """A daemon, and nobody on yet; pages need no log-in, commands have the control socket."""
    door = Listen(address=f"127.0.0.1:{installation.port}", access="open")
    config = installation.config(listen=(door,))
    async with installation.daemon(config) as setup:
        yield Typing(setup, config)


@pytest.fixture
async def typing(installation: Installation) -> AsyncIterator[Typing]:
    """On the usual instance."""
    async with typing_on(installation) as one:
        yield one


async def test_everything_arrives(typing: Typing) -> None:
    """At a pace that QEMU keeps up with, in the audit as a page's session, and the text nowhere."""
    assert await typing() == len(TEXT)
    assert typing.arrived == TEXT
    assert set(typing.pauses) == {1 / 40, 4 * KEY_CHANGE_S}
    closed = (await typing.setup.audited("close"))[0]
    granted = (await typing.setup.audited("control-granted"))[0]
    assert closed["viewer"] == granted["viewer"]
    assert closed["code"] == 1000
    everything = (
        typing.setup.log.getvalue() + (typing.setup.daemon.state / "audit.jsonl").read_text()
    )
    assert "quick" not in everything
    assert not typing.setup.cloud.breaches


async def test_a_screen_that_moves(tmp_path: Path, port: int) -> None:
    """Updates that come anyway are no answers for certain: it is asked until they are."""
    lively = SimulatorSettings(animated=True)
    async with (
        Simulator(lively) as cloud,
        typing_on(Installation(cloud, tmp_path, port)) as typing,
    ):
        assert await typing() == len(TEXT)
        assert typing.arrived == TEXT


async def test_the_link_is_lost_in_the_middle(typing: Typing) -> None:
    """Although it comes back at once: what was under way is uncertain, what was answered isn't."""

    async def lose() -> None:
        assert typing.setup.cloud.drop()

    typing.happens[AT] = lose
    stopped = await typing.stops()
    assert stopped.sent.arrived == CHUNK_STROKES
    assert typing.arrived.startswith(TEXT[: stopped.sent.arrived])
    assert str(stopped) == (
        f"demo: the link was interrupted; of {len(TEXT)} characters the first {CHUNK_STROKES} "
        "arrived for certain: look at the screen for what else has arrived before you go on"
    )


async def test_an_administrator_ends_it_in_the_middle(typing: Typing) -> None:
    """The daemon's words are told."""
    typing.happens[AT] = lambda: kick(typing.config, {}, "demo", None)
    stopped = await typing.stops()
    assert stopped.sent.arrived == CHUNK_STROKES
    assert "demo: An administrator ended it; of " in str(stopped)


async def test_control_is_taken_away_in_the_middle(typing: Typing) -> None:
    """Exactly what arrived is known: what came afterwards was passed on by nobody."""

    async def take() -> None:
        thief = await page(typing.setup)
        await thief.wish("take")
        await until(lambda: thief.controls, "the page has control")

    typing.happens[AT] = take
    stopped = await typing.stops()
    assert typing.arrived == TEXT[: stopped.sent.arrived]
    assert AT <= stopped.sent.arrived < len(TEXT)
    assert "somebody else took control; of " in str(stopped)


async def test_ctrl_c_says_how_far_it_came(typing: Typing) -> None:
    """As any end does."""
    running = asyncio.create_task(typing())

    async def interrupt() -> None:
        running.cancel()

    typing.happens[AT] = interrupt
    with pytest.raises(SendingStoppedError, match="demo: stopped; of ") as stopped:
        await running
    assert stopped.value.sent.arrived == CHUNK_STROKES


async def test_two_at_once(typing: Typing) -> None:
    """The second is told so, and types nothing; the first isn't disturbed."""
    second = Typing(typing.setup, typing.config)
    refused: list[ControlLostError] = []

    async def another() -> None:
        with pytest.raises(ControlLostError) as refusal:
            await second("other")
        refused.append(refusal.value)

    typing.happens[AT] = another
    await typing()
    assert typing.arrived == TEXT
    assert str(refused[0]) == (
        "demo: owner (unix) has control. Your request for control was refused."
    )
    assert second.notes == ["demo: owner (unix) has control, and is asked for it"]


async def test_control_is_asked_for_and_handed_back(typing: Typing) -> None:
    """A page that has it grants it, and has it again afterwards."""
    owner = await page(typing.setup)
    await until(lambda: owner.controls, "the page has control")
    running = asyncio.create_task(typing("ls"))
    await until(lambda: owner.messages, "the request")
    assert owner.messages[0]["type"] == "control-request"
    await owner.wish("grant", viewer=owner.messages[0]["from"]["id"])
    assert await running == 2
    assert typing.arrived == "ls"
    await until(lambda: owner.controls and len(owner.roles) == 1, "the page has control again")


async def test_control_is_refused(typing: Typing) -> None:
    """Nothing is typed."""
    owner = await page(typing.setup)
    await until(lambda: owner.controls, "the page has control")
    running = asyncio.create_task(typing("ls"))
    await until(lambda: owner.messages, "the request")
    await owner.wish("refuse", viewer=owner.messages[0]["from"]["id"])
    with pytest.raises(ControlLostError, match="Your request for control was refused"):
        await running
    assert typing.arrived == ""


async def test_an_instance_that_nobody_knows(typing: Typing) -> None:
    """The daemon's words."""
    with pytest.raises(AccessError) as unknown:
        await typing("x", "unknown")
    assert unknown.value.status == 404


async def test_a_vnc_password_is_needed(tmp_path: Path, port: int) -> None:
    """Only a page can be asked for it."""
    locked = SimulatorSettings(instances=(SimulatedInstance(vnc_password="abc123"),))
    async with (
        Simulator(locked) as cloud,
        typing_on(Installation(cloud, tmp_path, port)) as typing,
    ):
        with pytest.raises(LocalError, match="demo: its VNC password is needed: name a"):
            await typing("x")


async def test_programs_get_what_was_sent(
    typing: Typing, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it, or how far it came and why."""

    async def send() -> Sent:
        return await typing.send()

    await print_what_is_sent(send(), _typed, as_json=True)
    told = {"instance": DEMO_INSTANCE_ID, "alias": "demo", "total": len(TEXT)}
    assert json.loads(capsys.readouterr().out) == {**told, "arrived": len(TEXT), "problem": None}
    await print_what_is_sent(send(), _typed, as_json=False)
    assert capsys.readouterr().out == f"demo: {len(TEXT)} characters typed.\n"
    sent = Sent(DEMO_INSTANCE_ID, "demo", len(TEXT), 32)

    async def stopped() -> Sent:
        raise SendingStoppedError("demo: stopped", sent)

    with pytest.raises(SendingStoppedError):
        await print_what_is_sent(stopped(), _typed, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == {**told, "arrived": 32, "problem": "demo: stopped"}

    async def refused() -> Sent:
        raise ControlLostError("demo: refused")

    with pytest.raises(ControlLostError):
        await print_what_is_sent(refused(), _typed, as_json=True)
    found = json.loads(capsys.readouterr().out)
    unknown = dict.fromkeys(told)
    assert found == {**unknown, "arrived": 0, "problem": "demo: refused"}
    with pytest.raises(ControlLostError):
        await print_what_is_sent(refused(), _typed, as_json=False)
    assert capsys.readouterr().out == ""


async def test_nobody_types_unseen_on_a_recorded_console(
    typing: Typing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording has the screen, though who types asks for a corner of it at a time."""
    record_everybody(monkeypatch)
    assert await typing() == len(TEXT)
    await until(lambda: "recording.ended" in typing.setup.log.getvalue(), "the recording")
    state = typing.config.state.directory
    assert state is not None
    [path] = recordings(state)
    recording = Recording(path)
    *_, last = played_from(recording, 0)
    recording.close()
    seen = await page(typing.setup)
    await until(lambda: typing.setup.shows(seen.viewer), "the picture")
    same = (last.decoder.frame == seen.viewer.decoder.frame).mean()
    # The last echo may have come after the end.
    assert same > 0.98
    assert last.decoder.frame.any()
