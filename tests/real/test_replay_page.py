"""A recorded session, played in Chromium: the same pixels as the machine showed then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page, expect

from tests.real.console_tab import CANVAS, Tab
from tests.real.peers.browser import pixels
from tests.real.peers.process import until
from tests.real.peers.qemu import Qemu
from tests.recorded import everything, record_everybody, recordings
from tests.setup import WAIT_S, running
from tests.setup import until as until_sync
from tests.unit.recording.surroundings import new_file
from vncproxy.commands.replay import replay
from vncproxy.console import session_recordings
from vncproxy.recording.file_format import CHUNK_HEADER_BYTES, Kind
from vncproxy.recording.novnc_form import NOVNC
from vncproxy.recording.reader import Recording
from vncproxy.rfb.viewer_messages import framebuffer_update, rectangle_header, server_init
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKER = "wqxz"
"""Typed, and echoed by nobody in this order of messages: keys are eight bytes each."""
REFUSED = "status of 401"
MARGIN_S = 60.0
"""Behind a moment that is looked at: the screen's time and the recording's may differ."""
HOUR_S = 3600.0


class RecordingClock:
    """Stands in for the module `time`, and can be set forward."""

    def __init__(self) -> None:
        """The true time."""
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic() + self.ahead_s


@asynccontextmanager
async def replayed(path: Path) -> AsyncIterator[str]:
    """The address at which a recording is played."""
    lines: list[str] = []
    stop = asyncio.Event()
    serving = asyncio.ensure_future(replay(path, 0, lines.append, stop))
    await until_sync(lambda: lines or serving.done(), "the address")
    try:
        yield lines[0].split("open ")[1]
    finally:
        stop.set()
        await serving


async def seek(page: Page, time_ms: float) -> None:
    """Move the seek bar there, and wait for the picture."""
    await page.eval_on_selector(
        "#seek",
        "(bar, at) => { bar.value = at; bar.dispatchEvent(new Event('input')) }",
        time_ms,
    )
    await expect(page.locator("#stage")).not_to_have_class("stage waits")


async def shows(page: Page, truth: NDArray[np.uint8], what: str) -> None:
    """Wait until the page shows this picture, every pixel."""

    async def same() -> bool:
        return np.array_equal(await pixels(page, CANVAS), truth)

    await until(same, what)


async def test_a_machine_is_seen_again(
    tab: Tab, qemu: Qemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an hour, sought in any order, five moments have the pixels that QEMU had.

    What was typed isn't there.
    """
    record_everybody(monkeypatch, key_interval_s=0.5)
    # Of the recording alone: QEMU and the page live in the true time.
    clock = RecordingClock()
    monkeypatch.setattr(session_recordings, "time", clock)
    cloud = SimulatorSettings(instances=(SimulatedInstance(screen=f"127.0.0.1:{qemu.vnc_port}"),))
    moments: list[tuple[float, NDArray[np.uint8]]] = []
    async with tab.on_a_console(tmp_path, cloud=cloud) as setup:
        await tab.runs()
        await expect(tab.page.locator("#recorded")).to_be_visible()
        await tab.shoot("recorded-console")
        for text in ("ab", MARKER, "cd", "efg", "h"):
            await tab.type(text)
            await qemu.wait_typed(text.encode())
            await tab.shows(qemu.pixels)
            moments.append((time.time() + clock.ahead_s, await qemu.pixels()))
            clock.ahead_s += HOUR_S / 5
    [path] = recordings(tmp_path / "state")
    recording = Recording(path)
    assert recording.whole
    assert len(recording.blocks) >= 2
    assert HOUR_S <= recording.duration_ms / 1000 < HOUR_S + WAIT_S
    began = datetime.fromisoformat(recording.header.started_at).timestamp()
    recording.close()
    held = everything(path)
    # As messages, and as keysyms in a row.
    typed = [b"\x04\1\0\0" + ord(c).to_bytes(4, "big") for c in MARKER]
    assert not any(message in held for message in typed)
    assert MARKER.encode() not in held
    assert "recording.ended" in setup.log.getvalue()

    async with replayed(path) as address:
        page = tab.page
        await tab.open(address)
        await expect(page.locator("#veil")).to_be_hidden()
        await page.locator("#play").click()
        await expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
        for number in (1, 4, 0, 3, 2, 1):
            at_s, truth = moments[number]
            await seek(page, (at_s - began + MARGIN_S) * 1000)
            await shows(page, truth, f"moment {number}")
            await tab.shoot(f"replay-{number}")
        # Also where there is little room.
        await page.set_viewport_size({"width": 360, "height": 700})
        await expect(page.locator("#clock")).to_be_visible()
        await expect(page.locator("#clock")).to_contain_text("UTC")
        await expect(page.locator("#who")).to_be_visible()
        await tab.shoot("replay-narrow")
        # A click on the picture plays and pauses, and so does the space bar.
        await page.locator("#stage").click()
        await expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
        await page.keyboard.press(" ")
        await expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
        # Played on from the first moment, at speed and without idle times, it gets to the last.
        await seek(page, (moments[0][0] - began) * 1000)
        await page.locator("#speed").select_option("16")
        await page.locator("#skip").check()
        await page.locator("#play").click()
        await expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
        await shows(page, moments[4][1], "the end")
        await tab.open("about:blank")


