"""Several viewers on one link: each sees the whole picture, and none is in another's way."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from tests.animation import Animation, animation, number_in
from tests.fault.aftermath import dials, under_fault
from tests.line import line
from tests.setup import (
    CONTINUOUS_UPDATES,
    COPY_RECT,
    CURSOR,
    DESKTOP_SIZE,
    EXTENDED_SIZE,
    FENCE,
    HEXTILE,
    LAST_RECT,
    PIXELS,
    RAW,
    TIGHT,
    TIGHT_PNG,
    USUAL,
    Running,
    Viewer,
    key,
    set_encodings,
    until,
)
from vncproxy.config.model import Limits
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.usefixtures("idle_clock")

SMALL = SimulatorSettings(animated=False, width=320, height=240)
AHEAD = (*USUAL, FENCE, CONTINUOUS_UPDATES)
PIXELS_16 = struct.pack(">BBBBHHHBBBxxx", 16, 16, 0, 1, 31, 63, 31, 11, 5, 0)
ROUNDING = 8
"""How far five bits of a colour may be off eight."""
ENTER = 0xFF0D


async def test_viewers_with_different_encodings_share(tmp_path: Path) -> None:
    """Whatever each can show, each shows every pixel; one that joins late, too; one dial."""
    kinds: tuple[tuple[int, ...], ...] = (
        USUAL,
        (RAW,),
        (HEXTILE, COPY_RECT, DESKTOP_SIZE),
        (TIGHT_PNG, COPY_RECT, CURSOR, LAST_RECT),
        AHEAD,
        (TIGHT, FENCE, CONTINUOUS_UPDATES),
    )
    async with under_fault(tmp_path, cloud=SMALL) as setup:
        viewers: list[Viewer] = []
        for encodings in kinds:
            viewers.append(await setup.viewer(encodings=encodings))
            await viewers[0].type("hello")
            await viewers[0].send(key(1, ENTER), key(0, ENTER))
            await until(lambda: all(map(setup.shows, viewers)), "the same picture for all")
        for viewer, encodings in zip(viewers, kinds, strict=True):
            shown = {code for code in viewer.decoder.encodings if code >= 0 or code == TIGHT_PNG}
            assert shown <= {*encodings, RAW}
            if CURSOR not in encodings:
                assert viewer.decoder.cursor is None
        assert dials(setup) == ["accepted"]


async def test_a_late_viewer_shares_tight_streams(tmp_path: Path) -> None:
    """It has missed their past, and sees every change all the same, as the others do."""
    only_tight = (TIGHT, COPY_RECT, LAST_RECT)
    async with under_fault(tmp_path, cloud=SMALL) as setup:
        viewers = [await setup.viewer(encodings=only_tight)]
        for _ in range(4):
            await viewers[0].type("abc")
            await until(lambda: all(map(setup.shows, viewers)), "the same picture for all")
            viewers.append(await setup.viewer(encodings=only_tight))
            await until(lambda: all(map(setup.shows, viewers)), "the same picture for all")
        assert not any(viewer.decoder.encodings[RAW] for viewer in viewers)


def shows_roughly(setup: Running, viewer: Viewer) -> bool:
    """Whether it shows the picture but for what 16 bits can't say."""
    width, height = setup.cloud.screen_size()
    truth = np.frombuffer(setup.cloud.framebuffer(), np.uint8).reshape(height, width, 3)
    off = np.abs(viewer.decoder.frame.astype(int) - truth)
    return bool(viewer.decoder.painted.all() and off.max() <= ROUNDING)


async def change_format(
    viewer: Viewer, pixels: bytes, change: Callable[[], Awaitable[None]]
) -> None:
    """SetPixelFormat as TigerVNC sends it, at a point from which on all is in the new format.

    Args:
        viewer: Changes its format.
        pixels: The new PIXEL_FORMAT.
        change: Changes the screen, so that an update comes.
    """
    viewer.requests_itself = False
    await change()
    viewer.decoder.painted[:] = False
    wish = b"\0\0\0\0" + pixels
    if viewer.continuous:
        area = (0, 0, *viewer.decoder.size)
        off, on = (struct.pack(">BBHHHH", 150, enabled, *area) for enabled in (0, 1))
        viewer.decoder.format_after_end = pixels
        await viewer.send(off, wish, on, viewer.request(0))
        return
    await until(lambda: viewer.idle, "an end of what was asked for")
    viewer.decoder.set_format(pixels)
    await viewer.send(wish, viewer.request(0))
    viewer.requests_itself = True


