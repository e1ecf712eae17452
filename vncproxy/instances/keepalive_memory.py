"""What consoles learned of their instances, kept over restarts in `learned.json`.

That is a cache, not a record. A file that isn't ours means starting fresh. One that can't be read
or written for a while, as when there is no file descriptor left, is neither forgotten nor written
over: what this process knows of it, and learns meanwhile, stays in memory and is saved with the
next lesson. All that is logged, and no error. The shape::

    {"version": 1, "instances": {"i-…": {
        "keepalive": {"class": "input", "evidence": 2, "earlier_ts_s": [60.1]},
        "unknown": "unknown message type 99",
        "opaque": {"greeting": "524642…", "since": 1790000000.0, "untouched": false},
        "learned_at": 1790000000.0}}}
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import structlog

from vncproxy.durable_files import replace_file
from vncproxy.errors import out_of_descriptors

FILE_NAME = "learned.json"
MAX_AGE_S = 7 * 86400.0
"""How long a lesson holds. Source: design.md, rule 9."""
MAX_INSTANCES = 4096
MAX_EARLIER = 16
MAX_FILE_BYTES = 8 * 1024 * 1024
"""Above what `MAX_INSTANCES` entries can take: a larger file isn't ours."""
FRESH_S = 1.0
"""What was read so short a time ago isn't read again: lessons of another process count after it."""
LOCK_TIMEOUT_S = 5.0
LOCK_RETRY_INTERVAL_S = 0.02
_VERSION = 1

_log = structlog.get_logger("vncproxy.console")


