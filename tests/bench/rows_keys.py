"""The time a key and its update take, there and back, and what they cost."""

from __future__ import annotations

import asyncio
import itertools
import random
import struct
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median, quantiles

from tests.bench import wire
from tests.bench.figures import TYPED_CONSOLES
from tests.bench.measuring import Measuring
from tests.bench.relays import ALL, Wanted, direct, relays
from tests.bench.viewers import Asking, Viewer, viewing

KEYS_PER_S = 20.0
_SCREEN = "keys-8192"
_ONE_S, _MANY_S = 10.0, 3.0
_ECHO_TIMEOUT_S = 5.0
_LOST_SHARE = 0.01
"""More keys without an update are a fault."""
_FIRST_KEYSYM, _KEYSYMS = 0x100, 0xFC00
"""None of them a modifier."""


async def keys(run: Measuring) -> None:
    """One console of each relay, all at once; then a hundred of one relay after the other."""
    count = run.count(TYPED_CONSOLES)
    wanted = Wanted((_SCREEN,), consoles=(count + 1) * 2)
    async with relays(ALL, run.folder, run.cloud, wanted) as started:
        candidates = [direct(run.cloud), *started.values()]
        for _ in range(run.rounds):
            async with AsyncExitStack() as stack:
                alone = [
                    await stack.enter_async_context(viewing(relay, _SCREEN, Asking()))
                    for relay in candidates
                ]
                # Never two at the same time.
                typed = [
                    _typed(viewers, run.seconds(_ONE_S), place / len(candidates))
                    for place, viewers in enumerate(alone)
                ]
                for relay, found in zip(candidates, await asyncio.gather(*typed), strict=True):
                    _note(run, "key-1", relay.name, *found)
            for relay in candidates:
                async with viewing(relay, _SCREEN, Asking(), count=count) as viewers:
                    with run.using(relay, "keys") as usage:
                        took_us, lost = await _typed(viewers, run.seconds(_MANY_S))
                    _note(run, "key-100", relay.name, took_us, lost)
                    if relay.pid:
                        cost_us = usage.relay_s * 1e6 / len(took_us)
                        run.found.add("key-cpu", relay.name, cost_us)


def _note(run: Measuring, key: str, relay: str, took_us: list[float], lost: int) -> None:
    if lost:
        run.found.notes.append(f"{key}, {relay}: {lost} of {len(took_us) + lost} had no update")
    run.found.add(key, relay, median(took_us))
    run.found.add(f"{key}-p99", relay, quantiles(took_us, n=100, method="inclusive")[-1])


async def _typed(
    viewers: Sequence[Viewer], seconds: float, phase: float = 0.5
) -> tuple[list[float], int]:
    """Microseconds until the update of each key was there, and how many had none.

    Args: phase - when each second's keys come, from 0 to 1 of the time between two.
    Raises: ConnectionError - many had none.
    """
    loop = asyncio.get_running_loop()
    pressed: dict[int, int] = {}
    took_us: list[float] = []
    numbers = itertools.count()
    end = loop.time() + seconds

    def echoed(keysym: int) -> None:
        if began := pressed.pop(keysym, 0):
            took_us.append((time.perf_counter_ns() - began) / 1e3)

    def press(viewer: Viewer, due: float) -> None:
        keysym = next(numbers) % _KEYSYMS + _FIRST_KEYSYM
        both = pressed_and_released(keysym)
        pressed[keysym] = time.perf_counter_ns()
        viewer.write(both)
        if due + 1 / KEYS_PER_S < end:
            due += 1 / KEYS_PER_S
            loop.call_at(due, press, viewer, due)

    chance = random.Random(1)
    for viewer in viewers:
        viewer.echoed = echoed
        due = loop.time() + (chance.random() if len(viewers) > 1 else phase) / KEYS_PER_S
        loop.call_at(due, press, viewer, due)
    await asyncio.sleep(seconds)
    limit = loop.time() + _ECHO_TIMEOUT_S
    while pressed and loop.time() < limit:
        await asyncio.sleep(0.01)
    if len(pressed) > _LOST_SHARE * len(took_us):
        raise ConnectionError(f"{len(pressed)} keys without an update, {len(took_us)} with one")
    return took_us, len(pressed)


def pressed_and_released(keysym: int) -> bytes:
    """A key's two messages, in a frame each."""
    return b"".join(wire.masked(struct.pack(">BBxxI", 4, down, keysym)) for down in (1, 0))
