"""Who is hostile in the benchmark of neighbours, each in a process of its own.

python -m tests.bench.attackers viewer BASE FLOOD      floods the console "other"
python -m tests.bench.attackers gateway PORT_FILE FLOOD    is the gateway of "hostile"
python -m tests.bench.attackers watcher BASE           watches "hostile"
python -m tests.bench.attackers gzip BASE              posts bodies that inflate
python -m tests.bench.attackers requests BASE UID PATH...   asks for these, as this account
python -m tests.bench.attackers openers BASE ALIAS...  opens these and leaves, again and again
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import aiohttp

from tests.fault.test_floods import FLOODS
from tests.hostile_gateway import HEAVY, IDLE, hostile_gateway
from tests.setup import Closed, Viewer, connect, set_encodings

CLIENTS = 64
_FAULTS = (aiohttp.ClientError, OSError, TimeoutError, Closed, AssertionError)
_ENCODINGS = (7, 5, 0, -239, -223, -312, -313)


@cache
def _begun() -> None:
    print("begun", flush=True)


async def _opened(http: aiohttp.ClientSession, base: str, console: str) -> Viewer:
    viewer = await connect(http, base, console)
    await viewer.shake_hands()
    return viewer


async def _for_ever(attack: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    """Again and again, whatever the daemon does about it."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        while True:
            try:
                await attack(http)
            except _FAULTS:
                await asyncio.sleep(0.05)
            # Those that go on for ever have said so themselves.
            _begun()


async def _viewer(base: str, what: str) -> None:
    messages = FLOODS[what]
    whole = messages * max(1, (1 << 20) // len(messages))

    async def attack(http: aiohttp.ClientSession) -> None:
        hostile = await _opened(http, base, "other")

        async def read() -> None:
            async for _ in hostile.socket:
                pass

        reading = asyncio.create_task(read())
        try:
            while not hostile.socket.closed:
                await hostile.socket.send_bytes(whole)
                _begun()
        finally:
            reading.cancel()
            await hostile.socket.close()

    await _for_ever(attack)


async def _gateway(port_file: Path, what: str) -> None:
    async with hostile_gateway() as gateway:
        gateway.flood = (IDLE | HEAVY)[what]
        port_file.write_text(str(gateway.port))
        await asyncio.Event().wait()


async def _watcher(base: str) -> None:
    async def attack(http: aiohttp.ClientSession) -> None:
        watcher = await _opened(http, base, "hostile")
        await watcher.send(set_encodings(_ENCODINGS), watcher.request(0))
        _begun()
        async for _ in watcher.socket:
            pass

    await _for_ever(attack)


async def _gzip(base: str) -> None:
    body = gzip.compress(bytes(200 << 20))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}

    async def attack(http: aiohttp.ClientSession) -> None:
        async with http.post(f"{base}/api/v1/session", data=body, headers=headers) as answer:
            await answer.read()

    await asyncio.gather(*(_for_ever(attack) for _ in range(CLIENTS)))


async def _requests(base: str, paths: list[str]) -> None:
    async def attack_one(http: aiohttp.ClientSession, path: str) -> None:
        async with http.get(f"{base}{path}") as answer:
            await answer.read()

    async def ask(path: str) -> None:
        await _for_ever(lambda http: attack_one(http, path))

    await asyncio.gather(*(ask(path) for path in paths for _ in range(CLIENTS // len(paths))))


async def _openers(base: str, consoles: list[str]) -> None:
    async def open_one(http: aiohttp.ClientSession, console: str) -> None:
        viewer = await _opened(http, base, console)
        await viewer.socket.close()

    async def go_on(console: str) -> None:
        await _for_ever(lambda http: open_one(http, console))

    await asyncio.gather(*map(go_on, consoles))


def main() -> None:
    """Be hostile until this process is ended."""
    _, kind, place, *more = sys.argv
    match kind:
        case "viewer":
            asyncio.run(_viewer(place, more[0]))
        case "gateway":
            asyncio.run(_gateway(Path(place), more[0]))
        case "watcher":
            asyncio.run(_watcher(place))
        case "gzip":
            asyncio.run(_gzip(place))
        case "requests":
            uid, *paths = more
            if int(uid):
                os.setuid(int(uid))
            asyncio.run(_requests(place, paths))
        case "openers":
            asyncio.run(_openers(place, more))


if __name__ == "__main__":
    main()
