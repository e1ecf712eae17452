"""The whole daemon with the simulator behind it, in this process, and a viewer that decodes."""

from __future__ import annotations

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import aiohttp
import msgspec
import numpy as np

from tests.decoder import Decoder
from vncproxy.access.authority import Policy
from vncproxy.app import Daemon
from vncproxy.config.model import (
    Access,
    Aliyun,
    Config,
    Instance,
    Limits,
    Listen,
    Log,
    Rule,
    State,
)
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

WAIT_S = 60.0
"""How long a test waits for what must happen; reached only when it fails."""

RAW, COPY_RECT, HEXTILE, TIGHT, TIGHT_PNG = 0, 1, 5, 7, -260
CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_SIZE = -239, -223, -224, -308
USUAL = (COPY_RECT, TIGHT, HEXTILE, RAW, CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_SIZE)
FENCE, CONTINUOUS_UPDATES = -312, -313
_FENCE_REQUEST = 1 << 31
_END_OF_CONTINUOUS_UPDATES = 150
PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 0, 8, 16)
"""What noVNC asks for."""


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds.

    Raises:
        AssertionError: Naming `what`.
    """
    try:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


class Viewer:
    """An RFB 3.8 client over a WebSocket, with a decoder of the tests' own.

    It asks for the next update after each one while `requests_itself`. Where fences and continuous
    updates are offered to it, as to one that names them among its encodings, it uses them.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Own an open WebSocket."""
        self.socket = socket
        self.name = ""
        self.decoder = Decoder(0, 0)
        self._early = bytearray()
        self._reading: asyncio.Task[None] | None = None
        self.requests_itself = True
        self.answers_fences = True
        self.continuous = False
        self.reads = asyncio.Event()
        """Cleared: it reads nothing."""
        self.reads.set()
        self._fences = 0
        self._asked = self._asked_at = 0

    async def _exactly(self, size: int) -> bytes:
        while len(self._early) < size:
            async with asyncio.timeout(WAIT_S):
                message = await self.socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise Closed(self.socket.close_code, str(message.extra or ""))
            self._early += message.data
        data = bytes(self._early[:size])
        del self._early[:size]
        return data

    async def shake_hands(self) -> None:
        """Up to ServerInit.

        Raises:
            Closed: The daemon refused.
        """
        assert await self._exactly(12) == b"RFB 003.008\n"
        await self.socket.send_bytes(b"RFB 003.008\n")
        assert await self._exactly(2) == b"\x01\x01"
        await self.socket.send_bytes(b"\x01")
        assert await self._exactly(4) == bytes(4)
        await self.socket.send_bytes(b"\x01")
        head = await self._exactly(24)
        width, height = struct.unpack_from(">HH", head)
        self.name = (await self._exactly(int.from_bytes(head[20:], "big"))).decode()
        self.decoder = Decoder(width, height, (0, 8, 16))

    async def begin(self, encodings: Sequence[int] = USUAL) -> None:
        """Ask as noVNC does, and keep reading and asking in the background."""
        await self.shake_hands()
        await self.send(b"\0\0\0\0" + PIXELS, set_encodings(encodings), self.request(0))
        self.read_on()

    def read_on(self) -> None:
        """Read and decode in the background, asking for more after each update."""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        self.decoder.feed(bytes(self._early))
        async for message in self.socket:
            await self.reads.wait()
            if message.type is aiohttp.WSMsgType.BINARY:
                self.decoder.feed(message.data)
            # If the daemon is gone, what it sent before is read to its end all the same.
            with suppress(ConnectionResetError):
                await self._answer_fences()
                await self._ask_for_more()

    async def _ask_for_more(self) -> None:
        if self.continuous or not self.requests_itself:
            return
        if self.decoder.at_boundary and self.decoder.updates > self._asked:
            self._asked = self.decoder.updates
            self._asked_at = self.decoder.pictures
            await self.send(self.request(1))

    async def _answer_fences(self) -> None:
        news, self._fences = self.decoder.fences[self._fences :], len(self.decoder.fences)
        answers = [fence(flags & 3, data) for flags, data in news if flags & _FENCE_REQUEST]
        if answers and self.answers_fences:
            await self.send(*answers)
        if self.decoder.messages[_END_OF_CONTINUOUS_UPDATES] and not self.continuous:
            self.continuous = True
            await self.send(struct.pack(">BBHHHH", 150, 1, 0, 0, *self.decoder.size))

    @property
    def idle(self) -> bool:
        """Whether the picture that it asked for has come; a cursor alone isn't one."""
        return self.decoder.at_boundary and self.decoder.pictures > self._asked_at

    def request(self, incremental: int) -> bytes:
        """A FramebufferUpdateRequest for the whole screen."""
        return struct.pack(">BBHHHH", 3, incremental, 0, 0, *self.decoder.size)

    async def send(self, *messages: bytes) -> None:
        """Send whole messages in one frame."""
        await self.socket.send_bytes(b"".join(messages))

    async def type(self, text: str) -> None:
        """Press and release a key for each character."""
        for character in text:
            await self.send(key(1, ord(character)), key(0, ord(character)))

    async def ended(self) -> int:
        """The close code, once the daemon has closed it."""
        async with asyncio.timeout(WAIT_S):
            if self._reading is not None:
                await self._reading
            else:
                while not self.socket.closed:
                    await self.socket.receive()
        return self.socket.close_code or 0

    async def close(self) -> None:
        """Leave.

        Raises:
            DecodeError: It was sent what no viewer could decode.
        """
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self.socket.close()
        reading, self._reading = self._reading, None
        if reading is not None and not reading.cancelled() and (fault := reading.exception()):
            raise fault


