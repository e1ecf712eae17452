"""A command on a console: a viewer as a page's is, with the screen's bytes and the control channel.

A link that is lost comes back without a word in the RFB stream, so what was sent is certain only
once the upstream has answered a request that followed it, and the daemon says that it went to the
link which is still up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from vncproxy.commands.console_screen import ConsoleScreen, LivePicture
from vncproxy.commands.daemon_client import ClientWebSocket, DaemonClient, WebSocketRefusedError
from vncproxy.commands.keyboard import keycode
from vncproxy.commands.keystrokes import Stroke
from vncproxy.errors import CloseCode, LocalError
from vncproxy.languages.text import Text
from vncproxy.rfb.client_messages import key_event, qemu_key_event
from vncproxy.tasks import Tasks

ANSWER_TIMEOUT_S = 60.0
"""For an answer of the upstream or the daemon: longer than the daemon waits before it gives up a
link that doesn't answer."""
ASKED_AGAIN_S = 2.0
"""Some servers take an update without a picture for the answer to a request, which is lost then."""
UNDER_WAY_MOST = 17
"""Updates that were asked for earlier: the daemon has up to 16 requests out where the upstream is
far away, and one may be merged with ours."""
LAST_WORDS_TIMEOUT_S = 1.0
"""One WebSocket has ended: how long the other one may take to say why."""
PICTURE_ASKED_AGAIN_S = 5.0
"""All of it, once more."""
HANDED_BACK_TIMEOUT_S = 2.0

_ASKS_FOR_IT = Text(
    "its VNC password is needed: name a password_file in the "
    "configuration, or open its console and give it there"
)
_OPAQUE = Text(
    "its server speaks a kind of VNC that vncproxy doesn't know: nothing can be sent or seen"
)


class LinkLostError(LocalError):
    """The link was interrupted, or everything ended, while something was to be sent."""


class ControlLostError(LocalError):
    """Somebody else controls the console now."""


@dataclass(frozen=True, slots=True)
class InputCount:
    """What of this viewer's input went upstream.

    Args:
        link: The number of the connection that is up.
        messages: So many, over all links.
    """

    link: int
    messages: int


def _about(alias: str, text: Text) -> Text:
    return Text("{alias}: {text}", alias=alias, text=text)


