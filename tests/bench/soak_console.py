"""A console of a soak: who is on, what they do, and whether all is right once they are quiet."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
import msgspec
import numpy as np

from tests.bench.soak_keys import ConsoleKeys, PageKeys
from tests.decoder import DecodeError
from tests.page import Page
from tests.setup import (
    COPY_RECT,
    HEXTILE,
    RAW,
    TIGHT,
    USUAL,
    Closed,
    Viewer,
    connect,
    key,
    pointer,
    vanish,
)
from vncproxy.simulator.faults import GatewayFault, GatewayFaultKind, Step
from vncproxy.simulator.sabotage import Ending
from vncproxy.simulator.simulator import Simulator

KEPT_EVENTS = 40
OPENING_TIMEOUT_S = 8.0
"""A viewer that has no screen then goes and comes again."""
COUNT_TIMEOUT_S = 10.0
LOOK_INTERVAL_S = 0.2
_ENCODINGS = (USUAL, (RAW,), (TIGHT, COPY_RECT, -239, -223), (HEXTILE, RAW, -308, -239))
_SIZES = ((320, 240), (400, 300), (333, 251))
_LOST = (aiohttp.ClientError, Closed, TimeoutError, ConnectionError)


class Soak(Protocol):
    """What a console needs of the whole."""

    cloud: Simulator
    base: str
    life: int
    """Counts the daemon's lives; odd: it is starting."""
    silence: bool
    """Whether links may fall silent, too."""
    patience_s: float
    """How long a picture may take once all are quiet."""
    coming: asyncio.Semaphore
    """Pages that come at a time: they are one user's, who has so many tickets at most."""
    slowness: float
    """What the pauses between two steps of a console are multiplied with."""
    closes: Counter[int]
    """Viewers whom the daemon closed, by code."""

    def peer(self, number: int) -> aiohttp.ClientSession:
        """By which the pages of this console come."""

    def fault(self, console: str, text: str, events: Sequence[str]) -> None:
        """Something is wrong."""


@dataclass
class SoakPage(Page):
    """A page that numbers its keys."""

    keys: PageKeys = field(default_factory=PageKeys)
    on_control_lost: Callable[[PageKeys], None] = field(default=lambda _: None)
    passed_on: int | None = None
    """The daemon's last count of its keys."""

    async def _listen(self) -> None:
        async for message in self.channel:
            content = msgspec.json.decode(message.data)
            match content["type"]:
                case "state":
                    self.state = content
                case "viewers":
                    had = self.controls
                    self.on = content
                    if had and not self.controls:
                        self.on_control_lost(self.keys)
                    self.keys.control += self.controls and not had
                case "input-count":
                    # A press and a release for each.
                    self.passed_on = content["messages"] // 2

    @property
    def is_on(self) -> bool:
        """Whether neither side has closed it."""
        return not self.viewer.socket.closed and not self.channel.closed

    async def count(self) -> int | None:
        """The daemon's count of its keys; None: it gives none."""
        self.passed_on = None
        with suppress(*_LOST):
            await self.wish("count-input")
            async with asyncio.timeout(COUNT_TIMEOUT_S):
                while self.passed_on is None and self.is_on:
                    await asyncio.sleep(0.01)
        return self.passed_on


