"""QEMU's screen through the simulated cloud and the daemon, in Chromium and in our own decoder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.clock import IdleClock
from tests.real.console_tab import Tab
from tests.real.peers.process import until as until_async
from tests.real.peers.qemu import Qemu
from tests.real.peers.qemu import qemu as start_qemu
from tests.setup import (
    COPY_RECT,
    CURSOR,
    DESKTOP_SIZE,
    EXTENDED_SIZE,
    HEXTILE,
    LAST_RECT,
    RAW,
    TIGHT,
    TIGHT_PNG,
    Running,
    Viewer,
    pointer,
    running,
    until,
)
from vncproxy.config.model import Instance, Limits
from vncproxy.simulator import Simulator
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

IDLE_S = 2.0
STEP_S = 0.25
"""Less than the keepalive's interval, and far less than the idle limit."""
SHORT = Limits(idle_timeout=IDLE_S, keepalive_interval=0.5)
PASSWORD = "abc123"
PSEUDO = (CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_SIZE)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def locked_qemu(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Qemu]:
    """One machine with a VNC password for this file."""
    async with start_qemu(tmp_path_factory.mktemp("s") / "q", password=True) as machine:
        await machine.set_vnc_password(PASSWORD)
        yield machine


def screen_of(qemu: Qemu, **rules: object) -> SimulatorSettings:
    """A cloud that shows this machine."""
    instance = SimulatedInstance(screen=f"127.0.0.1:{qemu.vnc_port}")
    return SimulatorSettings(instances=(instance,), **rules)  # type: ignore[arg-type]


async def shows(viewer: Viewer, qemu: Qemu) -> None:
    """Wait until the viewer's picture is the machine's screen, every pixel."""

    async def same() -> bool:
        return viewer.decoder.at_boundary and np.array_equal(
            viewer.decoder.frame, await qemu.pixels()
        )

    await until_async(same, "the viewer shows the same picture")


async def moved(qemu: Qemu, tab: Tab, x: int, y: int) -> None:
    """Move the mouse there: the guest has seen it, so time may pass."""
    before = len(qemu.pointer_moves())
    await tab.page.mouse.move(*await tab.at(x, y))
    await until(lambda: len(qemu.pointer_moves()) > before, "the guest's pointer has moved")


def kept(setup: Running, dials: int = 1) -> None:
    """No rule of the cloud was broken, and no more dialled than meant."""
    assert not setup.cloud.breaches
    assert [dial.outcome for dial in setup.cloud.dials] == ["accepted"] * dials


async def outlives(setup: Running, clock: IdleClock, idle_limits: int) -> None:
    """The link stays for so many idle limits while nobody does anything."""
    ended = len(setup.cloud.endings)
    await clock.pass_by(idle_limits * setup.cloud.settings.idle_timeout_s, STEP_S)
    assert len(setup.cloud.endings) == ended
    assert setup.cloud.sessions == [DEMO_INSTANCE_ID]


def is_pointer(setup: Running, clock: IdleClock) -> Callable[[], Awaitable[bool]]:
    """Whether the pointer is what keeps the link; time passes each time this is asked."""

    async def asked() -> bool:
        await clock.forward(STEP_S)
        return (await setup.state()).get("keepalive") == "pointer"

    return asked


async def test_the_page_is_the_machines_screen_keyboard_and_mouse(
    qemu: Qemu, tab: Tab, tmp_path: Path
) -> None:
    """Every pixel is right, and keys, moves and clicks in the page reach the guest."""
    async with tab.on_a_console(tmp_path, cloud=screen_of(qemu)) as setup:
        await tab.runs()
        await tab.shows(qemu.pixels)
        await tab.shoot("qemu-running")
        await tab.type("Hello 7")
        await qemu.wait_typed(b"Hello 7")
        await tab.shows(qemu.pixels)
        await until(lambda: not qemu.keys_down(), "the last key's release")

        before = len(qemu.pointer_moves())
        await tab.page.mouse.move(*await tab.at(100, 50))
        await tab.page.mouse.move(*await tab.at(140, 80))
        await tab.page.mouse.down()
        await tab.page.mouse.up()
        await tab.page.mouse.down(button="right")
        await tab.page.mouse.up(button="right")
        clicks = [("left", True), ("left", False), ("right", True), ("right", False)]
        await until(lambda: qemu.button_events() == clicks, "the clicks")
        moves = qemu.pointer_moves()[before:]
        assert ("rel", "x", 40) in moves
        assert ("rel", "y", 30) in moves
        kept(setup)


