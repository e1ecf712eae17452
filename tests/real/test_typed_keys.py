"""`vncproxy type` and `key` through the simulated cloud: what a real QEMU and a real X server get.

The oracle is the X server's own layouts (xkb-data, by xkbcomp): a keyboard that is set to one of
them reads the keys in QEMU's trace, and what it makes of them has to be the text.
"""

from __future__ import annotations

import asyncio
import io
import random
import string
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from tests.real.peers.process import until as until_async
from tests.real.peers.qemu import Qemu
from tests.real.peers.qemu import qemu as start_qemu
from tests.real.peers.xvnc import Xvnc
from tests.real.test_keyboard_layouts import DEAD, EURO, UNICODE, keysym, xkb_levels
from tests.setup import Running, Viewer, running, until
from vncproxy.commands.console_client import ConsoleClient
from vncproxy.commands.key_sender import CHUNK_STROKES, PACES, SendingStoppedError, send_keys
from vncproxy.commands.keyboard import keys_of, layout_names
from vncproxy.commands.keystrokes import Stroke, combination_stroke, text_strokes
from vncproxy.commands.live_screenshot import live_screenshot
from vncproxy.commands.type_text import strokes_for
from vncproxy.config.model import Aliyun, Config, Instance, Listen, State
from vncproxy.languages.text import Text
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

LENGTH = 2_000
SHIFTED = 200
"""As many more as QEMU lets wait, if they came at the pace of the page's fastest."""

_SIGNS = {
    **{"minus": "Minus", "equal": "Equal", "bracket_left": "BracketLeft", "yen": "IntlYen"},
    **{"bracket_right": "BracketRight", "semicolon": "Semicolon", "apostrophe": "Quote"},
    **{"grave_accent": "Backquote", "backslash": "Backslash", "comma": "Comma", "dot": "Period"},
    **{"slash": "Slash", "less": "IntlBackslash", "ro": "IntlRo", "spc": "Space"},
}
"""QEMU's names of keys. Source: QEMU QMP reference, QKeyCode."""


def code_of(name: str) -> str:
    """The browser's code for a key of QEMU's."""
    if name in _SIGNS:
        return _SIGNS[name]
    return f"Digit{name}" if name.isdecimal() else f"Key{name.upper()}"


class XKeyboard:
    """Reads key events as an X server does whose keyboard is set to a layout."""

    def __init__(self, layout: str, folder: Path) -> None:
        """Nothing is pressed."""
        self.text = ""
        self._levels = xkb_levels(layout, folder)
        self._marks = {keysym(f"dead_{name}"): mark for mark, name in DEAD.items()}
        self._held = {"shift": False, "alt_r": False}
        self._mark = ""

    def read(self, events: Iterable[tuple[str, bool]]) -> str:
        """What these events type; keys that must not be there at all are an error."""
        for name, down in events:
            if name in self._held:
                assert self._held[name] != down, "pressed twice"
                self._held[name] = down
            elif down:
                self._press(name)
        assert not any(self._held.values())
        return self.text

    def _press(self, name: str) -> None:
        if name in ("ret", "tab"):
            self.text += {"ret": "\n", "tab": "\t"}[name]
            return
        level = self._held["shift"] + 2 * self._held["alt_r"]
        found = self._levels[code_of(name)][level]
        if found in self._marks:
            assert not self._mark
            self._mark = self._marks[found]
            return
        character = chr(found if found <= 0xFF or found == EURO else found - UNICODE)
        if self._mark and character == " ":
            character = {"\u0300": "`", "\u0302": "^"}[self._mark]
        elif self._mark:
            character = unicodedata.normalize("NFC", character + self._mark)
        self._mark = ""
        self.text += character


def behind(setup: Running) -> Config:
    """What a command finds its daemon by."""
    return Config(
        listen=(Listen(address="127.0.0.1:1"),),
        aliyun=Aliyun(endpoint=setup.cloud.endpoint),
        state=State(directory=setup.daemon.state),
        instance=(Instance(id=DEMO_INSTANCE_ID, alias="demo"),),
    )


