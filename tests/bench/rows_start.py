"""How long `vncproxy serve` takes to answer, and what it takes up then."""

from __future__ import annotations

import time

import aiohttp

from tests.bench.measuring import Measuring
from tests.bench.processes import resident_kib
from tests.bench.relays import VNCPROXY, Wanted, daemon

_STARTS = 2


async def start(run: Measuring) -> None:
    """From the start of the program."""
    for _ in range(run.rounds if run.is_quick else _STARTS * run.rounds):
        began = time.monotonic()
        async with daemon(run.folder, run.cloud, Wanted(("keys-8192",))) as relay:
            url = f"http://127.0.0.1:{relay.port()}/healthz"
            async with aiohttp.ClientSession() as http, http.get(url) as answer:
                await answer.read()
            run.found.add("start", VNCPROXY, time.monotonic() - began)
            run.found.add("start-memory", VNCPROXY, resident_kib(relay.pid) / 1024)
