"""What is fuzzed: one input for one target, and what no input may do."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import structlog

CPU_S = 2.0
"""Processor time that any input may take, however short it is; some hundred times what it needs."""
CPU_S_PER_BYTE = 200e-6
"""And for each of its bytes: what takes more than linear time exceeds it."""

_PIECES_MAX = 24
_SINGLE_BYTES_MAX = 2048
"""Longer inputs aren't fed byte by byte, which takes most of the time."""
_faults: list[str] = []


@dataclass(frozen=True)
class Target:
    """One part of the program that takes what others send.

    Args:
        name: As the command line and the corpus's folder have it.
        run: Takes any bytes. What it raises is a finding.
        max_bytes: Longer inputs aren't tried.
        words: What inputs are often made of, for the fuzzer.
    """

    name: str
    run: Callable[[bytes], None]
    max_bytes: int = 4096
    words: tuple[bytes, ...] = ()


class Choices:
    """The first bytes of an input choose how the rest is used."""

    def __init__(self, data: bytes) -> None:
        """Choose nothing yet."""
        self.rest = data

    def number(self, most: int) -> int:
        """One of 0 to `most`, 255 at most; 0 where nothing is left."""
        first, self.rest = self.rest[:1], self.rest[1:]
        return first[0] % (most + 1) if first else 0

    def take(self, size: int) -> bytes:
        """The next bytes, fewer where no more are left."""
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken


def splits(wire: bytes, seed: int) -> Iterator[list[bytes]]:
    """Ways in which bytes may come: cut at some places, and one by one."""
    rng = random.Random(seed)
    count = min(_PIECES_MAX, len(wire))
    places = sorted({0, len(wire), *(rng.randrange(len(wire) + 1) for _ in range(count))})
    yield [wire[start:end] for start, end in pairwise(places)]
    if len(wire) <= _SINGLE_BYTES_MAX:
        yield [wire[at : at + 1] for at in range(len(wire))]


def check_same(one: object, other: object) -> None:
    """Raises: AssertionError: they differ; its text has both, cut."""
    assert one == other, f"{one!r:.600}\n!= {other!r:.600}"


def keep_logged_faults() -> None:
    """From now on, log nothing; what is logged as an error is a finding of the input under way."""
    structlog.configure(processors=[_keep], cache_logger_on_first_use=False)


def _keep(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:
    raised = sys.exc_info()[1]
    if _method in ("error", "exception", "critical"):
        _faults.append(f"{event.get('event')}: {raised!r}")
    raise structlog.DropEvent


def try_input(target: Target, data: bytes) -> float:
    """Give an input to a target; the processor time that it took.

    Raises:
        AssertionError: It took too long, or an error was logged.
        Exception: Whatever the target raises.
    """
    _faults.clear()
    began = time.thread_time()
    target.run(data)
    took_s = time.thread_time() - began
    assert not _faults, _faults
    assert took_s < CPU_S + CPU_S_PER_BYTE * len(data), f"{took_s:.1f} s for {len(data)} bytes"
    return took_s