def screen_at(port: int) -> SimulatorSettings:
    """A cloud that shows this VNC server."""
    return SimulatorSettings(instances=(SimulatedInstance(screen=f"127.0.0.1:{port}"),))


async def at_once(_seconds: float) -> None:
    """Pause as long as a turn of the event loop."""
    await asyncio.sleep(0)


async def sent(
    setup: Running,
    strokes_of: Callable[[ConsoleClient], Sequence[Stroke]],
    pause: Callable[[float], Awaitable[None]] = at_once,
) -> int:
    """Send strokes as the commands do; gives how many have arrived."""
    done = await send_keys(
        behind(setup),
        {},
        "demo",
        strokes_of,
        how_many=lambda count: Text("{count} characters", count=count),
        per_second=PACES["fast"],
        note=lambda _: None,
        pause=pause,
    )
    return done.arrived


async def typed(
    setup: Running,
    text: str,
    layout: str = "us",
    pause: Callable[[float], Awaitable[None]] = at_once,
) -> int:
    """Type a text as `vncproxy type` does; gives how many characters have arrived."""
    return await sent(setup, lambda client: strokes_for(client, text, layout), pause)


async def traced(qemu: Qemu, before: int, strokes: Sequence[Stroke]) -> list[tuple[str, bool]]:
    """The events that these strokes are, once so many are in QEMU's trace.

    Args:
        qemu: Which writes down what it has read, but not at once.
        before: So many events were in its trace already.
        strokes: What was sent.
    """
    count = sum(map(len, strokes))
    await until(lambda: len(qemu.key_events()) >= before + count, f"{count} events")
    return qemu.key_events()[before:]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def quick_qemu(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Qemu]:
    """One that takes keys as fast as they come, also those that are too fast for its guest."""
    async with start_qemu(tmp_path_factory.mktemp("s") / "q", key_delay_ms=0) as machine:
        yield machine


async def shows(viewer: Viewer, qemu: Qemu) -> bool:
    """Whether the viewer's picture is the machine's screen."""
    return viewer.decoder.at_boundary and np.array_equal(viewer.decoder.frame, await qemu.pixels())


@pytest.mark.parametrize("layout", layout_names())
async def test_a_long_text_is_what_the_keys_type(
    quick_qemu: Qemu, tmp_path: Path, layout: str
) -> None:
    """On each layout: nothing lost, nothing doubled, nothing in the wrong case."""
    qemu = quick_qemu
    characters = [*keys_of(layout, windows=False), "\n", "\t"]
    chosen = random.Random(layout)
    text = "".join(characters) + "".join(chosen.choices(characters, k=LENGTH - len(characters)))
    before = len(qemu.key_events())
    async with running(tmp_path, cloud=screen_at(qemu.vnc_port)) as setup:
        assert await typed(setup, text, layout) == LENGTH
        events = await traced(qemu, before, text_strokes(text, layout))
        assert XKeyboard(layout, tmp_path).read(events) == text
        assert len(setup.cloud.dials) == 1
        assert not setup.cloud.breaches


async def test_the_guest_reads_all_of_it(qemu: Qemu, tmp_path: Path) -> None:
    """At the fastest pace nothing is lost on the way, as QEMU is by default."""
    text = "".join(random.Random(1).choices(string.ascii_uppercase + "{}|~!?", k=SHIFTED))
    async with running(tmp_path, cloud=screen_at(qemu.vnc_port)) as setup:
        assert await typed(setup, text, pause=asyncio.sleep) == SHIFTED
        await qemu.wait_typed(text.encode())