async def test_ctrl_alt_del_restarts_the_guest_under_the_page(
    short_path: Path, tab: Tab, tmp_path: Path
) -> None:
    """The button's keys arrive together, and the page follows the screen through its sizes."""
    async with (
        start_qemu(short_path / "q") as qemu,
        tab.on_a_console(tmp_path, cloud=screen_of(qemu)) as setup,
    ):
        fresh = await qemu.pixels()
        await tab.runs()
        await tab.type("x")
        await qemu.wait_typed(b"x")
        await tab.shows(qemu.pixels)
        await tab.button("Ctrl+Alt+Del").click()
        keys = [("ctrl", True), ("alt", True), ("delete", True)]
        keys += [(name, False) for name, _ in reversed(keys)]
        await until(lambda: qemu.key_events()[2:] == keys, "the keys")

        async def is_fresh() -> bool:
            return np.array_equal(await qemu.pixels(), fresh)

        await until_async(is_fresh, "the guest boots again")
        await tab.shows(qemu.pixels)
        await tab.type("again")
        await qemu.wait_typed(b"xagain")
        await tab.shows(qemu.pixels)
        kept(setup)


async def test_an_idle_page_outlives_three_idle_limits(
    qemu: Qemu, tab: Tab, tmp_path: Path, idle_clock: IdleClock
) -> None:
    """Nobody touches anything: one dial, no breach, and the guest learns of nothing."""
    rules = screen_of(qemu, idle_timeout_s=IDLE_S)
    async with (
        Simulator(rules, clock=idle_clock) as cloud,
        tab.on_a_console(tmp_path, cloud=cloud, limits=SHORT) as setup,
    ):
        await tab.runs()
        await tab.shows(qemu.pixels)
        keys, moves = qemu.key_events(), qemu.pointer_moves()
        await outlives(setup, idle_clock, 3)
        await tab.runs()
        await tab.shows(qemu.pixels)
        assert (qemu.key_events(), qemu.pointer_moves()) == (keys, moves)
        assert (await setup.state())["keepalive"] == "any"
        await tab.type("awake")
        await qemu.wait_typed(b"awake")
        kept(setup)


async def test_an_idle_page_learns_that_only_input_counts(
    qemu: Qemu, tab: Tab, tmp_path: Path, idle_clock: IdleClock
) -> None:
    """After two losses at the idle limit the pointer is repeated, and a restart remembers it."""
    rules = screen_of(qemu, idle_timeout_s=IDLE_S, counts="input")
    async with Simulator(rules, clock=idle_clock) as cloud:
        async with tab.on_a_console(tmp_path, cloud=cloud, limits=SHORT) as setup:
            await tab.runs()
            await moved(qemu, tab, 100, 50)
            # While a slow browser began nothing moved, either.
            before = len(cloud.endings)
            await until_async(is_pointer(setup, idle_clock), "the pointer keeps the link")
            endings = [reason for _, reason in cloud.endings]
            assert set(endings) == {"idle"}, setup.events
            assert 2 <= len(endings) <= before + 2, setup.events
            await until(lambda: cloud.sessions, "the link is back")
            moves = len(qemu.pointer_moves())
            await outlives(setup, idle_clock, 3)
            await tab.runs()
            await tab.shows(qemu.pixels)
            # The same place again is no movement.
            assert {value for _, _, value in qemu.pointer_moves()[moves:]} == {0}
            kept(setup, dials=len(endings) + 1)
            await tab.page.locator("#details-button").click()
            await tab.shoot("keepalive-learned")
            details = await tab.page.locator("#details-panel").inner_text()
            assert "Pointer messages are sent" in details
            links = [event for event in setup.events if event["event"] == "link.opened"]
            assert (links[0]["keepalive"], links[-1]["keepalive"]) == ("any", "pointer")
            logged = [event for event in setup.events if event["event"] == "keepalive.kind"]
            assert logged[-1]["kind"] == "pointer"
            assert "links kept by update requests were closed" in logged[-1]["why"]
            async with setup.http.get(f"{setup.base}/metrics") as answer:
                metrics = await answer.text()
            assert 'vncproxy_keepalive_class_consoles{kind="pointer"} 1.0' in metrics
        async with tab.on_a_console(tmp_path, cloud=cloud, limits=SHORT) as setup:
            await tab.runs()
            await moved(qemu, tab, 120, 60)
            lost = len(cloud.endings)
            await until_async(is_pointer(setup, idle_clock), "the pointer keeps it at once")
            await outlives(setup, idle_clock, 3)
            kept(setup, dials=lost + 1)


