"""A link that is lost under viewers is replaced, and none of them is the wiser."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fault.aftermath import under_fault
from tests.page import Page, page
from tests.recording_screen import recording_screen
from tests.setup import (
    CONTINUOUS_UPDATES,
    COPY_RECT,
    CURSOR,
    DESKTOP_SIZE,
    EXTENDED_SIZE,
    FENCE,
    HEXTILE,
    LAST_RECT,
    RAW,
    TIGHT,
    TIGHT_PNG,
    USUAL,
    Running,
    Viewer,
    key,
    pointer,
    until,
)
from vncproxy.config.model import Limits
from vncproxy.simulator.faults import GatewayFault
from vncproxy.simulator.sabotage import Ending
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.usefixtures("idle_clock")

SMALL = SimulatorSettings(animated=False, width=320, height=240)
PSEUDO = (CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_SIZE)
SHIFT, ENTER = 0xFFE1, 0xFF0D
LOSSES = 20
SAME_PAUSE_S = 1e-6
"""The back-off's first pause: it doubles, and twenty losses are to take no minute."""


@asynccontextmanager
async def losing(folder: Path, cloud: SimulatorSettings = SMALL) -> AsyncIterator[Running]:
    """A daemon that hardly pauses before it replaces a link."""
    async with under_fault(folder, cloud=cloud, first_pause_s=SAME_PAUSE_S) as setup:
        yield setup


async def replaced(setup: Running, losses: int) -> None:
    """Wait until so many links have been lost, and another has come."""

    def so_many() -> bool:
        links = setup.log.getvalue().count('"link.opened"')
        return links == losses + 1 and len(setup.cloud.endings) == losses

    await until(so_many, f"loss {losses} and another link")


async def scroll(viewer: Viewer) -> None:
    """Make the guest copy a part of its screen, and draw some."""
    await viewer.send(*(key(down, ENTER) for down in (1, 0)))


async def redraw(viewer: Viewer) -> None:
    """Change the screen, and make the upstream send all of it."""
    await viewer.type("x")
    await viewer.send(viewer.request(0))


async def lose(
    setup: Running,
    viewers: Sequence[Viewer],
    number: int,
    after_bytes: int,
    provoke: Callable[[Viewer], Awaitable[None]],
) -> None:
    """Lose a link after so many further bytes, and see everything right on the next."""
    assert setup.cloud.strike(GatewayFault.reset_after(after_bytes))
    while len(setup.cloud.endings) < number:
        await provoke(viewers[0])
        await asyncio.sleep(0.01)
    await replaced(setup, number)
    await until(lambda: all(map(setup.shows, viewers)), f"the picture after loss {number}")
    typed = len(setup.cloud.typed)
    await viewers[0].type("y")
    await until(lambda: len(setup.cloud.typed) == typed + 2, "a key on the next link")
    await until(lambda: all(map(setup.shows, viewers)), f"a change after loss {number}")


@pytest.mark.parametrize(
    ("encodings", "largest"),
    [
        pytest.param((RAW, COPY_RECT, *PSEUDO), 310_000, id="raw"),
        pytest.param((TIGHT, COPY_RECT, *PSEUDO), 9_000, id="tight"),
        pytest.param((TIGHT_PNG, COPY_RECT, *PSEUDO), 9_000, id="tight-png"),
        pytest.param((HEXTILE, COPY_RECT, *PSEUDO), 8_000, id="hextile"),
    ],
)
async def test_twenty_losses_at_any_byte_of_a_picture(
    tmp_path: Path, encodings: tuple[int, ...], largest: int
) -> None:
    """After each, viewers with and without fences show every pixel; their WebSockets stay open."""
    dice = random.Random(str(encodings))
    # Hextile is slow to pack and to walk.
    cloud = replace(SMALL, width=160, height=120) if HEXTILE in encodings else SMALL
    async with losing(tmp_path, cloud) as setup:
        viewers = [
            await setup.viewer(encodings=encodings),
            await setup.viewer(encodings=(*encodings, FENCE, CONTINUOUS_UPDATES)),
        ]
        await until(lambda: all(map(setup.shows, viewers)), "the first picture")
        for number in range(1, LOSSES + 1):
            await lose(setup, viewers, number, dice.randint(1, largest), redraw)
        assert viewers[0].decoder.encodings[encodings[0]] > LOSSES
        assert not any(viewer.socket.closed for viewer in viewers)


async def test_twenty_losses_in_copies(tmp_path: Path) -> None:
    """A link is lost in the middle of CopyRect, or of what follows it in its update."""
    dice = random.Random(1)
    async with losing(tmp_path) as setup:
        viewers = [await setup.viewer(), await setup.viewer(encodings=(*USUAL, FENCE))]
        await until(lambda: all(map(setup.shows, viewers)), "the first picture")
        for _ in range(30):
            await scroll(viewers[0])
        await until(lambda: viewers[0].decoder.encodings[COPY_RECT], "a copy")
        await until(lambda: all(map(setup.shows, viewers)), "the scrolled picture")
        for number in range(1, LOSSES + 1):
            await lose(setup, viewers, number, dice.randint(1, 60), scroll)


