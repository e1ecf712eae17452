"""Looking at instances in a browser, and starting and stopping them."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import expect

from tests.clock import ProcessClock
from tests.real.console_tab import fresh_tab
from tests.real.peers.browser import Browser
from tests.real.peers.qemu import qemu as start_qemu
from tests.setup import Running, running, until
from vncproxy.config.model import Aliyun, Instance, Pages, Rule
from vncproxy.simulator import PowerCall, SimulatedInstance, Simulator, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEMO, OFF = "i-bp1demo0000000000001", "i-bp1demo0000000000002"
STARTING_S = 600.0
"""Of the cloud's clock, where a test lets it pass."""
SETTINGS = SimulatorSettings(
    instances=(
        SimulatedInstance(DEMO, "demo"),
        SimulatedInstance(OFF, "off", status="Stopped"),
        SimulatedInstance("i-bp1demo0000000000003", "win", os_type="windows"),
    ),
    animated=False,
    stopping_s=0.3,
    starting_s=0.3,
    screenshot_pause_s=0.0,
)


@asynccontextmanager
async def site(folder: Path, **config: Any) -> AsyncIterator[Running]:
    """A daemon whose owner may start and stop instances."""
    async with (
        Simulator(SETTINGS) as cloud,
        running(
            folder,
            cloud=cloud,
            aliyun=Aliyun(endpoint=cloud.endpoint, power=True),
            instance=tuple(
                Instance(id=one.instance_id, alias=one.name, windows=one.os_type == "windows")
                for one in SETTINGS.instances
            ),
            **config,
        ) as setup,
    ):
        yield setup


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon asks for the status again soon, and for pictures."""
    monkeypatch.setattr("vncproxy.instances.power.STATUS_PAUSE_S", 0.05)
    monkeypatch.setattr("vncproxy.instances.screenshot_cache.PAUSE_S", 0.05)


async def test_looking_at_an_instance_opens_nothing(tmp_path: Path, chromium: Browser) -> None:
    """Its screen, its boot log, and why there is none; with pictures in the list."""
    async with (
        fresh_tab(chromium, tmp_path) as tab,
        site(tmp_path, pages=Pages(thumbnails=True)) as setup,
    ):
        page, cloud = tab.page, setup.cloud
        tab.expected.append("Failed to load resource")
        await tab.open(setup.base)
        pictures = page.locator(".thumb img")
        await expect(pictures.nth(0)).to_be_visible()
        await expect(pictures.nth(1)).to_be_hidden()
        await tab.shoot("look-list", phone=True)
        # The picture is kept while its row is built anew: whoever is on it stays there.
        thumb, star = page.locator(".thumb").nth(0), page.locator(".star").nth(0)
        await thumb.focus()
        await star.evaluate("one => one.click()")
        await expect(star).to_have_attribute("aria-pressed", "true")
        await expect(thumb).to_be_focused()

        await tab.button("Look at demo without opening its console").click()
        dialog = page.get_by_role("dialog")
        picture = dialog.get_by_role("img", name="Screen of demo")
        await expect(picture).to_be_visible()
        size = await picture.evaluate("one => [one.naturalWidth, one.naturalHeight]")
        assert tuple(size) == cloud.screen_size()
        await expect(dialog).to_contain_text("Seen at")
        await tab.shoot("look-screen", phone=True)
        async with page.expect_download() as download:
            await dialog.get_by_role("button", name="Save").click()
        saved = Path(await (await download.value).path())
        with Image.open(saved) as image:
            assert image.convert("RGB").tobytes() == cloud.framebuffer()

        await dialog.get_by_role("button", name="Boot log").click()
        log = dialog.locator(".look-log")
        await expect(log).to_contain_text("Started Journal Service.")
        await expect(dialog).to_contain_text("Last line of")
        assert "\x1b" not in await log.inner_text()
        await tab.shoot("look-boot-log", phone=True)
        await dialog.get_by_role("button", name="Close").click()
        # Nothing of the guest stays on the page.
        await expect(page.locator(".look-log")).to_have_text("")

        await tab.button("Look at off without opening its console").click()
        await expect(dialog).to_contain_text("isn't running, so there is no picture")
        await tab.shoot("look-refused", phone=True)
        await dialog.get_by_role("button", name="Close").click()
        await tab.button("Look at win without opening its console").click()
        await expect(dialog.get_by_role("img", name="Screen of win")).to_be_visible()
        await expect(dialog.get_by_role("button", name="Boot log")).to_be_hidden()
        assert len(cloud.dials) == 0
        await tab.open("about:blank")


async def test_power_from_the_list(tmp_path: Path, chromium: Browser) -> None:
    """Only what fits; a stop is asked about, and a Return too many does nothing."""
    async with fresh_tab(chromium, tmp_path) as tab, site(tmp_path) as setup:
        page, cloud = tab.page, setup.cloud
        await tab.open(setup.base)
        await tab.button("Power: start, stop or restart off").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("off is Stopped.")
        await expect(dialog.get_by_role("button")).to_have_text(["Start", "Close"])
        await tab.shoot("power-stopped", phone=True)
        await dialog.get_by_role("button", name="Start").click()
        await expect(dialog).to_contain_text("off is Running.")
        await dialog.get_by_role("button", name="Close").click()
        await expect(page.locator(".instance").nth(1)).to_contain_text("Running")

        await tab.button("Power: start, stop or restart demo").click()
        await expect(dialog.get_by_role("button", name="Restart")).to_be_visible()
        await tab.shoot("power-running", phone=True)
        await dialog.get_by_role("button", name="Stop").click()
        await expect(dialog).to_contain_text("Stop demo?")
        await tab.shoot("power-stop", phone=True)
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        await tab.button("Power: start, stop or restart demo").click()
        await dialog.get_by_role("button", name="Stop").click()
        await dialog.get_by_role("button", name="Stop it").click()
        await expect(dialog).to_contain_text("demo is Stopped.")
        assert list(cloud.powered) == [
            PowerCall(OFF, "StartInstance", False),
            PowerCall(DEMO, "StopInstance", False),
        ]
        await tab.open("about:blank")


async def test_a_restart_from_the_console_comes_back_by_itself(
    tmp_path: Path, chromium: Browser
) -> None:
    """The page stays, says what the instance does, and shows its new screen; forced by its name."""
    clock = ProcessClock()
    async with (
        fresh_tab(chromium, tmp_path) as tab,
        Simulator(replace(SETTINGS, starting_s=STARTING_S), clock=clock) as cloud,
        tab.on_a_console(
            tmp_path, cloud=cloud, aliyun=Aliyun(endpoint=cloud.endpoint, power=True)
        ) as setup,
    ):
        page = tab.page
        await tab.runs()
        await tab.button("Power").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Reset…").click()
        await expect(dialog).to_contain_text("pulled its plug")
        go = dialog.get_by_role("button", name="Reset it")
        await expect(go).to_be_disabled()
        await tab.shoot("power-reset", phone=True)
        await dialog.get_by_label("Type demo to go on").fill("demo")
        await go.click()
        await expect(dialog).to_be_hidden()
        await expect(page.locator("#notices")).to_contain_text("demo is being restarted")
        await tab.says("The instance is starting")
        await tab.shoot("power-console", phone=True)
        await clock.forward(STARTING_S)
        await tab.runs()
        await until(lambda: len(cloud.sessions) == 1, "the new session")
        assert list(cloud.powered) == [PowerCall(DEMO, "RebootInstance", True)]
        assert setup.daemon.components.registry.get(DEMO) is not None
        await expect(page.locator("#notices")).to_contain_text("demo is Running.")
        # What it was on the way is over.
        told = await page.locator(".notice p").all_inner_texts()
        assert [text for text in told if "demo" in text] == ["demo is Running."]
        await tab.shoot("power-done", phone=True)


async def test_what_the_cloud_does_not_know_can_only_be_opened(
    tmp_path: Path, chromium: Browser
) -> None:
    """Which says why not; there is nothing to start, and nothing to be seen."""
    gone = Instance(id="i-bp1gone0000000000001", alias="gone")
    demo = Instance(id=DEMO, alias="demo")
    async with fresh_tab(chromium, tmp_path) as tab, Simulator(SETTINGS) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, power=True)
        async with running(tmp_path, cloud=cloud, aliyun=aliyun, instance=(gone, demo)) as setup:
            await tab.open(setup.base)
            row = tab.page.locator(".instance").filter(has_text="Unknown to the cloud")
            await expect(row.locator(".instance-acts > *")).to_have_text(["Open"])
            row = tab.page.locator(".instance").filter(has_text="Running")
            await expect(row.locator(".instance-acts > *")).to_have_text(["Power", "Look", "Open"])
            await tab.shoot("unknown-to-the-cloud", phone=True)


async def test_power_on_a_console_goes_by_the_title_of_the_list(
    tmp_path: Path, chromium: Browser
) -> None:
    """An instance without an alias is called by its name in the cloud, also where that is typed."""
    async with fresh_tab(chromium, tmp_path) as tab, Simulator(SETTINGS) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, power=True, discover=True)
        async with running(tmp_path, cloud=cloud, aliyun=aliyun, instance=()) as setup:
            await tab.open(setup.base)
            title = await tab.page.locator(".instance h2").first.inner_text()
            assert title == "demo"
            await tab.open(f"{setup.base}/console/{DEMO}")
            await tab.runs()
            await tab.button("Power").click()
            dialog = tab.page.get_by_role("dialog")
            await expect(dialog.get_by_role("heading")).to_have_text(f"Power of {title}")
            await dialog.get_by_role("button", name="Reset…").click()
            await dialog.get_by_label(f"Type {title} to go on").fill(title)
            await expect(dialog.get_by_role("button", name="Reset it")).to_be_enabled()
            await tab.open("about:blank")


async def test_a_picture_of_the_console_has_its_own_size(tmp_path: Path, chromium: Browser) -> None:
    """However small it is shown, and to whoever may only watch; power isn't for them."""
    rule = Rule(users=("anyone",), instances=("*",), role="watch")
    async with (
        fresh_tab(chromium, tmp_path) as tab,
        tab.on_a_console(tmp_path, cloud=SETTINGS, rule=(rule,)) as setup,
    ):
        page = tab.page
        await page.set_viewport_size({"width": 700, "height": 500})
        await tab.runs()
        width, height = setup.cloud.screen_size()
        truth = np.frombuffer(setup.cloud.framebuffer(), np.uint8).reshape(height, width, 3)

        async def framebuffer() -> Any:
            return truth

        await tab.shows(framebuffer)
        await expect(page.locator("#power-button")).to_be_hidden()
        async with page.expect_download() as download:
            await page.locator("#snapshot-button").click()
        got = await download.value
        assert got.suggested_filename.startswith("demo-")
        with Image.open(io.BytesIO(Path(await got.path()).read_bytes())) as image:
            assert (image.format, image.size) == ("PNG", (width, height))
            assert np.array_equal(np.asarray(image.convert("RGB")), truth)


