"""Which server is the primary, as Valkey's or Redis' Sentinels have it.

More than half of the Sentinels must name the same one: a Sentinel that is cut off together with an
old primary goes on to name that one, and a budget that is counted by two is counted by none.

Source: Redis, "Sentinel client specification".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from vncproxy.addresses import is_host

SENTINEL_TIMEOUT_S = 1.0
"""How long one Sentinel may take for its answer, connecting included."""

Ask = Callable[..., Coroutine[Any, Any, Any]]


class NoPrimaryError(Exception):
    """More than half of the Sentinels don't name the same server; its text says so."""


async def primary_of(service: str, sentinels: Sequence[Ask]) -> tuple[str, int]:
    """Host and port of the server that more than half of the Sentinels name.

    Args:
        service: What they call it.
        sentinels: Each sends a command's words to one Sentinel and gives its answer, or raises.

    Raises:
        NoPrimaryError: There is none.
        Exception: What one of them raised; none of them answered.
    """
    named: Counter[tuple[str, int]] = Counter()
    faults: list[Exception] = []

    async def hear(ask: Ask) -> None:
        try:
            primary = await _named_by(ask, service)
        except Exception as fault:
            faults.append(fault)
            return
        if primary is not None:
            named[primary] += 1
            if 2 * named[primary] > len(sentinels):
                for task in asked:
                    task.cancel()

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(hear(ask)) for ask in sentinels]
    if len(faults) == len(sentinels):
        raise faults[0]
    if not named:
        raise NoPrimaryError(f"has no primary: its Sentinels know no service {service}")
    [(primary, most)] = named.most_common(1)
    if 2 * most > len(sentinels):
        return primary
    raise NoPrimaryError(
        f"has no primary: {most} of its {len(sentinels)} Sentinels name the same server, and more "
        "than half must"
    )


async def _named_by(ask: Ask, service: str) -> tuple[str, int] | None:
    """What one Sentinel names; None: nothing that could be a server."""
    async with asyncio.timeout(SENTINEL_TIMEOUT_S):
        answer = await ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
    with suppress(TypeError, ValueError):
        host, port = answer
        if isinstance(host, str) and is_host(host) and 0 < int(port) < 65536:
            return host, int(port)
    return None
