"""Takes the connections of one listening socket, within its limits.

asyncio's own servers call nobody before a connection's TLS handshake is done, so that nobody
could count or end those that never finish one.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from vncproxy.access.accounts import is_person
from vncproxy.errors import out_of_descriptors
from vncproxy.observe.log_throttle import LogThrottle
from vncproxy.tasks import Tasks
from vncproxy.web.connection_limits import ConnectionLimits, Slot, peer_of
from vncproxy.websocket.peer_account import uid_of

_log = structlog.get_logger("vncproxy.web")

HEAD_TIMEOUT_S = 10.0
"""From when a connection is accepted until its first request's head is there, TLS included."""
BACKLOG = 1024
"""Connections that wait in the kernel, as while the daemon restarts under socket activation."""
BATCH = 64
"""Connections taken in one turn of the event loop."""
PAUSE_S = 0.5
"""Before the next try when the system has no descriptor left."""
LAST_WORDS_TIMEOUT_S = 0.3
"""At the end, for those that were accepted just now: their requests may be on the way."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Accepts from `start` to `stop`."""

    def __init__(
        self,
        sock: socket.socket,
        protocol: Callable[[Slot], asyncio.Protocol],
        *,
        tls: Callable[[], ssl.SSLContext | None],
        refused: Callable[[str], None],
        limits: ConnectionLimits | None = None,
        head_timeout_s: float = HEAD_TIMEOUT_S,
    ) -> None:
        """Own a bound, non-blocking socket; nothing is accepted yet.

        Args:
            sock: The listening socket.
            protocol: For one connection, which activates its slot and leaves it.
            tls: Asked for each connection, so that it can be exchanged.
            refused: Called with a word for the metrics.
            limits: How many connections it takes.
            head_timeout_s: Seconds for the TLS handshake and the first request.
        """
        self.limits = limits or ConnectionLimits()
        self._sock = sock
        self._protocol = protocol
        self._tls = tls
        self._refused = refused
        self._head_timeout_s = head_timeout_s
        self._tasks = Tasks()
        self._repeats = LogThrottle()
        self._accepting = False
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: The system refuses.
        """
        self._sock.listen(BACKLOG)
        self._accepting = True
        self._watch()

    def stop(self) -> None:
        """Accept no more; what waits in the kernel is left to other processes with this socket."""
        if not self._accepting:
            return
        self._accepting = False
        if self._again is not None:
            self._again.cancel()
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    async def close(self) -> None:
        """Stop, hear who came just before, and end the handshakes that are still under way."""
        self.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_TIMEOUT_S):
                await self.limits.none_pending()
        await self._tasks.close()

    def _watch(self) -> None:
        self._again = None
        asyncio.get_running_loop().add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(BATCH):
            try:
                connection, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as fault:
                if fault.errno in _EXHAUSTED:
                    self._pause(fault)
                    return
                # The peer has gone meanwhile. Source: accept(2), error handling.
                continue
            self._take(connection, address)

    def _pause(self, fault: OSError) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock)
        self._again = loop.call_later(PAUSE_S, self._watch)
        if count := self._repeats.seen("exhausted", time.monotonic()):
            _log.error(
                "door.exhausted", reason=out_of_descriptors(fault) or fault.strerror, count=count
            )

    def _take(self, connection: socket.socket, address: object) -> None:
        connection.setblocking(False)
        peer = peer_of(address) or _account_of(connection)
        slot = self.limits.enter(peer)
        if slot is None:
            connection.close()
            self._refused("too-many-connections")
            if count := self._repeats.seen("crowded", time.monotonic()):
                _log.warning("door.crowded", peer=peer, count=count)
            return
        opening = self._tasks.start(self._open(connection, slot), "accept")

        def ended(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                # Perhaps before it had begun.
                connection.close()
                slot.leave()

        opening.add_done_callback(ended)
        slot.cut = opening.cancel

    async def _open(self, connection: socket.socket, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        tls = self._tls()
        deadline = loop.time() + self._head_timeout_s
        opening = loop.connect_accepted_socket(
            lambda: self._protocol(slot),
            connection,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else self._head_timeout_s,
        )
        try:
            transport, _ = await opening
        except OSError:
            # No TLS, or none in time; the library has closed it.
            connection.close()
            slot.leave()
            return
        slot.cut = transport.abort
        loop.call_at(deadline, self._hurry, slot)

    def _hurry(self, slot: Slot) -> None:
        if self.limits.is_pending(slot):
            self._refused("slow-head")
            slot.cut()


def _account_of(connection: socket.socket) -> str | None:
    """Whose connection it is, at an address that many share; None: many people's, as a proxy's."""
    uid = uid_of(connection)
    return f"uid {uid}" if uid is not None and is_person(uid) else None
