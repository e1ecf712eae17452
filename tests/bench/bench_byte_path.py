"""What the daemon spends on a byte of the screen, beside a byte pump that knows nothing of RFB.

Run by hand: python -m tests.bench.bench_byte_path [ROUNDS]

A full HD Raw screen that is always new, in WebSocket frames of 8 and of 64 KiB; alternating rounds
through the daemon and through a relay by aiohttp on both sides. CPU seconds of the process per GiB
that arrived at the viewer. The daemon reads every RFB header on the way and can replace the
connection underneath. Aim: no dearer than the relay.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import aiohttp

from tests.bench.flood import HEIGHT, UPDATE_BYTES, WIDTH
from tests.bench.moving import Served
from tests.fault.serving import answers
from tests.real.peers.process import free_port, running

ROUND_S = 4.0
GIB = 1 << 30
_START_TIMEOUT_S = 20.0
_ROOM_S = 0.2
_CONFIG = """
[[listen]]
address = "127.0.0.1:{port}"
access = "open"

[aliyun]
endpoint = "http://127.0.0.1:{api}"

[state]
directory = "{state}"

[[instance]]
alias = "bench"
id = "i-bench"
"""


async def _port(file: Path) -> int:
    async with asyncio.timeout(_START_TIMEOUT_S):
        while not file.exists() or not file.read_text():
            await asyncio.sleep(0.05)
    return int(file.read_text())


@asynccontextmanager
async def _flood(folder: Path, kind: str, argument: str) -> AsyncIterator[Served]:
    file = folder / kind
    command = (sys.executable, "-m", "tests.bench.flood", kind, str(file), argument)
    async with running(*command, log=folder / "log") as process:
        yield Served(await _port(file), process.pid)


@asynccontextmanager
async def _daemon(folder: Path, api: int) -> AsyncIterator[Served]:
    port, config = free_port(), folder / "vncproxy.toml"
    config.write_text(_CONFIG.format(port=port, api=api, state=folder / "state"))
    keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "bench", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "bench"}
    command = (sys.executable, "-m", "vncproxy", "serve", "--config", str(config))
    async with running(*command, log=folder / "log", env={**os.environ, **keys}) as process:
        made = Served(port, process.pid)
        await answers(f"{made.base}/healthz", process, folder / "log")
        yield made


async def _drain(url: str, process: Served) -> tuple[float, float]:
    """CPU seconds per GiB, and MiB a second, of one session."""
    request = struct.pack(">BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, protocols=("binary",), max_msg_size=0, origin=process.base) as socket,
    ):
        need = bytearray()

        async def take(size: int) -> bytes:
            while len(need) < size:
                need.extend(await socket.receive_bytes())
            taken = bytes(need[:size])
            del need[:size]
            return taken

        await take(12)
        await socket.send_bytes(b"RFB 003.008\n")
        await take(2)
        await socket.send_bytes(b"\1")
        await take(4)
        await socket.send_bytes(b"\1")
        await take(int.from_bytes((await take(24))[20:], "big"))
        await socket.send_bytes(struct.pack(">BxHi", 2, 1, 0) + 3 * request)
        got, asked, began = 0, 0, time.monotonic()
        counted, busy, since = 0, 0.0, 0.0
        while time.monotonic() - began < ROUND_S + _ROOM_S:
            got += len((await socket.receive()).data)
            if got - asked >= UPDATE_BYTES:
                asked += UPDATE_BYTES
                await socket.send_bytes(request)
            if not since and time.monotonic() - began > _ROOM_S:
                counted, busy, since = got, process.busy_s, time.monotonic()
        spent, moved = process.busy_s - busy, got - counted
        return spent / (moved / GIB), moved / (1 << 20) / (time.monotonic() - since)


async def _measure(rounds: int) -> None:
    for frame_kib in (8, 64):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            async with (
                _flood(folder, "gateway", str(frame_kib * 1024)) as gateway,
                _flood(
                    folder, "relay", f"ws://127.0.0.1:{gateway.port}/websockify/?s=bench"
                ) as relay,
                _daemon(folder, gateway.port) as daemon,
            ):
                ours, theirs = [], []
                for _ in range(rounds):
                    theirs.append(await _drain(f"{relay.base}/", relay))
                    ours.append(await _drain(f"{daemon.base}/websockify/bench", daemon))
        cost, speed = (median(column) for column in zip(*ours, strict=True))
        relay_cost, relay_speed = (median(column) for column in zip(*theirs, strict=True))
        print(
            f"frames of {frame_kib} KiB: vncproxy {cost:.2f} CPU s/GiB at {speed:.0f} MiB/s; "
            f"relay {relay_cost:.2f} at {relay_speed:.0f}; ratio {cost / relay_cost:.2f}"
        )


if __name__ == "__main__":
    asyncio.run(_measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
