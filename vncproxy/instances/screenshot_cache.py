"""Screenshots and boot logs of instances, asked for once for everybody who wants to see them.

The cloud gives one picture of an instance in 10 s (ECS API reference, GetInstanceScreenshot), so
what was answered is shown again meanwhile, a refusal as well.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from vncproxy.aliyun.screenshots import BootLog, Picture
from vncproxy.errors import CloudError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.tasks import Tasks

PAUSE_S = 10.5
"""Between two calls of one kind for an instance: the cloud's 10 s and a margin for the way."""
THUMBNAIL_PAUSE_S = 60.0
"""How long a picture does for a list, which asks for many."""
KEPT_MAX = 4096
"""Answers that are remembered, of all instances."""
KEPT_MAX_BYTES = 64 * 1024 * 1024
"""Of their contents together."""
CALLS_MAX = 8
"""Calls under way at once."""


class ScreenshotSource(Protocol):
    """What gives them: the ECS API."""

    async def screenshot(self, instance_id: str, region: str, *, wake: bool = False) -> Picture:
        """The instance's screen.

        Raises:
            CloudError: The cloud refused it, or didn't answer.
        """

    async def boot_log(self, instance_id: str, region: str) -> BootLog:
        """The instance's boot log.

        Raises:
            CloudError: The cloud refused it, or didn't answer.
        """


_Key = tuple[str, str]
"""What it is of, and the instance's id."""


@dataclass(slots=True)
class _Answer:
    """What was last asked.

    Attributes:
        asked_s: When, in monotonic seconds.
        woke: Whether the screen was woken first.
        asking: The call under way, or the answer.
        size_bytes: Of the answer, once it is there.
    """

    asked_s: float
    woke: bool
    asking: asyncio.Task[Picture | BootLog | CloudError] | None
    size_bytes: int = 0

    @property
    def is_under_way(self) -> bool:
        """Whether the answer isn't there yet."""
        return self.asking is not None and not self.asking.done()


class ScreenshotCache:
    """What instances show, each asked for at most once in `PAUSE_S`."""

    def __init__(
        self,
        cloud: ScreenshotSource,
        tasks: Tasks,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Nothing is asked yet.

        Args:
            cloud: The ECS API.
            tasks: Owns the calls.
            clock: Monotonic seconds.
            pause: Lets so many seconds pass.
        """
        self._cloud = cloud
        self._tasks = tasks
        self._clock = clock
        self._pause = pause
        self._known: OrderedDict[_Key, _Answer] = OrderedDict()
        self._calls = asyncio.Semaphore(CALLS_MAX)

    async def screenshot(
        self, instance: ConsoleInstance, *, wake: bool = False, max_age_s: float = PAUSE_S
    ) -> Picture:
        """The screen, at most so many seconds old.

        Args:
            instance: Whose.
            wake: By a key stroke that wakes a screen that sleeps; it may have to wait for its turn.
            max_age_s: No less than `PAUSE_S`.

        Raises:
            CloudError: The cloud refused it, or didn't answer.
        """

        async def ask() -> Picture:
            return await self._cloud.screenshot(instance.id, instance.region, wake=wake)

        found = await self._answer(("screenshot", instance.id), ask, max_age_s, wake=wake)
        assert isinstance(found, Picture), "nothing else is asked for"
        return found

    async def boot_log(self, instance: ConsoleInstance) -> BootLog:
        """What the instance printed at its last start.

        Raises:
            CloudError: The cloud refused it, or didn't answer.
        """

        async def ask() -> BootLog:
            return await self._cloud.boot_log(instance.id, instance.region)

        found = await self._answer(("boot-log", instance.id), ask, PAUSE_S)
        assert isinstance(found, BootLog), "nothing else is asked for"
        return found

    async def _answer(
        self,
        key: _Key,
        ask: Callable[[], Awaitable[Picture | BootLog]],
        max_age_s: float,
        *,
        wake: bool = False,
    ) -> Picture | BootLog:
        while True:
            answer = self._known.get(key)
            age_s = self._clock() - answer.asked_s if answer is not None else max_age_s
            is_under_way = answer is not None and answer.is_under_way
            if answer is None or (age_s >= max_age_s and not is_under_way):
                answer = self._ask(key, ask, wake)
            does = answer.asking is not None and (answer.woke or not wake)
            if not does and not is_under_way:
                # It may not be asked again yet.
                if age_s < PAUSE_S:
                    await self._pause(PAUSE_S - age_s)
                else:
                    del self._known[key]
                continue
            assert answer.asking is not None
            # Others wait for it, too.
            found = await asyncio.shield(answer.asking)
            if not does:
                continue
            if isinstance(found, CloudError):
                raise found
            return found

    def _ask(
        self, key: _Key, ask: Callable[[], Awaitable[Picture | BootLog]], wake: bool
    ) -> _Answer:
        async def call() -> Picture | BootLog | CloudError:
            async with self._calls:
                # The cloud counts from when it is asked.
                answer.asked_s = self._clock()
                try:
                    found = await ask()
                except CloudError as error:
                    return error
            answer.size_bytes = (
                len(found.content) if isinstance(found, Picture) else found.size_bytes
            )
            self._make_room()
            return found

        answer = _Answer(self._clock(), wake, None)
        answer.asking = self._tasks.start(call(), f"{key[0]}-{key[1]}")
        self._known[key] = answer
        self._known.move_to_end(key)
        self._make_room()
        return answer

    def _make_room(self) -> None:
        """Forget what is old; of what is too much only the contents, since the pause goes on."""
        now_s = self._clock()
        while self._known:
            key, answer = next(iter(self._known.items()))
            is_old = now_s - answer.asked_s > THUMBNAIL_PAUSE_S
            if answer.is_under_way or not (is_old or len(self._known) > KEPT_MAX):
                break
            del self._known[key]
        total = sum(answer.size_bytes for answer in self._known.values())
        for answer in self._known.values():
            if total <= KEPT_MAX_BYTES:
                break
            if answer.size_bytes:
                total -= answer.size_bytes
                answer.asking, answer.size_bytes = None, 0
