"""The cloud of the benchmark: the API, the VNC gateway, and screens that cost it little to show.

    python -m tests.bench.gateway PORTS_FILE CERTIFICATE KEY

What a session is shown is named by a screen, KIND-FRAME, FRAME being the gateway's WebSocket frames
in bytes: it stands in the path of a byte pump's request, and at the end of an instance's id,
`i-ws-KIND-FRAME-N` or `i-wss-…`, which the API answers with a VncUrl for that screen, on the port
by which the API was reached. For websockify the kinds are on TCP ports of their own, with and
without TLS. The ports are written to a file, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import quote

import uvloop
from websockets.utils import accept_key

from tests.bench import pictures, wire
from tests.bench.screens import KINDS, Screen

_ID = re.compile(rb"[?&]InstanceId=i-(wss?)-([a-z]+-[0-9]+)-[0-9]+")
_SCREEN = re.compile(rb"GET \S*/([a-z]+)-([0-9]+)")
_HEADER = re.compile(rb"\r\n([A-Za-z-]+): *([^\r]*)")
_NAME = b"bench"


class Session(asyncio.Protocol):
    """One connection: of the API, of a viewer's WebSocket, or of websockify's plain TCP."""

    def __init__(self, tls_port: Callable[[], int], kind: str = "") -> None:
        """Args: kind - of the screen, where it speaks RFB at once."""
        self._tls_port = tls_port
        self._kind = kind
        self._frame_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._messages = bytearray()
        self._screen: Screen | None = None
        self._step: Callable[[], int] = self._version
        self._is_web = not kind
        self.is_free = True
        """Whether all that was sent has been taken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's is no subclass.
        self._transport = transport  # type: ignore[assignment]
        transport.set_write_buffer_limits(high=0)  # type: ignore[attr-defined]
        if not self._is_web:
            self._greet()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has left."""
        self._transport = None
        if self._screen is not None:
            self._screen.close()

    def pause_writing(self) -> None:
        """Not all was taken."""
        self.is_free = False

    def resume_writing(self) -> None:
        """All was."""
        self.is_free = True
        if self._screen is not None:
            self._screen.show()

    def data_received(self, data: bytes) -> None:
        """A request, frames, or RFB as it is."""
        if not self._is_web and not self._frame_bytes:
            self._messages += data
            self._take_messages()
            return
        self._received += data
        while self._is_web and (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[: end + 2])
            said = {name.lower(): value for name, value in _HEADER.findall(head)}
            size = end + 4 + int(said.get(b"content-length", 0))
            if len(self._received) < size:
                return
            del self._received[:size]
            self._answer(head, said)
        if not self._is_web:
            for opcode, payload in wire.opened(self._received):
                self._take_frame(opcode, payload)

    def send(self, message: bytes) -> None:
        """Bytes of RFB, framed as this session's are."""
        if self._transport is not None:
            self._transport.write(_framed(message, self._frame_bytes))

    def _answer(self, head: bytes, said: dict[bytes, bytes]) -> None:
        assert self._transport is not None
        if key := said.get(b"sec-websocket-key"):
            asked = _SCREEN.match(head)
            assert asked, head
            self._kind, self._frame_bytes = asked[1].decode(), int(asked[2])
            binary = b"sec-websocket-protocol" in said
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + (b"Sec-WebSocket-Protocol: binary\r\n" if binary else b"")
                + b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept_key(key.decode()).encode()
            )
            self._is_web = False
            self._greet()
            return
        called = _ID.search(head)
        url = ""
        if called:
            scheme, screen = called[1].decode(), called[2].decode()
            port = int(said[b"host"].rpartition(b":")[2]) if scheme == "ws" else self._tls_port()
            url = f"{scheme}://127.0.0.1:{port}/websockify/{screen}?s=bench"
        answer = json.dumps({"RequestId": "bench", "VncUrl": quote(url, safe="")}).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(answer)
            + answer
        )

    def _take_frame(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        if opcode == wire.CLOSE:
            self._transport.write(wire.frame(payload, wire.CLOSE))
            self._transport.close()
        elif opcode == wire.PING:
            self._transport.write(wire.frame(payload, wire.PONG))
        elif opcode <= wire.BINARY:
            self._messages += payload
            self._take_messages()

    def _greet(self) -> None:
        self._screen = KINDS[self._kind](self)
        self.send(b"RFB 003.008\n")

    def _take_messages(self) -> None:
        while self._messages and (size := self._step()):
            del self._messages[:size]

    def _version(self) -> int:
        if len(self._messages) < 12:
            return 0
        self.send(b"\1\1")
        self._step = self._security
        return 12

    def _security(self) -> int:
        self.send(bytes(4))
        self._step = self._init
        return 1

    def _init(self) -> int:
        assert self._screen is not None
        size = struct.pack(">HH", self._screen.width, self._screen.height)
        self.send(size + pictures.PIXELS + struct.pack(">I", len(_NAME)) + _NAME)
        self._step = self._message
        return 1

    def _message(self) -> int:
        """Take the first whole message; gives its size. Raises: ValueError - an unknown one."""
        messages, screen = self._messages, self._screen
        assert screen is not None
        kind = messages[0]
        size = pictures.client_message_size(messages)
        if len(messages) < size:
            return 0
        if kind == 3:
            incremental, *area = struct.unpack(">xBHHHH", messages[:10])
            screen.requested(area, incremental=bool(incremental))
        elif kind == 4 and messages[1]:
            screen.pressed(int.from_bytes(messages[4:8], "big"))
        return size


@cache
def _cut(message: bytes, frame_bytes: int) -> bytes:
    return wire.frames(message, frame_bytes)


def _framed(message: bytes, frame_bytes: int) -> bytes:
    if not frame_bytes:
        return message
    if len(message) <= frame_bytes:
        return wire.frame(message)
    # One of few, shown again and again; its hash is kept with it.
    return _cut(message, frame_bytes)


async def _serve(ports_file: Path, certificate: str, key: str) -> None:
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def listen(kind: str, tls: ssl.SSLContext | None) -> int:
        server = await loop.create_server(
            lambda: Session(lambda: tls_port, kind), "127.0.0.1", 0, ssl=tls, backlog=4096
        )
        port: int = server.sockets[0].getsockname()[1]
        return port

    tls_port = await listen("", context)
    ports = {
        "web": await listen("", None),
        "web_tls": tls_port,
        "plain": {kind: await listen(kind, None) for kind in KINDS},
        "tls": {kind: await listen(kind, context) for kind in KINDS},
    }
    whole = ports_file.with_suffix(".new")
    whole.write_text(json.dumps(ports))
    whole.rename(ports_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