async def test_caps_lock_in_the_guest_is_made_up_for(qemu: Qemu, tmp_path: Path) -> None:
    """Its lamp says that it is on, and the text comes out as it is."""
    text = "Case Is Kept 1!"
    # The firmware switches the lamp once a program has read the next key.
    lock = [combination_stroke("capslock"), combination_stroke("1")]
    lamps: list[bool | None] = []

    def look(client: ConsoleClient) -> Sequence[Stroke]:
        lamps.append(client.screen.caps_lock)
        return []

    async def changed() -> bool:
        await sent(setup, look)
        return lamps[-1] is not lamps[0]

    async with running(tmp_path, cloud=screen_at(qemu.vnc_port)) as setup:
        for _ in range(2):
            lamps.clear()
            await sent(setup, look)
            await sent(setup, lambda _: lock)
            await until_async(changed, "the lamp changes")
            await typed(setup, text, pause=asyncio.sleep)
            await qemu.wait_typed(text.encode())
        await until(lambda: qemu.typed().count(text.encode()) == 2, "the text with both")
        assert not any(lamps[-1:])


async def test_the_link_is_lost_in_the_middle(quick_qemu: Qemu, tmp_path: Path) -> None:
    """What is said to have arrived has; nothing arrives twice, or after what is lost."""
    qemu = quick_qemu
    text = string.ascii_lowercase * 4
    before = len(qemu.key_events())
    paused = 0

    async def lose(_seconds: float) -> None:
        nonlocal paused
        paused += 1
        await asyncio.sleep(0)
        if paused == len(text) // 2:
            assert setup.cloud.drop()

    async with running(tmp_path, cloud=screen_at(qemu.vnc_port)) as setup:
        with pytest.raises(SendingStoppedError) as stopped:
            await typed(setup, text, pause=lose)
        certain = stopped.value.sent.arrived
        assert certain == CHUNK_STROKES
        await traced(qemu, before, text_strokes(text[:certain], "us"))
        await until(lambda: not qemu.keys_down(), "the last key's release")
        keyboard = XKeyboard("us", tmp_path)
        arrived = keyboard.read(qemu.key_events()[before:])
        assert len(arrived) >= certain
        assert text.startswith(arrived)


async def test_the_live_picture_is_the_machines_screen(qemu: Qemu, tmp_path: Path) -> None:
    """Every pixel; whoever has the console isn't disturbed."""
    async with running(tmp_path, cloud=screen_at(qemu.vnc_port)) as setup:
        viewer = await setup.viewer()
        await viewer.type("seen")
        await qemu.wait_typed(b"seen")
        await until_async(lambda: shows(viewer, qemu), "the viewer shows it")
        picture = await live_screenshot(behind(setup), {}, "demo")
        with Image.open(io.BytesIO(picture.content)) as image:
            shown = np.asarray(image.convert("RGB"))
        assert np.array_equal(shown, await qemu.pixels())
        assert len(setup.cloud.dials) == 1


async def test_combinations_are_pressed_together(qemu: Qemu, tmp_path: Path) -> None:
    """Each key is let go of after it was pressed with the others."""
    strokes = [combination_stroke(one) for one in ("ctrl-alt-f2", "win-r", "sysrq-h")]
    before = len(qemu.key_events())
    async with running(tmp_path, cloud=screen_at(qemu.vnc_port)) as setup:
        await sent(setup, lambda _: strokes)
        events = await traced(qemu, before, strokes)
    pressed = [("ctrl", "alt", "f2"), ("meta_l", "r"), ("alt", "sysrq", "h")]
    expected = [
        (name, down)
        for names in pressed
        for down in (True, False)
        for name in names[:: 1 if down else -1]
    ]
    assert [("sysrq" if name == "print" else name, down) for name, down in events] == expected


async def test_an_x_server_reads_it(xvnc: Xvnc, tmp_path: Path) -> None:
    """One that knows no physical keys goes by the characters."""
    text = "Ab1 {[(<\\|/>)]} ~`^ ;:\"'"
    async with running(tmp_path, cloud=screen_at(xvnc.port)) as setup:
        assert await typed(setup, text) == len(text)
        await xvnc.wait_typed(text.encode())