async def test_only_who_has_the_address_sees_it(
    tab: Tab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another account of the machine gets the page, and nothing of the recording."""
    record_everybody(monkeypatch)
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        await until_sync(lambda: setup.shows(viewer), "the picture")
    [path] = recordings(tmp_path / "state")
    tab.expected.append(REFUSED)
    async with replayed(path) as address:
        await tab.open(address.split("#", maxsplit=1)[0])
        await tab.says("The recording can’t be opened", "the whole address")
        await tab.shoot("replay-refused")
        assert await tab.page.locator(CANVAS).count() == 0
        # The right address in the same tab changes only the fragment.
        await tab.page.goto(address)
        await expect(tab.page.locator("#play")).to_be_enabled()
        assert "#" not in tab.page.url
        await tab.page.reload()
        await expect(tab.page.locator("#play")).to_be_enabled()
        await tab.open("about:blank")


async def test_a_damaged_recording(tab: Tab, tmp_path: Path) -> None:
    """The page says so at once, shows where, and plays on with the next whole picture."""
    path = tmp_path / "one.vncrec"
    file = new_file(path)
    colours = (b"\x20\x80\x20\0", b"\x80\x20\x20\0", b"\x20\x20\x80\0")
    for number, colour in enumerate(colours):
        at_ms = 20_000 * number
        file.begin(at_ms, server_init(64, 48, NOVNC, "x"), whole=True, continues=number > 0)
        file.add(at_ms, Kind.KEY, [picture(64, 48, colour)])
        file.flush()
        file.add(at_ms + 10_000, Kind.LIVE, [picture(64, 10, b"\xff\xff\xff\0")])
    file.close(60_000)
    raw = bytearray(path.read_bytes())
    second = raw.index(b"BLOK", raw.index(b"BLOK") + 1)
    raw[second + CHUNK_HEADER_BYTES + 4] ^= 1
    path.write_bytes(raw)
    async with replayed(path) as address:
        page = tab.page
        await tab.open(address)
        await expect(page.locator("#cut")).to_have_text("Damaged")
        await expect(page.locator("#veil")).to_be_hidden()
        await expect(page.locator("#damaged")).to_be_hidden()
        assert await page.locator(".mark.damage").count() == 1
        await page.locator("#play").click()
        await seek(page, 25_000)
        await expect(page.locator("#damaged")).to_be_visible()
        # The last picture that is right stays.
        shown = await pixels(page, CANVAS)
        assert tuple(shown[40, 0][:3]) == (0x20, 0x80, 0x20)
        await tab.shoot("replay-damaged")
        await page.locator("#speed").select_option("16")
        await page.locator("#play").click()
        await expect(page.locator("#damaged")).to_be_hidden()
        await expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
        shown = await pixels(page, CANVAS)
        assert tuple(shown[40, 0][:3]) == (0x20, 0x20, 0x80)
        await tab.open("about:blank")


def picture(width: int, height: int, colour: bytes) -> bytes:
    """One update in one colour."""
    head = framebuffer_update(1) + rectangle_header(0, 0, width, height, 0)
    return head + colour * (width * height)