@dataclass(frozen=True, slots=True)
class Opaque:
    """That an instance is opened opaque (design.md, rule 11).

    Attributes:
        greeting: Its upstream's version line and security types.
        since: When it was found, in seconds of the wall clock.
        untouched: Its viewer speaks to it from the first byte on.
    """

    greeting: bytes
    since: float
    untouched: bool = False


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of one instance.

    Attributes:
        keepalive_class: The class of message believed to count.
        evidence: Closes in a row that speak against it.
        earlier_s: Unexplained idle times seen before, the newest last.
        unknown: The message by which the last link ended that spoke RFB; "" if it ended otherwise.
        opaque: If the instance is opened so.
        learned_at: In seconds of the wall clock.
    """

    keepalive_class: str
    evidence: int
    earlier_s: tuple[float, ...]
    unknown: str
    opaque: Opaque | None
    learned_at: float


_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class _Keepalive(msgspec.Struct, frozen=True):
    class_: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] = msgspec.field(name="class")
    evidence: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    earlier_ts_s: Annotated[tuple[_Seconds, ...], msgspec.Meta(max_length=MAX_EARLIER)]


class _Opaque(msgspec.Struct, frozen=True):
    greeting: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2}){0,512}\Z")]
    since: _Seconds
    untouched: bool


class _Entry(msgspec.Struct, frozen=True):
    keepalive: _Keepalive
    unknown: Annotated[str, msgspec.Meta(max_length=200)]
    opaque: _Opaque | None
    learned_at: _Seconds


class _Document(msgspec.Struct, frozen=True):
    version: int
    instances: dict[str, msgspec.Raw]


class LearnedStore:
    """Lessons by instance id, shared by the processes that share the state directory."""

    def __init__(
        self,
        path: Path,
        wall_clock: Callable[[], float],
        max_age_s: float = MAX_AGE_S,
        max_instances: int = MAX_INSTANCES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read yet.

        Args:
            path: The file, made with mode 0600.
            wall_clock: Gives seconds, as time.time does.
            max_age_s: Counted from `Learned.learned_at` in both directions, since the wall clock
                may have been set back.
            max_instances: Beyond it the oldest are dropped.
            clock: Monotonic, in seconds.
        """
        self._clock = clock
        self._fresh_until = -math.inf
        self._path = path
        self._wall_clock = wall_clock
        self._max_age_s = max_age_s
        self._max_instances = max_instances
        self._read_last: dict[str, Learned] = {}
        self._unsaved: dict[str, Learned | None] = {}
        """Lessons that the file hasn't got yet; None: to be forgotten."""

    async def load(self) -> None:
        """Read the file, so that what it holds is known when it can't be read; raises nothing."""
        await asyncio.to_thread(self._known)

    async def get(self, instance_id: str) -> Learned | None:
        """What is known of the instance and hasn't expired; raises nothing."""
        if self._clock() < self._fresh_until:
            return self._unsaved.get(instance_id, self._read_last.get(instance_id))
        return (await asyncio.to_thread(self._known)).get(instance_id)

    async def put(self, instance_id: str, learned: Learned) -> None:
        """Keep this for the instance, in place of what was known; raises nothing."""
        await asyncio.to_thread(self._put, instance_id, learned)

    async def forget(self, instance_id: str) -> bool:
        """Keep nothing of the instance; whether anything was known. Raises nothing."""
        return await asyncio.to_thread(self._put, instance_id, None)

    def _put(self, instance_id: str, learned: Learned | None) -> bool:
        self._unsaved[instance_id] = learned
        unsaved = dict(self._unsaved)
        try:
            with self._locked():
                instances = self._read()
                before = instances.get(instance_id)
                changed = self._with_lessons(instances, unsaved)
                newest = sorted(changed.items(), key=lambda item: -item[1].learned_at)
                if changed != instances:
                    self._write(dict(newest[: self._max_instances]))
        except OSError as error:
            reason = out_of_descriptors(error) or error.strerror
            _log.warning("learned.not_saved", instance_id=instance_id, reason=reason)
            return False
        for one, lesson in unsaved.items():
            if self._unsaved.get(one) is lesson:
                self._unsaved.pop(one, None)
        self._read_last = changed
        return before is not None

    @staticmethod
    def _with_lessons(
        instances: dict[str, Learned], lessons: dict[str, Learned | None]
    ) -> dict[str, Learned]:
        changed = instances | {one: lesson for one, lesson in lessons.items() if lesson is not None}
        return {one: known for one, known in changed.items() if lessons.get(one, known) is not None}

    def _known(self) -> dict[str, Learned]:
        """What the file holds, as far as is known, and what it hasn't got yet."""
        try:
            self._read_last = self._read()
            self._fresh_until = self._clock() + FRESH_S
        except OSError as error:
            reason = out_of_descriptors(error) or error.strerror
            _log.warning("learned.not_read", reason=reason)
        return self._with_lessons(self._read_last, dict(self._unsaved))

    def _read(self) -> dict[str, Learned]:
        """What the file holds that is valid and hasn't expired. Raises: OSError."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return {}
        try:
            if len(content) > MAX_FILE_BYTES:
                raise msgspec.ValidationError("too large")
            document = msgspec.json.decode(content, type=_Document)
            if document.version != _VERSION:
                raise msgspec.ValidationError("another version")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # The message isn't logged: it may quote a file that isn't ours.
            _log.warning("learned.started_fresh", reason="the file isn't one of this version")
            return {}
        now = self._wall_clock()
        instances: dict[str, Learned] = {}
        for instance_id, raw in document.instances.items():
            try:
                learned = _from_entry(msgspec.json.decode(raw, type=_Entry))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                _log.warning("learned.entry_dropped", reason="it isn't valid")
                continue
            if abs(now - learned.learned_at) < self._max_age_s:
                instances[instance_id] = learned
        return instances

    def _write(self, instances: dict[str, Learned]) -> None:
        """Replace the file in one step, so that a reader sees the old one or the new one."""
        content = msgspec.json.encode(
            {
                "version": _VERSION,
                "instances": {key: _to_entry(learned) for key, learned in instances.items()},
            }
        )
        replace_file(self._path, content)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep the other writers out; raises OSError if they don't let go in time."""
        lock = self._path.with_name(f"{self._path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + LOCK_TIMEOUT_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(LOCK_RETRY_INTERVAL_S)
            yield
        finally:
            os.close(descriptor)  # which lets go of the lock


def _from_entry(entry: _Entry) -> Learned:
    keepalive, opaque = entry.keepalive, entry.opaque
    return Learned(
        keepalive.class_,
        keepalive.evidence,
        keepalive.earlier_ts_s,
        entry.unknown,
        Opaque(bytes.fromhex(opaque.greeting), opaque.since, opaque.untouched) if opaque else None,
        entry.learned_at,
    )


def _to_entry(learned: Learned) -> _Entry:
    keepalive = _Keepalive(
        class_=learned.keepalive_class,
        evidence=learned.evidence,
        earlier_ts_s=learned.earlier_s[-MAX_EARLIER:],
    )
    opaque = learned.opaque
    stored = _Opaque(opaque.greeting.hex(), opaque.since, opaque.untouched) if opaque else None
    return _Entry(keepalive, learned.unknown, stored, learned.learned_at)