@pytest.mark.parametrize("more", [(), (FENCE, CONTINUOUS_UPDATES)])
async def test_the_sole_viewer_sets_the_format_in_mid_session(
    tmp_path: Path, more: tuple[int, ...]
) -> None:
    """To 16 bits and back, while the screen changes; never with a request outstanding upstream."""
    encodings = (HEXTILE, COPY_RECT, CURSOR, LAST_RECT, EXTENDED_SIZE, *more)
    async with under_fault(tmp_path, cloud=SMALL) as setup:
        viewer = await setup.viewer(encodings=encodings)
        await until(lambda: setup.shows(viewer), "the first picture")
        for pixels, shown in ((PIXELS_16, shows_roughly), (PIXELS, Running.shows)) * 3:
            await change_format(viewer, pixels, partial(viewer.type, "x"))
            await until(lambda: shown(setup, viewer), "the picture")  # noqa: B023
            await viewer.type("y")
            await until(lambda: shown(setup, viewer), "a change")  # noqa: B023
        assert setup.cloud.messages["set-pixel-format"] == 7
        assert not setup.cloud.breaches


async def test_another_format_is_refused_while_others_are_on(tmp_path: Path) -> None:
    """4406, in words, and nobody else notices; once alone, a viewer may have its own."""
    async with under_fault(tmp_path, cloud=SMALL) as setup:
        first = await setup.viewer(encodings=(HEXTILE,))
        await until(lambda: setup.shows(first), "the picture")
        for _ in range(2):
            other = await setup.connect()
            await other.shake_hands()
            await other.send(b"\0\0\0\0" + PIXELS_16, set_encodings((HEXTILE,)), other.request(0))
            other.read_on()
            assert await other.ended() == 4406
        await first.type("x")
        await until(lambda: setup.cloud.typed_text == "x" and setup.shows(first), "the key")
        await first.close()
        alone = await setup.connect()
        await alone.shake_hands()
        alone.decoder.set_format(PIXELS_16)
        await alone.send(b"\0\0\0\0" + PIXELS_16, set_encodings((HEXTILE,)), alone.request(0))
        alone.read_on()
        await until(lambda: shows_roughly(setup, alone), "the picture in 16 bits")
        assert "another pixel format" in setup.log.getvalue()
        assert dials(setup) == ["accepted"]


NATIVE = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
BIG_ENDIAN = struct.pack(">BBBBHHHBBBxxx", 32, 24, 1, 1, 255, 255, 255, 16, 8, 0)
BIG_AS_LITTLE = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 8, 16, 24)
"""How a decoder of little-endian pixels reads the same bytes."""


@pytest.mark.parametrize(
    "encodings", [(TIGHT, COPY_RECT, CURSOR), (HEXTILE, CURSOR), (RAW, CURSOR)]
)
async def test_the_same_colours_in_other_bytes_share(
    tmp_path: Path, encodings: tuple[int, ...]
) -> None:
    """As native viewers and browsers ask for them: each sees every pixel, all at once or alone."""
    async with under_fault(tmp_path, cloud=SMALL) as setup:
        first = await setup.viewer(encodings=encodings)
        await until(lambda: setup.shows(first), "the picture")
        viewers = [first]
        for pixels, read_as in ((NATIVE, NATIVE), (BIG_ENDIAN, BIG_AS_LITTLE), (PIXELS, PIXELS)):
            other = await setup.connect()
            await other.shake_hands()
            other.decoder.set_format(read_as)
            await other.send(b"\0\0\0\0" + pixels, set_encodings(encodings), other.request(0))
            other.read_on()
            viewers.append(other)
            await until(lambda: all(map(setup.shows, viewers)), "the same picture for all")
            await first.type("x")
            await until(lambda: all(map(setup.shows, viewers)), "the same change for all")
        await until(lambda: all(viewer.decoder.cursor for viewer in viewers), "the cursor")
        assert setup.cloud.messages["set-pixel-format"] == 1
        for viewer in viewers[1:]:
            await viewer.close()
        await first.type("y")
        await until(lambda: setup.shows(first), "the picture of the one that stays")
        assert first.decoder.encodings[encodings[0]]
        await first.close()
        last = await setup.connect()
        await last.shake_hands()
        last.decoder.set_format(NATIVE)
        await last.send(b"\0\0\0\0" + NATIVE, set_encodings(encodings), last.request(0))
        last.read_on()
        await until(lambda: setup.shows(last), "the picture of one that is alone")
        assert setup.cloud.messages["set-pixel-format"] == 2


