"""A browser tab on the daemon's pages: what it shows, and what its WebSockets carried."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import (
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    ViewportSize,
    WebSocket,
    expect,
)
from playwright.async_api import TimeoutError as NotInTime

from tests.real.peers.browser import Browser, pixels
from tests.real.peers.process import until
from tests.setup import WAIT_S, Running, running
from tests.setup import until as until_true

SHOTS_VARIABLE = "TESTS_SHOTS"
CANVAS = "#screen canvas"
_SAYS = """([title, ...more]) => {
    const card = document.querySelector('#message'), text = card?.textContent ?? '';
    return document.querySelector('#veil')?.hidden === false
        && card.querySelector('h2').textContent === title && more.every(t => text.includes(t));
}"""
_TELLS_CARDS = """addEventListener('DOMContentLoaded', () => {
    const veil = document.querySelector('#veil');
    const tell = () => veil.hidden || console.debug(
        'card', veil.querySelector('h2').textContent, veil.textContent);
    veil && new MutationObserver(tell).observe(
        veil, { attributes: true, characterData: true, childList: true, subtree: true });
})"""
_RUNS = """() => document.querySelector('#veil')?.hidden
    && document.querySelector('#state').textContent.startsWith('Connected')"""
expect.set_options(timeout=WAIT_S * 1000)
KEY_PAUSE_MS = 40
PHONE: ViewportSize = {"width": 390, "height": 844}


@dataclass
class SocketFrames:
    """One WebSocket of the page: its address and all its frames."""

    url: str
    sent: list[bytes] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)


@dataclass
class Tab:
    """One page, with what its WebSockets carried; a text is found with `says`.

    `asked` has the kinds of dialogs that came up, `may_leave` the answer to them.
    """

    page: Page
    browser: Browser
    shots: Path
    sockets: list[SocketFrames] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    may_leave: bool = True

    @classmethod
    async def opened(cls, browser: Browser, folder: Path) -> Tab:
        """A new tab.

        Args:
            browser: With a profile of its own.
            folder: For pictures, unless TESTS_SHOTS names another.
        """
        shots = Path(os.environ.get(SHOTS_VARIABLE) or folder)
        shots.mkdir(parents=True, exist_ok=True)
        tab = cls(await browser.page(), browser, shots)
        tab.page.on("websocket", tab._opened)
        tab.page.on("console", tab._showed)
        await tab.page.add_init_script(_TELLS_CARDS)
        # A page that controls a console asks whether it is to be left.
        tab.page.on("dialog", tab._leaves)
        return tab

    async def _leaves(self, dialog: Dialog) -> None:
        self.asked.append(dialog.type)
        await (dialog.accept() if self.may_leave else dialog.dismiss())

    def _showed(self, message: ConsoleMessage) -> None:
        if message.type == "debug":
            self.cards.append(message.text)

    def _opened(self, socket: WebSocket) -> None:
        frames = SocketFrames(socket.url)
        self.sockets.append(frames)
        socket.on("framesent", lambda data: frames.sent.append(_bytes(data)))
        socket.on("framereceived", lambda data: frames.received.append(_bytes(data)))

    @property
    def streams(self) -> list[SocketFrames]:
        """The RFB streams."""
        return [socket for socket in self.sockets if "/websockify/" in socket.url]

    @property
    def card(self) -> Locator:
        """The card over the screen."""
        return self.page.locator("#message")

    def button(self, name: str) -> Locator:
        """A button by what is written on it."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def open(self, address: str) -> None:
        """Go there."""
        await self.page.goto(address)

    @asynccontextmanager
    async def on_a_console(self, folder: Path, **how: Any) -> AsyncIterator[Running]:
        """A daemon (see `tests.setup.running`) whose console this tab shows, until the end."""
        async with running(folder, **how) as setup:
            await self.open(f"{setup.base}/console/{setup.alias}")
            try:
                yield setup
            finally:
                # Before the daemon: the page would miss it, and complain.
                await self.open("about:blank")

    async def says(self, title: str, *more: str) -> None:
        """Wait until the card has this title, and holds the other texts."""
        if not await self._comes(_SAYS, title, *more):
            await expect(self.page.locator("#message-title")).to_have_text(title, timeout=1)
            for text in more:
                await expect(self.card).to_contain_text(text, timeout=1)

    async def said(self, title: str, *more: str) -> None:
        """Wait until the card has had this title, and held the other texts.

        For what the page leaves by itself: it may say something else by now.
        """

        def told() -> bool:
            return any(
                card.startswith(f"card {title} ") and all(text in card for text in more)
                for card in self.cards
            )

        await until_true(told, f"a card {title!r}")

    async def runs(self) -> None:
        """Wait until the screen is shown, with no card over it."""
        if not await self._comes(_RUNS):
            await expect(self.page.locator("#veil")).to_be_hidden(timeout=1)
            await expect(self.page.locator("#state")).to_contain_text("Connected", timeout=1)

    async def _comes(self, condition: str, *texts: str) -> bool:
        """Whether it holds in time; looked at with every frame, where `expect` would doze."""
        try:
            await self.page.wait_for_function(condition, arg=texts, timeout=WAIT_S * 1000)
        except NotInTime:
            return False
        return True

    async def picture(self) -> NDArray[np.uint8]:
        """The instance's screen in the page, in its own pixels."""
        return await pixels(self.page, CANVAS)

    async def shows(self, truth: Callable[[], Awaitable[NDArray[np.uint8]]]) -> None:
        """Wait until the screen in the page is `truth`, every pixel."""

        async def same() -> bool:
            return np.array_equal(await self.picture(), await truth())

        await until(same, "the page shows the same picture")

    async def type(self, text: str) -> None:
        """Press the keys of a text, at a pace that a guest keeps up with; a capital with Shift."""
        for character in text:
            shifted = character.isupper()
            await self.page.keyboard.press(
                f"Shift+{character}" if shifted else character, delay=KEY_PAUSE_MS
            )

    async def at(self, x: int, y: int) -> tuple[float, float]:
        """Where in the window a pixel of the instance's screen is."""
        box = await self.page.locator(CANVAS).bounding_box()
        assert box is not None, "the canvas is shown"
        height, width = (await self.picture()).shape[:2]
        return box["x"] + (x + 0.5) * box["width"] / width, box["y"] + (y + 0.5) * box[
            "height"
        ] / height

    async def shoot(self, name: str, *, phone: bool = False) -> None:
        """Keep a light and a dark picture of the window, where TESTS_SHOTS asks for them.

        Args:
            name: The file's, without the ending.
            phone: In the size of a phone's window, too.
        """
        if SHOTS_VARIABLE not in os.environ:
            return
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            await self.page.emulate_media(color_scheme=scheme)
            path = self.shots / f"{name}-{scheme}.png"
            await self.page.screenshot(path=path, animations="disabled")
        if phone:
            window = self.page.viewport_size
            assert window is not None, "a window of a size"
            await self.page.set_viewport_size(PHONE)
            await self.shoot(f"{name}-phone")
            await self.page.set_viewport_size(window)

    async def addresses(self) -> list[str]:
        """The addresses in the tab's history, its present one too."""
        session = await self.page.context.new_cdp_session(self.page)
        history = await session.send("Page.getNavigationHistory")
        await session.detach()
        return [entry["url"] for entry in history["entries"]]


def _bytes(data: Any) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


# noVNC itself reads a canvas back whenever its size changes, and Chromium would do that elsewhere.
_ITS_OWN = ("willReadFrequently",)


@asynccontextmanager
async def fresh_tab(browser: Browser, folder: Path) -> AsyncIterator[Tab]:
    """A new tab in which nothing goes wrong, but for complaints that hold a text of `expected`.

    A refused request and a broken WebSocket are reported by the browser, whatever a page does.
    """
    browser.complaints.clear()
    tab = await Tab.opened(browser, folder)
    try:
        yield tab
    finally:
        for page in browser.context.pages:
            await page.close()
    known = (*_ITS_OWN, *tab.expected)
    unexpected = [text for text in browser.complaints if not any(part in text for part in known)]
    assert not unexpected, unexpected