class SoakConsole:
    """One instance, its pages and what befalls it.

    Args:
        soak: The whole.
        number: This one's.
        name: Of the instance.
        instance_id: Of the instance.
        seed: Of what happens in all.
        seats: How many pages are on, more or less.
    """

    def __init__(
        self, soak: Soak, number: int, name: str, instance_id: str, seed: int, seats: int
    ) -> None:
        self.name = name
        self.instance_id = instance_id
        self.keys = ConsoleKeys(self.fault)
        self.pages: list[SoakPage] = []
        self.checks = 0
        self.slowest_check_s = 0.0
        self.is_frozen = False
        """Whether its link takes nothing any more: not even what keeps it open."""
        self._link = 0
        self._soak = soak
        self._number = number
        self._random = random.Random(seed + number)
        self._seats = seats
        self._by_pointer = (seed + number) % 4 == 3
        """Pages of this one move the pointer instead: it can't be told apart, so isn't counted."""
        self._events: deque[str] = deque(maxlen=KEPT_EVENTS)
        self._may_act = asyncio.Event()
        self._may_act.set()
        self._is_over = False
        self._steps = 0
        self._session: object = None

    def note(self, text: str) -> None:
        """Keep what happened, for when something is wrong."""
        self._events.append(f"{time.monotonic():.2f} {text}")

    def fault(self, text: str) -> None:
        """Something is wrong here."""
        self._soak.fault(self.name, text, list(self._events))

    def key_came(self, session: object, keysym: int, *, down: bool) -> None:
        """A key reached the instance in this session."""
        if session is not self._session:
            self._session = session
            self._link += 1
        self.keys.came(self._link, keysym, down=down)

    def link_ended(self, reason: str) -> None:
        """A session of this instance ended at the cloud."""
        self.note(f"the link ended: {reason}")
        self.is_frozen = False
        if not any(page.is_on for page in self.pages):
            # As the console, perhaps, for want of viewers: the next one counts anew.
            self.keys.not_countable()

    def daemon_lost(self) -> None:
        """The daemon was killed: its counts are gone."""
        self.note("the daemon is killed")
        self.keys.not_countable()

    async def run(self) -> None:
        """Live, until cancelled."""
        self._is_over = False
        self._may_act.set()
        async with asyncio.TaskGroup() as group:
            for number in range(self._seats):
                group.create_task(self._sit(view=number > 1 and self._random.random() < 0.3))
            group.create_task(self._be_hit())
            group.create_task(self._be_checked())

    async def rest(self) -> None:
        """Let what has begun be over; nothing else begins.

        A page that was amid its coming would stay without anybody to end it.
        """
        self._is_over = True
        self._may_act.clear()
        while self._steps:
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def leave(self) -> None:
        """Everybody goes."""
        for page in list(self.pages):
            await self._leave(page)

    async def _pause(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self._random.uniform(least_s, most_s) * self._soak.slowness)

    # Those who are on

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[None]:
        """Something that is over before all are quiet."""
        await self._may_act.wait()
        self._steps += 1
        try:
            yield
        finally:
            self._steps -= 1

    async def _sit(self, *, view: bool) -> None:
        while True:
            await self._pause(0.0, 0.5)
            async with self._step(), self._soak.coming:
                page = await self._join(view=view)
            while page is not None:
                await self._pause(0.05, 0.8)
                async with self._step():
                    if not await self._act(page):
                        page = None

    async def _join(self, *, view: bool) -> SoakPage | None:
        """A page that shows the screen, or None: it was refused, lost or had to wait for long."""
        soak, wishes = self._soak, "view=1" if view else ""
        http = soak.peer(self._number)
        viewer: Viewer | None = None
        channel: aiohttp.ClientWebSocketResponse | None = None
        try:
            async with asyncio.timeout(OPENING_TIMEOUT_S):
                path = f"{soak.base}/api/v1/consoles/{self.name}/admission?{wishes}"
                async with http.get(path) as answer:
                    if answer.status != 200:
                        self.note(f"admission: {answer.status}")
                        if answer.status not in (429, 502, 503):
                            self.fault(f"admission: {answer.status} {await answer.text()}")
                        return None
                    admission = await answer.json()
                query = f"?ticket={admission['ticket']}&{wishes}".rstrip("&")
                channel = await http.ws_connect(f"{soak.base}/control/{self.name}{query}")
                viewer = await connect(http, soak.base, self.name, query)
                await viewer.begin(self._random.choice(_ENCODINGS))
        except _LOST as error:
            self.note(f"not opened: {error!r}")
            self._note_end(viewer)
            await _close(viewer, channel)
            return None
        except BaseException:
            # Cancelled: nobody else would close them.
            await _close(viewer, channel)
            raise
        page = SoakPage(admission["viewer"], viewer, channel)
        page.on_control_lost = self.keys.control_lost
        page.listen()
        self.pages.append(page)
        self.note(f"{page.id} is on")
        return page

    async def _act(self, page: SoakPage) -> bool:
        """Do one thing; whether the page is still on."""
        if not page.is_on:
            self._note_end(page.viewer)
            await self._leave(page)
            return False
        chance = self._random.random()
        try:
            if chance < 0.06:
                await self._leave(page, abruptly=self._random.random() < 0.5)
                return False
            if chance < 0.1:
                await self._leave(page, counted=True)
                return False
            if chance < 0.16:
                page.viewer.reads.clear()
                await asyncio.sleep(self._random.uniform(0.3, 2.0))
                page.viewer.reads.set()
            elif chance < 0.22:
                await self._wish(page)
            elif page.controls:
                await self._type(page)
        except _LOST as error:
            self.note(f"{page.id}: {error!r}")
        finally:
            page.viewer.reads.set()
        return True

    async def _type(self, page: SoakPage) -> None:
        if self._by_pointer:
            width, height = page.viewer.decoder.size
            x, y = self._random.randrange(width), self._random.randrange(height)
            await page.viewer.send(pointer(0, x, y), pointer(1, x, y), pointer(0, x, y))
            return
        keysyms = [self.keys.number(page.keys) for _ in range(self._random.randint(1, 6))]
        pressed = [key(1, keysym) + key(0, keysym) for keysym in keysyms]
        if self._random.random() < 0.5:
            await page.viewer.send(*pressed)
        else:
            for one in pressed:
                await page.viewer.send(one)

    async def _wish(self, page: SoakPage) -> None:
        asking = [viewer["id"] for viewer in page.on.get("viewers", []) if viewer["asks"]]
        if page.controls and asking:
            kind = self._random.choice(("grant", "refuse"))
            self.note(f"{page.id} {kind}s control")
            await page.wish(kind, viewer=self._random.choice(asking))
        elif page.controls:
            self.note(f"{page.id} releases control")
            await page.wish("release")
        else:
            kind = self._random.choice(("request-control", "take"))
            self.note(f"{page.id}: {kind}")
            await page.wish(kind)

    async def _leave(
        self, page: SoakPage, *, counted: bool = False, abruptly: bool = False
    ) -> None:
        """Go: as a page that asks first what became of its keys, or as one whose machine died."""
        passed_on = await page.count() if counted and not page.keys.waiting else None
        if page not in self.pages:
            return
        self.pages.remove(page)
        self.keys.left(page.keys, passed_on)
        if not self.pages:
            # The daemon may close the console, and count anew in the next.
            self.keys.not_countable()
        if abruptly:
            for socket in (page.viewer.socket, page.channel):
                vanish(socket)
        page.viewer.reads.set()
        try:
            await page.leave()
        except DecodeError as error:
            self.fault(f"{page.id} was sent what no viewer can decode: {error}")
        except _LOST:
            pass
        self.note(f"{page.id} is gone")

    def _note_end(self, viewer: Viewer | None) -> None:
        """Count with which code the daemon closed it."""
        if viewer is not None and viewer.socket.closed:
            self._soak.closes[viewer.socket.close_code or 0] += 1
            self.note(f"closed: {viewer.socket.close_code}")

    # What befalls it

    async def _be_hit(self) -> None:
        """Lose the link, again and again."""
        while True:
            await asyncio.sleep(self._random.expovariate(1 / 9.0) * self._soak.slowness)
            # The simulator would go on where it was, without what it was sent meanwhile.
            if self._may_act.is_set() and not self.is_frozen:
                self._hit()

    def _hit(self) -> None:
        cloud, size = self._soak.cloud, self._random.randrange(30_000)
        choices: list[GatewayFault | Ending | Step | tuple[int, int]] = [
            GatewayFault.reset_after(size),
            GatewayFault.close_after(size),
            Ending.RESET,
            Ending.DROP,
            Ending.CLOSE,
            Ending.MALFORMED_CLOSE,
            self._random.choice(list(Step)),
            self._random.choice(_SIZES),
        ]
        if self._soak.silence:
            choices += [GatewayFault.stall_after(size), GatewayFault.freeze()]
        match self._random.choice(choices):
            case GatewayFault() as fault:
                struck = cloud.strike(fault, self.instance_id)
                self.is_frozen = struck and fault.kind is GatewayFaultKind.FREEZE
                what = f"{fault.kind} {fault.after_bytes}: {struck}"
            case Ending() as ending:
                what = f"{ending}: {cloud.drop(self.instance_id, ending)}"
            case Step() as step:
                for fault in (GatewayFault.close_at(step), GatewayFault.refuse()):
                    cloud.gateway_faults.next(self.instance_id, fault)
                what = f"the next dials fail, at {step} and at once"
            case width, height:
                what = f"{width}x{height}: {cloud.resize(width, height, self.instance_id)}"
        self.note(f"hit by {what}")

    # Whether all is right

    async def _be_checked(self) -> None:
        while True:
            await self._pause(2.0, 8.0)
            await self.check()

    async def check(self) -> None:
        """Let all be quiet, and see that every picture is right and every key is known."""
        self._may_act.clear()
        try:
            while self._steps:
                await asyncio.sleep(LOOK_INTERVAL_S)
            while self._soak.cloud.gateway_faults.take(self.instance_id) is not None:
                pass
            began, life = time.monotonic(), self._soak.life
            self.note("quiet")
            if await self._is_right(began, life):
                self.checks += any(page.is_on for page in self.pages)
                self.slowest_check_s = max(self.slowest_check_s, time.monotonic() - began)
                self.note("all is right")
        finally:
            if not self._is_over:
                self._may_act.set()

    async def _is_right(self, began: float, life: int) -> bool:
        """False: it couldn't be told, since the daemon was lost meanwhile."""
        deadline = began + self._soak.patience_s
        while (wrong := self._wrong_with_pictures()) or (wrong := await self._wrong_with_keys()):
            if life != self._soak.life or life % 2:
                return False
            if time.monotonic() > deadline:
                self.fault(f"{wrong}, after {self._soak.patience_s:g} s of quiet")
                return True
            await asyncio.sleep(LOOK_INTERVAL_S)
        return True

    def _wrong_with_pictures(self) -> str:
        """What a page shows that isn't so; "": nothing."""
        shown = [page for page in self.pages if page.is_on]
        for page in shown:
            if page.state.get("state") != "running":
                return f"{page.id} shows the state {page.state.get('state')}"
        if not shown:
            return ""
        width, height = self._soak.cloud.screen_size(self.instance_id)
        rgb = self._soak.cloud.framebuffer(self.instance_id)
        truth = np.frombuffer(rgb, np.uint8).reshape(height, width, 3)
        for page in shown:
            decoder = page.viewer.decoder
            if decoder.size != (width, height):
                return f"{page.id} shows {decoder.size} of a screen of {width}x{height}"
            wrong = int(np.any(decoder.frame != truth, axis=2).sum())
            if wrong or not decoder.painted.all() or not decoder.at_boundary:
                return f"{page.id} shows {wrong} wrong pixels"
        return ""

    async def _wrong_with_keys(self) -> str:
        """What is missing of the keys; "": nothing, and from here on it is counted anew."""
        shown = [page for page in self.pages if page.is_on]
        for page in [page for page in self.pages if page not in shown]:
            await self._leave(page)
        typing = next((page for page in shown if page.controls), None)
        if typing is not None and not self._by_pointer and not await self._types(typing):
            return f"a key of {typing.id} doesn't arrive"
        counts = [(page, await page.count()) for page in shown]
        known = [(page.keys, count) for page, count in counts if count is not None]
        if len(known) < len(self.pages):
            return "a page's keys aren't counted"
        discarded = max((page.state.get("discarded_keys", 0) for page in shown), default=0)
        if not self._by_pointer:
            if wrong := self.keys.wrong_with(known, discarded):
                return wrong
            self.keys.settle()
            self.keys.begin_anew(known, discarded)
        # The key that was sent may have changed what is on screen.
        return self._wrong_with_pictures()

    async def _types(self, page: SoakPage) -> bool:
        """Whether one more key arrives: all before it, by the same link, must have done so then."""
        with suppress(*_LOST):
            keysym = self.keys.number(page.keys)
            await page.viewer.send(key(1, keysym), key(0, keysym))
            async with asyncio.timeout(COUNT_TIMEOUT_S):
                while page.keys.waiting and page.is_on:
                    await asyncio.sleep(LOOK_INTERVAL_S)
        return not page.keys.waiting


async def _close(viewer: Viewer | None, channel: aiohttp.ClientWebSocketResponse | None) -> None:
    with suppress(*_LOST):
        if viewer is not None:
            await viewer.close()
        if channel is not None:
            await channel.close()