async def test_no_more_viewers_than_allowed(tmp_path: Path) -> None:
    """The next is refused with 429 before the upgrade; a place that is left can be had."""
    limits = Limits(max_viewers=3)
    async with under_fault(tmp_path, cloud=SMALL, limits=limits) as setup:
        viewers = [await setup.viewer() for _ in range(3)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await setup.connect()
        assert refusal.value.status == 429
        assert refusal.value.headers is not None
        assert int(refusal.value.headers["Retry-After"]) > 0
        admission = f"{setup.base}/api/v1/consoles/{setup.alias}/admission"
        async with setup.http.get(admission) as answer:
            assert answer.status == 429
            assert (await answer.json())["error"]["word"] == "too-many-viewers"
        await viewers.pop().close()
        viewers.append(await setup.viewer())
        await until(lambda: all(map(setup.shows, viewers)), "the picture for all")


async def test_the_last_place_has_its_control_channel(tmp_path: Path) -> None:
    """A page that is on is no viewer too many for its own second WebSocket."""
    limits = Limits(max_viewers=1)
    async with under_fault(tmp_path, cloud=SMALL, limits=limits) as setup:
        async with setup.http.get(
            f"{setup.base}/api/v1/consoles/{setup.alias}/admission"
        ) as answer:
            ticket = (await answer.json())["ticket"]
        await setup.viewer(f"?ticket={ticket}")
        url = f"{setup.base}/control/{setup.alias}?ticket={ticket}"
        async with setup.http.ws_connect(url) as channel:
            assert (await channel.receive_json())["type"] == "state"


async def test_as_many_at_once_as_allowed(tmp_path: Path) -> None:
    """Of twelve that come in the same moment, the daemon lets in five."""
    limits = Limits(max_viewers=5)
    async with under_fault(tmp_path, cloud=SMALL, limits=limits) as setup:
        comings = [setup.connect() for _ in range(12)]
        results = await asyncio.gather(*comings, return_exceptions=True)
        refused = [one for one in results if isinstance(one, aiohttp.WSServerHandshakeError)]
        assert {one.status for one in refused} == {429}
        assert len(results) - len(refused) == 5


@asynccontextmanager
async def moving(
    folder: Path, limits: Limits | None = None, *, per_s: float = 30.0, **size: int
) -> AsyncIterator[tuple[Running, Animation]]:
    """A daemon whose console shows an animation."""
    async with animation(per_s=per_s, **size) as screen:
        cloud = SimulatorSettings(
            instances=(SimulatedInstance(screen=screen.address),), frame_bytes=65536
        )
        async with under_fault(folder, cloud=cloud, limits=limits) as setup:
            yield setup, screen


def still(screen: Animation, viewer: Viewer) -> bool:
    """Whether a viewer shows the animation's last picture."""
    return bool(np.array_equal(viewer.decoder.frame, screen.pixels()))


async def seen(viewer: Viewer, updates: int) -> None:
    """Wait until a viewer has had so many more updates."""
    enough = viewer.decoder.updates + updates
    await until(lambda: viewer.decoder.updates >= enough, f"{updates} updates")


@pytest.mark.parametrize(
    "encodings", [pytest.param(USUAL, id="requests"), pytest.param(AHEAD, id="continuous")]
)
async def test_a_slow_viewer_skips_and_slows_nobody(
    tmp_path: Path, encodings: tuple[int, ...]
) -> None:
    """At 250 kB/s it has a few of the pictures of the one beside it, and is never far behind."""
    async with (
        moving(tmp_path) as (setup, screen),
        line(setup.daemon.servers[0].port, bytes_per_s=250e3) as thin,
    ):
        fast = await setup.viewer(encodings=AHEAD)
        slow = await setup.viewer(encodings=encodings, base=thin.base)
        await until(slow.decoder.painted.all, "the slow one's first picture")
        before, fast_before = slow.decoder.updates, fast.decoder.updates
        await seen(fast, 40)
        others = fast.decoder.updates - fast_before
        assert slow.decoder.updates - before < others / 2
        await seen(slow, 2)
        # Pictures of 58 kB take 0.25 s each: one under way, and one that waits.
        assert screen.number - number_in(slow.decoder.frame) < 4 * 30
        screen.freeze()
        await until(lambda: still(screen, fast) and still(screen, slow), "the last picture")
        assert dials(setup) == ["accepted"]


async def test_a_viewer_that_reads_nothing_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4413 after slow_viewer_timeout; the others go on all the while."""
    # It won't read its farewell either.
    monkeypatch.setattr("vncproxy.websocket.browser_transport.CLOSE_TIMEOUT_S", 0.2)
    limits = Limits(slow_viewer_timeout=1.0, ping_interval=60.0, ping_timeout=60.0)
    async with (
        moving(tmp_path, limits) as (setup, screen),
        line(setup.daemon.servers[0].port, bytes_per_s=10e6) as first_line,
        line(setup.daemon.servers[0].port, bytes_per_s=10e6) as second_line,
    ):
        fast = await setup.viewer(encodings=AHEAD)
        stuck = await setup.viewer(encodings=AHEAD, base=first_line.base)
        await until(lambda: stuck.continuous, "continuous updates")
        first_line.held = True
        await until(lambda: closings(setup) == [4413], "the end of who reads nothing")
        await seen(fast, 10)
        # One that asks for everything again and again fills its queue instead.
        greedy = await setup.viewer(encodings=(RAW,), base=second_line.base)
        await seen(greedy, 3)
        second_line.held = True
        for _ in range(200):
            await greedy.send(greedy.request(0))
            await asyncio.sleep(0.01)
            if closings(setup) == [4413, 4413]:
                break
        await until(lambda: closings(setup) == [4413, 4413], "the end of the other")
        await seen(fast, 10)
        screen.freeze()
        await until(lambda: still(screen, fast), "the last picture")


def closings(setup: Running) -> list[int]:
    """The codes with which viewers were closed so far."""
    return [event["code"] for event in setup.events if event["event"] == "viewer.closed"]


async def test_updates_run_ahead_of_their_answers(tmp_path: Path) -> None:
    """With continuous updates a viewer that answers nothing yet has several under way, but no more
    than the window before anything was measured.
    """
    async with moving(tmp_path) as (setup, _):
        viewer = await setup.connect()
        await viewer.shake_hands()
        continuous = struct.pack(">BBHHHH", 150, 1, 0, 0, *viewer.decoder.size)
        await viewer.send(b"\0\0\0\0" + PIXELS, set_encodings((TIGHT, *AHEAD)), continuous)
        viewer.answers_fences = False
        viewer.requests_itself = False
        viewer.read_on()
        await until(lambda: viewer.decoder.updates >= 2, "updates that nobody asked for")
        await asyncio.sleep(0.5)
        size = viewer.decoder.frame.nbytes
        assert viewer.decoder.updates <= 128 * 1024 // size + 1


async def test_a_long_line_is_kept_full(tmp_path: Path) -> None:
    """With 100 ms each way, continuous updates bring many more pictures than requests can, and
    what is shown is fresh.
    """
    async with (
        moving(tmp_path, per_s=20.0) as (setup, screen),
        line(setup.daemon.servers[0].port, delay_s=0.1, bytes_per_s=20e6) as far,
    ):
        asking = await setup.viewer(base=far.base)
        ahead = await setup.viewer(encodings=AHEAD, base=far.base)
        await until(lambda: ahead.continuous and ahead.decoder.updates > 3, "a start")
        asked, had = asking.decoder.updates, ahead.decoder.updates
        await seen(ahead, 40)
        by_requests, ahead_updates = asking.decoder.updates - asked, ahead.decoder.updates - had
        assert ahead_updates > 1.5 * by_requests
        assert screen.number - number_in(ahead.decoder.frame) < 20
        screen.freeze()
        await until(lambda: still(screen, ahead) and still(screen, asking), "the last picture")