async def test_twenty_losses_in_cursors(tmp_path: Path) -> None:
    """A link is lost in the first bytes after its handshake, where the cursor's shape comes."""
    dice = random.Random(2)
    opening_bytes = 12 + 2 + 4 + 24 + len("demo (i-bp1demo0000000000001)")
    async with losing(tmp_path) as setup:
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer) and viewer.decoder.cursor, "the first picture")
        shape = viewer.decoder.cursor
        cursors = viewer.decoder.encodings[CURSOR]
        for number in range(LOSSES):
            setup.cloud.gateway_faults.next(
                SMALL.instances[0].instance_id,
                GatewayFault.reset_after(opening_bytes + dice.randint(1, 900)),
            )
            if number == 0:
                setup.cloud.drop()
        await replaced(setup, LOSSES + 1)
        await until(lambda: setup.shows(viewer), "the picture")
        assert viewer.decoder.cursor == shape
        assert viewer.decoder.encodings[CURSOR] > cursors
        assert len(setup.cloud.dials) == LOSSES + 2


async def test_what_was_held_is_released_first(tmp_path: Path) -> None:
    """Shift and a mouse button that were down at the loss go up on the next link, first."""
    async with recording_screen() as screen:
        instance = SimulatedInstance(screen=screen.address)
        async with losing(tmp_path, SimulatorSettings(instances=(instance,))) as setup:
            viewer = await setup.viewer()
            await viewer.send(key(1, SHIFT), pointer(1, 5, 6))
            await until(lambda: pointer(1, 5, 6) in screen.received[0], "what is held")
            setup.cloud.drop(ending=Ending.RESET)
            releases = key(0, SHIFT) + pointer(0, 5, 6)
            await until(
                lambda: len(screen.received) > 1 and len(screen.received[1]) > len(releases),
                "the next link",
            )
            assert screen.received[1].startswith(releases)


async def away(setup: Running, on: Page) -> None:
    """Lose the link, and keep the next one from coming until the VncUrl's life is over."""
    await until(lambda: on.state.get("state") == "running", "the first link")
    setup.cloud.gateway_faults.next(SMALL.instances[0].instance_id, GatewayFault.hang())
    setup.cloud.drop()
    await until(lambda: on.state["state"] != "running", "the loss")


async def test_keys_without_a_link_are_discarded_and_counted(tmp_path: Path) -> None:
    """What is typed meanwhile never arrives, what was typed before does once; the page shows it."""
    limits = Limits(url_ttl=1.0)
    async with under_fault(
        tmp_path, cloud=SMALL, first_pause_s=SAME_PAUSE_S, limits=limits
    ) as setup:
        on = await page(setup)
        await until(lambda: setup.shows(on.viewer), "the first picture")
        await on.viewer.type("ab")
        await until(lambda: setup.cloud.typed_text == "ab", "the keys before")
        await away(setup, on)
        await on.viewer.type("cde")
        await on.viewer.send(pointer(1, 9, 9), pointer(0, 9, 9))
        await until(lambda: on.state["discarded_keys"] == 3, "the count")
        await until(lambda: on.state["state"] == "running", "the next link")
        await on.viewer.type("fg")
        await until(lambda: setup.cloud.typed_text == "abfg", "the keys after")
        await until(lambda: setup.shows(on.viewer), "the picture")
        assert not setup.cloud.pointed
        assert on.state["discarded_keys"] == 3
        assert on.state["saved"]["losses_survived"] == 1


async def test_a_size_that_changed_meanwhile_reaches_every_viewer(tmp_path: Path) -> None:
    """Each in the way that it knows; one that can't follow is closed with 4406, in words."""
    async with losing(tmp_path) as setup:
        able = [
            await setup.viewer(),
            await setup.viewer(encodings=(TIGHT, RAW, DESKTOP_SIZE)),
            await setup.viewer(encodings=(HEXTILE, COPY_RECT, EXTENDED_SIZE)),
            await setup.viewer(encodings=(*USUAL, FENCE, CONTINUOUS_UPDATES)),
        ]
        stuck = await setup.viewer(encodings=(TIGHT, RAW))
        await until(lambda: all(map(setup.shows, [*able, stuck])), "the first picture")
        setup.cloud.gateway_faults.next(SMALL.instances[0].instance_id, GatewayFault.refuse())
        setup.cloud.drop()
        assert setup.cloud.resize(400, 300)
        await until(lambda: all(map(setup.shows, able)), "the new size")
        assert await stuck.ended() == 4406
        assert not any(viewer.socket.closed for viewer in able)


async def test_a_size_that_changes_on_a_link_reaches_every_viewer(tmp_path: Path) -> None:
    """Larger, smaller and back, in the middle of a session."""
    async with losing(tmp_path) as setup:
        viewers = [
            await setup.viewer(),
            await setup.viewer(encodings=(TIGHT, RAW, DESKTOP_SIZE)),
            await setup.viewer(encodings=(*USUAL, FENCE, CONTINUOUS_UPDATES)),
        ]
        for width, height in ((500, 400), (100, 80), (320, 240)):
            assert setup.cloud.resize(width, height)
            await until(lambda: all(map(setup.shows, viewers)), "the new size")
