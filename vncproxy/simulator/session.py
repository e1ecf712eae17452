"""One session at the gateway: a WebSocket on one side, a screen on the other, rules in between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine, Iterable

from aiohttp import WSCloseCode, WSMsgType, web

from vncproxy.simulator.lengths import INPUT_KINDS, ClientMessage
from vncproxy.simulator.record import Breach, Record
from vncproxy.simulator.sabotage import Ending, Sabotage
from vncproxy.simulator.screens import ScreenLink
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.simulator.watch import ClientWatch

_END_TIMEOUT_S = 5.0
_MALFORMED_CLOSE = b"\x88\x02\x03\xee"
_LINGER_OFF = struct.pack("ii", 1, 0)


class Session:
    """A client on an instance. `run` serves it to its end; `end` asks for that end."""

    def __init__(
        self,
        instance_id: str,
        websocket: web.WebSocketResponse,
        transport: asyncio.Transport,
        settings: SimulatorSettings,
        record: Record,
        watch: ClientWatch,
        sabotage: Sabotage,
    ) -> None:
        self.instance_id = instance_id
        self.started_s = asyncio.get_running_loop().time()
        self.ending_reason = ""
        self.client_closed = False
        self.over = asyncio.Event()
        self._websocket = websocket
        self._transport = transport
        self._settings = settings
        self._record = record
        self.watch = watch
        self._sabotage = sabotage
        self._ending = Ending.DROP
        self._ended = asyncio.Event()
        self._last_interaction_s = self.started_s

    @property
    def alive(self) -> bool:
        """Whether it still holds the instance's slot."""
        return not self._ended.is_set() and not self._transport.is_closing()

    @property
    def idle_s(self) -> float:
        """Seconds since the last interaction."""
        return asyncio.get_running_loop().time() - self._last_interaction_s

    def end(self, reason: str, ending: Ending) -> None:
        """Ask for the end; the first reason wins."""
        if not self._ended.is_set():
            self.ending_reason = reason
            self._ending = ending
            self._ended.set()

    def strike(self, sabotage: Sabotage) -> None:
        """Let something go wrong from now on, instead of what was to go wrong."""
        self._sabotage = sabotage

    async def run(self, link: ScreenLink) -> None:
        """Serve the session until someone ends it."""
        tasks = [
            asyncio.create_task(self._guard(self._read_client(link))),
            asyncio.create_task(self._guard(self._read_screen(link))),
            asyncio.create_task(self._guard(self._watch_idleness())),
        ]
        try:
            await self._ended.wait()
        finally:
            self.end("cancelled", Ending.DROP)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._record.endings.append((self.instance_id, self.ending_reason))
            try:
                await self._say_goodbye()
                await link.close()
            finally:
                self.over.set()
            _raise_faults(results)

    async def _guard(self, part: Coroutine[None, None, None]) -> None:
        try:
            await part
        except Exception:
            # `run` raises it again once all of its tasks have ended.
            self.end("fault-of-the-simulator", Ending.DROP)
            raise

    async def _read_client(self, link: ScreenLink) -> None:
        while True:
            message = await self._websocket.receive()
            if message.type is WSMsgType.BINARY:
                await self._pass_to_screen(link, message.data)
            elif message.type is WSMsgType.TEXT:
                self._record.breaches[Breach.TEXT_FRAME] += 1
                self.end(Breach.TEXT_FRAME, Ending.CLOSE)
            else:
                if self.watch.mid_message and not self._ended.is_set():
                    self._record.breaches[Breach.PARTIAL_MESSAGE] += 1
                self.client_closed = message.type is WSMsgType.CLOSE
                if self.client_closed and not self._sabotage.frozen:
                    self.end("client-closed", Ending.CLOSE)
                else:
                    self.end("client-vanished", Ending.DROP)
                return

    async def _pass_to_screen(self, link: ScreenLink, data: bytes) -> None:
        if self._sabotage.frozen:
            return
        self.watch.announced = link.announced
        for seen in self.watch.feed_client(data):
            if isinstance(seen, ClientMessage):
                self._record.messages[seen.kind] += 1
                if self._settings.counts == "rfb" or seen.kind in INPUT_KINDS:
                    self._last_interaction_s = asyncio.get_running_loop().time()
            else:
                self._record.breaches[seen] += 1
        if self.watch.broken:
            self.end(f"broken: {self.watch.broken}", Ending.DROP)
        else:
            await link.write(data)

    async def _read_screen(self, link: ScreenLink) -> None:
        while True:
            data = await link.read()
            if not data:
                self.end("screen-ended", Ending.DROP)
                return
            passed = self._sabotage.pass_on(data)
            self.watch.feed_server(data)
            step = self._settings.frame_bytes
            for start in range(0, len(passed.data), step):
                try:
                    await self._websocket.send_bytes(passed.data[start : start + step])
                except ConnectionError:
                    self.end("client-vanished", Ending.DROP)
                    return
            if passed.ending is Ending.STALL:
                return
            if passed.ending is not None:
                self.end("fault", passed.ending)
                return

    async def _watch_idleness(self) -> None:
        limit_s = self._settings.idle_timeout_s
        while (left_s := limit_s - self.idle_s) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._ended.wait()
                    return
        ending = Ending.DROP if self._settings.idle_ending == "drop" else Ending.CLOSE
        self.end("idle", ending)

    async def _say_goodbye(self) -> None:
        if self._ending is Ending.CLOSE:
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await self._websocket.close(code=WSCloseCode.OK)
        elif self._ending is Ending.MALFORMED_CLOSE:
            self._transport.write(_MALFORMED_CLOSE)
        cut(self._transport, reset=self._ending is Ending.RESET)


def cut(transport: asyncio.Transport, *, reset: bool) -> None:
    """End a TCP connection at once, by a reset or by a plain end."""
    if reset:
        sock = transport.get_extra_info("socket")
        if sock is not None and not transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        transport.abort()
    elif transport.get_write_buffer_size():
        # A client that reads nothing would keep a gentle close waiting for ever.
        transport.abort()
    else:
        transport.close()


def _raise_faults(results: Iterable[object]) -> None:
    """A task that failed by a fault of the simulator's own must not pass in silence."""
    for result in results:
        if isinstance(result, Exception):
            raise result
