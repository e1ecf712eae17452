"""Chromium, as a user has it: a new profile, and everything that it complains about is kept."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Browser as Program
from playwright.async_api import BrowserContext, ConsoleMessage, Error, Page, async_playwright

from tests.real.peers.presence import need

PAGE_TIMEOUT_S = 60.0
CLOSE_TIMEOUT_S = 10.0

FLAGS = (
    "--no-sandbox",  # tests may run as root, where Chromium's sandbox refuses to start
    "--no-proxy-server",  # loopback only, whatever the environment says
    "--disable-dev-shm-usage",  # /dev/shm is small in containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--force-color-profile=srgb",  # pixels are compared
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]",
)


@dataclass
class Browser:
    """A browser with one profile; `complaints` are console errors, exceptions, CSP violations."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def page(self) -> Page:
        """A new tab that reports what goes wrong in it."""
        page = await self.context.new_page()
        page.on("console", self._logged)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        return page

    @property
    def csp_violations(self) -> list[str]:
        """The complaints about the Content-Security-Policy."""
        return [text for text in self.complaints if text.startswith("csp:")]

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def violated(self, text: str) -> None:
        """Keep a violation that the page's own event reports."""
        self.complaints.append(f"csp: {text}")


_WATCH_POLICY = """
addEventListener('securitypolicyviolation', e =>
    reportViolationToTest(`${e.effectiveDirective} ${e.blockedURI}`), true);
"""
_KEEP_STILL = """
{
    const still = new CSSStyleSheet();
    still.replaceSync('*, ::before, ::after { animation: none !important; }');
    document.adoptedStyleSheets.push(still);
}
"""
"""Without a GPU, the bar that says that something goes on takes half a processor while it moves."""


class Chromium:
    """A running program, which may have several profiles."""

    def __init__(self, program: Program) -> None:
        """Own it."""
        self._program = program

    @asynccontextmanager
    async def profile(
        self,
        *,
        width: int = 1000,
        height: int = 800,
        phone: bool = False,
        language: str | None = None,
    ) -> AsyncIterator[Browser]:
        """A new one.

        Args:
            width: Of the window, in pixels that aren't scaled.
            height: As `width`.
            phone: It has a touch screen instead of a mouse.
            language: Such as "zh-CN"; None: American English.
        """
        context = await self._program.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=1,
            has_touch=phone,
            is_mobile=phone,
            locale=language,
        )
        context.set_default_timeout(PAGE_TIMEOUT_S * 1000)
        browser = Browser(context)
        await context.expose_function("reportViolationToTest", browser.violated)
        await context.add_init_script(_WATCH_POLICY + _KEEP_STILL)
        try:
            yield browser
        finally:
            await _closed(context)


@asynccontextmanager
async def chromium(environ: Mapping[str, str] | None = None) -> AsyncIterator[Chromium]:
    """Chromium from the machine, without a window: the headless shell, which takes half the work.

    Args:
        environ: Of an X server, to have it with windows there.
    """
    name = "chromium-headless-shell" if environ is None else "chromium"
    path = need(name, name)
    async with async_playwright() as playwright:
        program = await playwright.chromium.launch(
            executable_path=path,
            headless=environ is None,
            args=list(FLAGS),
            env=dict(environ) if environ is not None else None,
        )
        try:
            yield Chromium(program)
        finally:
            await _closed(program)


async def _closed(one: BrowserContext | Program) -> None:
    """Close it; one that hangs must not keep the test from ending: playwright then kills it."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await one.close()
    except (TimeoutError, Error):
        pass


async def pixels(page: Page, selector: str = "canvas") -> NDArray[np.uint8]:
    """What is in a canvas, in its own pixels, as an array of height × width × RGB."""
    address = await page.eval_on_selector(selector, "c => c.toDataURL('image/png')")
    return picture(_decoded(address))


def picture(png: bytes) -> NDArray[np.uint8]:
    """A PNG, such as a screenshot, as an array of height × width × RGB."""
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def _decoded(data_url: str) -> bytes:
    return base64.b64decode(data_url.split(",", 1)[1])