class ConsoleClient:
    """A viewer on a console. One task at a time uses it.

    Attributes:
        alias: The instance's.
        windows: Its system is Windows.
        may_control: Else it may only watch.
        screen: What it is shown.
    """

    def __init__(
        self,
        admission: dict[str, Any],
        control: ClientWebSocket,
        stream: ClientWebSocket,
        screen: ConsoleScreen,
    ) -> None:
        """For `console_client` only."""
        self.alias = str(admission["instance"]["alias"])
        self.windows = bool(admission["instance"]["windows"])
        self.may_control = bool(admission["may_control"])
        self.screen = screen
        self._id = str(admission["viewer"])
        self._control = control
        self._stream = stream
        self._news = asyncio.Event()
        self._state: dict[str, Any] = {}
        self._viewers: dict[str, Any] = {}
        self._notices: list[str] = []
        self._count: InputCount | None = None
        self._said_at_end = ""
        self._fault: LocalError | None = None
        self._end: str | None = None
        self._before = ""
        """Who had control, if it was asked for it."""

    # What comes

    async def listen(self, tasks: Tasks) -> None:
        """Take what comes until both WebSockets have ended.

        Args:
            tasks: The client's.
        """
        both = [
            tasks.start(self._read_control(), "control"),
            tasks.start(self._read_stream(), "stream"),
        ]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(both, timeout=LAST_WORDS_TIMEOUT_S)
        self._end = self._said_at_end or self._why_ended()
        self._news.set()

    def _why_ended(self) -> str:
        if self._error:
            return self._error
        codes = [self._stream.close_code or 1006, self._control.close_code or 1006]
        # 1006 is nobody's word: the other one may have one.
        code = max(codes, key=lambda one: (one in set(CloseCode), one))
        if code not in set(CloseCode):
            return Text("the daemon closed the console ({code})", code=code)
        word = CloseCode(code).word
        return Text("the daemon closed the console: {word} ({code})", word=word, code=code)

    @property
    def _error(self) -> str:
        """Why there is no link, in words."""
        error = self._state.get("error")
        return str(error.get("text") or "") if isinstance(error, dict) else ""

    async def _read_control(self) -> None:
        async for message in self._control:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            with suppress(msgspec.MsgspecError, RecursionError):
                decoded = msgspec.json.decode(message.data)
                if isinstance(decoded, dict):
                    await self._take(decoded)
                    self._news.set()

    async def _take(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "state":
                self._state = message
            case "viewers":
                self._viewers = message
            case "notice":
                self._notices.append(str(message.get("text")))
            case "input-count":
                self._count = InputCount(int(message["link"]), int(message["messages"]))
            case "ending" | "elsewhere":
                self._said_at_end = str(message.get("text") or "")
            case "control-request":
                # What two type at once would be neither's text; who must, can take control.
                asking = message.get("from") or {}
                await self._wish("refuse", viewer=asking.get("id"))
            case _:
                pass

    async def _read_stream(self) -> None:
        async for message in self._stream:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            try:
                for answer in self.screen.feed(message.data):
                    await self._send(answer)
            except LocalError as fault:
                self._fault = fault
                return
            self._news.set()

    # What is sent

    async def _wish(self, kind: str, **more: Any) -> None:
        with suppress(aiohttp.ClientError, OSError):
            await self._control.send_str(msgspec.json.encode({"type": kind, **more}).decode())

    async def _send(self, data: bytes) -> None:
        # That it is over shows by reading.
        with suppress(aiohttp.ClientError, OSError):
            await self._stream.send_bytes(data)

    async def press(self, stroke: Stroke) -> int:
        """Press and let go of keys; gives how many messages that were."""
        messages = []
        for change in stroke:
            if self.screen.qemu_keys:
                code = keycode(change.code)
                messages.append(qemu_key_event(change.down, change.keysym, code))
            else:
                messages.append(key_event(change.down, change.keysym))
        # In one WebSocket message: no key is left down by an end in between.
        await self._send(b"".join(messages))
        return len(messages)

    # What is waited for

    async def until(self, condition: Callable[[], object], timeout_s: float) -> None:
        """Wait until something is the case.

        Args:
            condition: Asked again after all that comes.
            timeout_s: At most so long.

        Raises:
            LinkLostError: The daemon has ended it.
            TimeoutError: It didn't come to that in time.
        """
        async with asyncio.timeout(timeout_s):
            while not condition():
                if (end := self._is_over) is not None:
                    raise LinkLostError(end)
                self._news.clear()
                await self._news.wait()

    async def _answer(self, condition: Callable[[], object]) -> None:
        """As `until`, of what the daemon does at once. Raises: LinkLostError."""
        try:
            await self.until(condition, ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise LinkLostError(Text("the daemon doesn't answer")) from None

    @property
    def _is_over(self) -> str | None:
        if self._fault is not None and not self._is_opaque:
            return self._fault.text
        return self._end

    @property
    def _is_opaque(self) -> bool:
        return self._state.get("state") == "opaque" or self._state.get("opaque") is True

    @property
    def is_running(self) -> bool:
        """Whether there is a link."""
        return self._state.get("state") == "running"

    async def get_ready(self, note: Callable[[str], None], timeout_s: float) -> None:
        """Wait until the screen is there.

        Args:
            note: Called with what is waited for, where that takes long.
            timeout_s: At most so long.

        Raises:
            LinkLostError: It isn't to be had, or not in time.
            LocalError: It can't be used from here.
        """
        said = set()

        def is_ready() -> bool:
            state = self._state.get("state")
            if self._is_opaque:
                raise LocalError(_about(self.alias, _OPAQUE))
            if state == "password":
                raise LocalError(_about(self.alias, _ASKS_FOR_IT))
            why = self._error or (self._state.get("wait_s") and self._state["text"])
            if state in ("waiting-budget", "resuming") and why and why not in said:
                said.add(why)
                note(_about(self.alias, Text(why)))
            return self.is_running and self.screen.is_ready

        try:
            await self.until(is_ready, timeout_s)
        except TimeoutError:
            raise LinkLostError(
                Text(
                    "no connection to {alias} in {timeout_s} s",
                    alias=self.alias,
                    timeout_s=f"{timeout_s:.0f}",
                )
            ) from None

    async def get_picture(self, picture: LivePicture, timeout_s: float) -> None:
        """Wait until all of the screen has come.

        Args:
            picture: The screen's.
            timeout_s: At most so long.

        Raises:
            LinkLostError: It didn't come.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not picture.is_whole:
                    await self._send(self.screen.whole())
                    with suppress(TimeoutError):
                        await self.until(lambda: picture.is_whole, PICTURE_ASKED_AGAIN_S)
        except TimeoutError:
            raise LinkLostError(
                Text(
                    "no picture of {alias} in {timeout_s} s",
                    alias=self.alias,
                    timeout_s=f"{timeout_s:.0f}",
                )
            ) from None

    # Control

    @property
    def controls(self) -> bool:
        """Whether what it sends is passed on."""
        return self._viewers.get("controller") == self._id

    def _viewer(self, viewer_id: str | None) -> dict[str, Any] | None:
        found = (v for v in self._viewers.get("viewers", ()) if v["id"] == viewer_id)
        return next(found, None)

    async def get_control(self, note: Callable[[str], None], timeout_s: float) -> None:
        """Have control, and ask for it where somebody else has it.

        Args:
            note: Called with who is asked.
            timeout_s: How long the other one may take, at most.

        Raises:
            ControlLostError: It was refused, or may not be had.
            LinkLostError: The daemon has ended it.
        """
        if not self.may_control:
            raise ControlLostError(Text("you may only watch {alias}", alias=self.alias))
        await self._answer(lambda: self._viewer(self._id))
        if self.controls:
            return
        self._before = self._viewers.get("controller") or ""
        holder = self._viewer(self._before)
        who = (
            f"{holder['user']} ({holder['from']})" if holder is not None else Text("somebody else")
        )
        if self._before:
            note(Text("{alias}: {who} has control, and is asked for it", alias=self.alias, who=who))
        self._notices.clear()
        await self._wish("request-control")

        def is_settled() -> bool:
            me = self._viewer(self._id)
            return self.controls or bool(self._notices and me is not None and not me["asks"])

        try:
            await self.until(is_settled, timeout_s)
        except TimeoutError:
            raise ControlLostError(
                Text("{alias}: {who} keeps control", alias=self.alias, who=who)
            ) from None
        if not self.controls:
            raise ControlLostError(
                Text(
                    "{alias}: {who} has control. {notice}",
                    alias=self.alias,
                    who=who,
                    notice=Text(self._notices[-1]),
                )
            )

    async def hand_back(self) -> None:
        """Give control back to the one who was asked for it, if there is one."""
        if self._viewer(self._before) is None or not self.controls:
            return
        await self._wish("grant", viewer=self._before)
        with suppress(LinkLostError, TimeoutError):
            await self.until(lambda: not self.controls, HANDED_BACK_TIMEOUT_S)

    # Certainty

    async def check(self) -> None:
        """Nothing stands in the way of sending.

        Raises:
            LinkLostError: There is no link.
            ControlLostError: Somebody else controls it.
        """
        if (end := self._is_over) is not None:
            raise LinkLostError(end)
        if not self.is_running:
            raise await self._interruption()
        if not self.controls:
            raise ControlLostError(Text("somebody else took control"))

    async def _interruption(self) -> LinkLostError:
        """Why there is no link: where the console is closed, in the words with which it ends."""
        if self._state.get("state") == "closed":
            try:
                await self.until(lambda: False, ANSWER_TIMEOUT_S)
            except LinkLostError as end:
                return end
            except TimeoutError:
                pass
        return LinkLostError(Text("the link was interrupted"))

    async def confirm(self) -> InputCount:
        """Wait until the upstream has read all that was sent, and get how much that is.

        An update that was under way may answer a question by chance, and on a screen that moves
        there are several. So it takes an answer at either corner that is hardly anything else, or
        one more than there may be. What that is worth shows by the link: only if it is the same as
        before has everything gone to one.

        Raises:
            LinkLostError: It didn't answer, or there is no link.
        """
        exact = set()
        for number in range(UNDER_WAY_MOST + 1):
            last_corner = number % 2 == 1
            await self._ask(last_corner=last_corner)
            if self.screen.is_exact:
                exact.add(last_corner)
            if len(exact) == 2:
                break
        self._count = None
        await self._wish("count-input")
        await self._answer(lambda: self._count)
        assert self._count is not None, "waited for"
        return self._count

    async def _ask(self, *, last_corner: bool) -> None:
        deadline = asyncio.get_running_loop().time() + ANSWER_TIMEOUT_S
        while True:
            await self._send(self.screen.question(last_corner=last_corner))
            with suppress(TimeoutError):
                await self.until(
                    lambda: self.screen.is_answered or not self.is_running, ASKED_AGAIN_S
                )
                if not self.is_running:
                    raise await self._interruption()
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise LinkLostError(Text("the instance's VNC server doesn't answer"))


async def admission_to(daemon: DaemonClient, instance: str, *, view: bool) -> dict[str, Any]:
    """What a page asks first: whether the console may be opened, and a ticket for that.

    Raises:
        NoDaemonError: Nobody answers, or something else.
        AccessError: The daemon refused.
    """
    path = f"/api/v1/consoles/{quote(instance, safe='')}/admission{'?view=1' if view else ''}"
    found: dict[str, Any] = await daemon.call("GET", path)
    return found


@asynccontextmanager
async def console_client(
    daemon: DaemonClient, admission: dict[str, Any], screen: ConsoleScreen
) -> AsyncIterator[ConsoleClient]:
    """A viewer on a console, as long as the block lasts.

    Args:
        daemon: Where it is.
        admission: As `admission_to` gives it: good once.
        screen: Gets what is shown.

    Raises:
        NoDaemonError: Nobody answers any more.
        AccessError: The daemon refused.
    """
    try:
        async with _opened(daemon, admission, screen) as client:
            yield client
    except WebSocketRefusedError:
        # What has changed since the admission, another one tells.
        await admission_to(
            daemon, str(admission["instance"]["id"]), view=not admission["may_control"]
        )
        raise


@asynccontextmanager
async def _opened(
    daemon: DaemonClient, admission: dict[str, Any], screen: ConsoleScreen
) -> AsyncIterator[ConsoleClient]:
    name = quote(str(admission["instance"]["id"]), safe="")
    query = f"?ticket={quote(str(admission['ticket']), safe='')}"
    tasks = Tasks()
    control = await daemon.websocket(f"/control/{name}{query}")
    try:
        stream = await daemon.websocket(f"/websockify/{name}{query}", ("binary",))
        try:
            client = ConsoleClient(admission, control, stream, screen)
            tasks.start(client.listen(tasks), "console")
            try:
                yield client
            finally:
                await tasks.close()
        finally:
            await stream.close()
    finally:
        await control.close()