async def test_a_real_machine_restarts_and_comes_back_without_a_click(
    tmp_path: Path, chromium: Browser
) -> None:
    """The console says Stopping and Starting; then it is the machine's screen, booted anew."""
    switch = tmp_path / "switch"
    extra = ("-qmp", f"unix:{switch},server=on,wait=off")
    async with (
        fresh_tab(chromium, tmp_path) as tab,
        start_qemu(tmp_path / "q", extra=extra) as qemu,
    ):
        demo = SimulatedInstance(DEMO, "demo", screen=f"127.0.0.1:{qemu.vnc_port}", qmp=str(switch))
        # The status is asked for every 2 s.
        settings = replace(SETTINGS, instances=(demo,), stopping_s=4.0, starting_s=STARTING_S)
        clock = ProcessClock()
        async with (
            Simulator(settings, clock=clock) as cloud,
            tab.on_a_console(
                tmp_path, cloud=cloud, aliyun=Aliyun(endpoint=cloud.endpoint, power=True)
            ),
        ):
            page = tab.page
            await tab.runs()
            await tab.type("old")
            await qemu.wait_typed(b"old")
            await tab.shows(qemu.pixels)
            typed = await qemu.pixels()
            await tab.button("Power").click()
            dialog = page.get_by_role("dialog")
            await dialog.get_by_role("button", name="Restart").click()
            await dialog.get_by_role("button", name="Restart it").click()
            notices = page.locator("#notices")
            await expect(notices).to_contain_text("demo is Stopping.")
            await expect(notices).to_contain_text("demo is Starting.")
            await tab.says("The instance is starting")
            await clock.forward(STARTING_S)
            await tab.runs()
            await qemu.wait_booted(typed)
            await tab.type("new")
            await qemu.wait_typed(b"oldnew")
            await tab.shows(qemu.pixels)
            assert not np.array_equal(typed, await qemu.pixels())
            assert list(cloud.powered) == [PowerCall(DEMO, "RebootInstance", False)]