async def connect(
    http: aiohttp.ClientSession, base: str, console: str = "demo", query: str = "", **how: Any
) -> Viewer:
    """A WebSocket to a console, before its handshake.

    Args:
        http: Connects.
        base: The address of a door.
        console: Its name.
        query: Of the address, from the question mark on.
        **how: As of `ws_connect`.
    """
    url = f"{base}/websockify/{console}{query}"
    return Viewer(await http.ws_connect(url, protocols=("binary",), max_msg_size=0, **how))


def vanish(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Drop its connection, if it is still there, without a close frame."""
    connection = socket._response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


class Closed(Exception):  # noqa: N818 - what happened
    """The daemon closed the WebSocket: code and reason."""


def set_encodings(encodings: Sequence[int]) -> bytes:
    """SetEncodings."""
    return struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings)


def fence(flags: int, payload: bytes) -> bytes:
    """ClientFence."""
    return struct.pack(">BxxxIB", 248, flags, len(payload)) + payload


def key(down: int, keysym: int) -> bytes:
    """KeyEvent."""
    return struct.pack(">BBxxI", 4, down, keysym)


def pointer(buttons: int, x: int, y: int) -> bytes:
    """PointerEvent."""
    return struct.pack(">BBHH", 5, buttons, x, y)


class Leaves(Protocol):
    """Something that is on a console."""

    async def leave(self) -> None:
        """Go."""


@dataclass
class Running:
    """A daemon that serves, and the cloud behind it."""

    daemon: Daemon
    cloud: Simulator
    http: aiohttp.ClientSession
    log: io.StringIO
    alias: str = "demo"
    viewers: list[Viewer] = field(default_factory=list)
    pages: list[Leaves] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The address of the first door."""
        return f"http://127.0.0.1:{self.daemon.servers[0].port}"

    def use_rules(self, rules: Sequence[Rule]) -> None:
        """Exchange the rules as a reload does, without what it does to those who are on."""
        current = self.daemon.components.current
        now = current.now
        directory = self.daemon.components.authority.directory
        owner_power = now.config.aliyun.power
        policy = Policy(rules, now.loaded.users, directory, owner_power=owner_power)
        current.swap(replace(now, policy=policy))

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [msgspec.json.decode(line) for line in self.log.getvalue().splitlines()]

    async def audited(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The audit's records of this kind, once there are so many."""
        path = self.daemon.state / "audit.jsonl"

        def found() -> list[dict[str, Any]]:
            whole = path.read_bytes().rpartition(b"\n")[0]
            return [one for one in map(json.loads, whole.splitlines()) if one["event"] == event]

        await until(lambda: len(found()) >= count, f"{count} records of {event}")
        return found()

    async def connect(self, query: str = "", *, base: str = "", **how: Any) -> Viewer:
        """A WebSocket to the console, before its handshake.

        Args:
            query: Of the address, from the question mark on.
            base: Another way to it.
            **how: As of `ws_connect`.
        """
        viewer = await connect(self.http, base or self.base, self.alias, query, **how)
        self.viewers.append(viewer)
        return viewer

    async def viewer(
        self, query: str = "", encodings: Sequence[int] = USUAL, *, base: str = ""
    ) -> Viewer:
        """A viewer that shows the console's picture.

        Args:
            query: Of the address, from the question mark on.
            encodings: Of its SetEncodings.
            base: Another way to the daemon.
        """
        viewer = await self.connect(query, base=base)
        await viewer.begin(encodings)
        return viewer

    def shows(self, viewer: Viewer) -> bool:
        """Whether the viewer has been sent the built-in screen's every pixel, as it is now."""
        width, height = self.cloud.screen_size()
        if viewer.decoder.size != (width, height) or not viewer.decoder.at_boundary:
            return False
        truth = np.frombuffer(self.cloud.framebuffer(), np.uint8).reshape(height, width, 3)
        return bool(viewer.decoder.painted.all() and np.array_equal(viewer.decoder.frame, truth))

    async def state(self) -> dict[str, Any]:
        """The console's row in `GET /api/v1/consoles`, {} if it isn't open."""
        async with self.http.get(f"{self.base}/api/v1/consoles") as answer:
            rows = (await answer.json())["consoles"]
        return rows[0] if rows else {}


@asynccontextmanager
async def running(
    folder: Path,
    *,
    cloud: SimulatorSettings | Simulator | None = None,
    limits: Limits | None = None,
    access: Literal["open", "token"] | Access = "open",
    environ: Mapping[str, str] | None = None,
    reread: Callable[[Config], Config] | None = None,
    **config: Any,
) -> AsyncIterator[Running]:
    """Start both, give them, and drain; instances of the simulator are configured by their name.

    Args:
        folder: For the state directory.
        cloud: To be started, or one that already runs and goes on afterwards.
        limits: The section [limits].
        access: Of the door, or the section, with a `token` door.
        environ: Besides the credentials.
        reread: What a reload finds instead of the configuration that it began with.
        **config: More sections of `Config`.
    """
    started = (
        nullcontext(cloud)
        if isinstance(cloud, Simulator)
        else Simulator(cloud or SimulatorSettings(animated=False))
    )
    log = io.StringIO()
    kind: Literal["open", "token"] = "token" if isinstance(access, Access) else access
    async with started as simulator, aiohttp.ClientSession() as http:
        settings = simulator.settings
        aliyun = config.pop("aliyun", Aliyun(endpoint=simulator.endpoint))
        whole = Config(
            listen=config.pop("listen", (Listen(address="127.0.0.1:0", access=kind),)),
            access=access if isinstance(access, Access) else Access(),
            aliyun=aliyun,
            limits=limits or Limits(),
            state=State(directory=folder / "state"),
            log=config.pop("log", Log(format="json", level="debug")),
            instance=config.pop("instance", tuple(_configured(one) for one in settings.instances)),
            **config,
        )
        keys = settings.keys[0]
        surroundings = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": keys.key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": keys.secret,
            "ALIBABA_CLOUD_SECURITY_TOKEN": keys.security_token,
            **(environ or {}),
        }
        again = None if reread is None else partial(reread, whole)
        daemon = Daemon(whole, surroundings, log_to=log, reread=again)
        listens = asyncio.Event()
        serving = asyncio.create_task(daemon.run(listens.set))
        waiting = asyncio.create_task(listens.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not listens.is_set():
            await serving
        setup = Running(daemon, simulator, http, log, settings.instances[0].name)
        try:
            yield setup
        finally:
            try:
                for page in setup.pages:
                    await page.leave()
                for viewer in setup.viewers:
                    await viewer.close()
            finally:
                daemon.stop()
                await serving


def _configured(one: SimulatedInstance) -> Instance:
    return Instance(id=one.instance_id, alias=one.name, region=one.region)