@pytest.mark.parametrize(
    ("encodings", "expected"),
    [
        pytest.param((RAW,), RAW, id="raw"),
        pytest.param((HEXTILE, COPY_RECT, *PSEUDO), HEXTILE, id="hextile"),
        pytest.param((TIGHT, COPY_RECT, *PSEUDO), TIGHT, id="tight"),
        pytest.param((TIGHT_PNG, COPY_RECT, *PSEUDO), TIGHT_PNG, id="tight-png"),
    ],
)
async def test_every_encoding_is_the_machines_screen(
    qemu: Qemu, tmp_path: Path, encodings: Sequence[int], expected: int
) -> None:
    """A viewer that offers one encoding sees every pixel, before and after keys and moves."""
    async with running(tmp_path, cloud=screen_of(qemu)) as setup:
        viewer = await setup.viewer(encodings=encodings)
        await shows(viewer, qemu)
        assert viewer.decoder.encodings[expected]
        clicks = len(qemu.button_events())
        await viewer.type("k")
        await viewer.send(pointer(0, 10, 10), pointer(1, 30, 20), pointer(0, 30, 20))
        await until(lambda: len(qemu.button_events()) == clicks + 2, "the click")
        await qemu.send_key("z")
        await qemu.wait_typed(b"kz")
        await shows(viewer, qemu)
        pictures = {code for code in viewer.decoder.encodings if code >= 0 or code == TIGHT_PNG}
        assert pictures <= {*encodings, RAW}
        await until(lambda: not qemu.keys_down(), "the last key's release")
        kept(setup)


async def test_an_idle_viewer_outlives_three_idle_limits(
    qemu: Qemu, tmp_path: Path, idle_clock: IdleClock
) -> None:
    """A viewer that asks for nothing after its first picture keeps its link, too."""
    rules = screen_of(qemu, idle_timeout_s=IDLE_S)
    async with (
        Simulator(rules, clock=idle_clock) as cloud,
        running(tmp_path, cloud=cloud, limits=SHORT) as setup,
    ):
        viewer = await setup.viewer()
        await shows(viewer, qemu)
        viewer.requests_itself = False
        await outlives(setup, idle_clock, 3)
        kept(setup)


async def test_the_password_in_a_file_opens_the_console(locked_qemu: Qemu, tmp_path: Path) -> None:
    """The daemon answers the challenge; the viewer is asked for nothing."""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    configured = Instance(id=DEMO_INSTANCE_ID, alias="demo", password_file=file)
    async with running(tmp_path, cloud=screen_of(locked_qemu), instance=(configured,)) as setup:
        viewer = await setup.viewer()
        await shows(viewer, locked_qemu)
        kept(setup)
        assert PASSWORD not in setup.log.getvalue()


async def test_the_page_asks_for_the_password(locked_qemu: Qemu, tab: Tab, tmp_path: Path) -> None:
    """A wrong one is reported and asked for again; neither goes where a password must not be."""
    wrong = "zzz999"
    async with tab.on_a_console(tmp_path, cloud=screen_of(locked_qemu)) as setup:
        await tab.says("The VNC password is needed")
        await tab.shoot("password")
        field = tab.page.get_by_role("textbox", name="VNC password")
        await field.fill(wrong)
        await tab.button("Connect").click()
        await tab.says("The VNC password is needed", "The VNC password is wrong.")
        await tab.shoot("password-wrong")
        await field.fill(PASSWORD)
        await tab.button("Connect").click()
        await tab.runs()
        await tab.shows(locked_qemu.pixels)
        kept(setup, dials=3)

        # A lost link comes back with the password that is known now.
        setup.cloud.drop()
        await expect(tab.page.locator("#survived")).to_contain_text("1")
        await tab.runs()
        await tab.type("still")
        await locked_qemu.wait_typed(b"still")
        await tab.shows(locked_qemu.pixels)

        async with setup.http.get(f"{setup.base}/metrics") as answer:
            metrics = await answer.text()
        stream = b"".join(
            frame for socket in tab.streams for frame in socket.sent + socket.received
        )
        assert stream.startswith(b"RFB 003.008\n")
        addresses = await tab.addresses() + tab.browser.requests + [s.url for s in tab.sockets]
        page = await tab.page.content()
        for secret in (PASSWORD, wrong):
            assert secret.encode() not in stream
            assert secret not in setup.log.getvalue() + metrics + page + "".join(addresses)
