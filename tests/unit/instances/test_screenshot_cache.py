"""At most one call in a while, however many want to see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.clock import FakeClock
from vncproxy.aliyun.errors import transient
from vncproxy.aliyun.screenshots import BootLog, Picture
from vncproxy.errors import CloudError
from vncproxy.instances import screenshot_cache as module
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.screenshot_cache import PAUSE_S, THUMBNAIL_PAUSE_S, ScreenshotCache
from vncproxy.tasks import Tasks

WEB = ConsoleInstance("i-web", "cn-a", "web-1")


class Camera:
    """A cloud that answers with the number of the call, or with an error."""

    def __init__(self) -> None:
        """Nothing asked yet; it answers at once."""
        self.calls: list[tuple[str, bool]] = []
        self.error: CloudError | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def screenshot(self, instance_id: str, region: str, *, wake: bool = False) -> Picture:
        """The number of the call."""
        self.calls.append((instance_id, wake))
        number = len(self.calls)
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return Picture(str(number).encode(), "image/png")

    async def boot_log(self, instance_id: str, region: str) -> BootLog:
        """The number of the call."""
        picture = await self.screenshot(instance_id, region)
        return BootLog(picture.content.decode(), None)


class Setting:
    """A cache with a clock that pauses set forward."""

    def __init__(self, tasks: Tasks) -> None:
        """Nobody has looked."""
        self.camera = Camera()
        self.clock = FakeClock()
        self.cache = ScreenshotCache(self.camera, tasks, self.clock, self._pause)

    async def _pause(self, seconds: float) -> None:
        self.clock.seconds += seconds

    async def see(self, instance: ConsoleInstance = WEB, *, wake: bool = False) -> str:
        """The number of the call whose picture is shown."""
        return (await self.cache.screenshot(instance, wake=wake)).content.decode()


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    """Its tasks end with the test."""
    tasks = Tasks()
    yield Setting(tasks)
    await tasks.close()


async def test_all_who_look_share_a_picture(setting: Setting) -> None:
    """At the same time, and for a while after."""
    setting.camera.open.clear()
    looking = [asyncio.create_task(setting.see()) for _ in range(5)]
    await asyncio.sleep(0)
    setting.camera.open.set()
    assert await asyncio.gather(*looking) == ["1"] * 5
    setting.clock.seconds += PAUSE_S - 0.1
    assert await setting.see() == "1"
    setting.clock.seconds += 0.2
    assert await setting.see() == "2"


async def test_each_instance_and_kind_has_its_own(setting: Setting) -> None:
    """A boot log is no picture."""
    other = ConsoleInstance("i-db", "cn-a", "db-1")
    assert [await setting.see(), await setting.see(other)] == ["1", "2"]
    assert (await setting.cache.boot_log(WEB)).text == "3"
    assert (await setting.cache.boot_log(WEB)).text == "3"


async def test_a_refusal_is_shared_too(setting: Setting) -> None:
    """And asked for again later."""
    setting.camera.error = transient("busy.")
    for _ in range(3):
        with pytest.raises(CloudError, match="busy"):
            await setting.see()
    assert len(setting.camera.calls) == 1
    setting.camera.error = None
    setting.clock.seconds += PAUSE_S
    assert await setting.see() == "2"


async def test_a_screen_that_is_to_wake_waits_for_its_turn(setting: Setting) -> None:
    """The picture of a screen that nobody woke doesn't do; one that was woken does for all."""
    assert await setting.see() == "1"
    began_s = setting.clock.seconds
    assert await setting.see(wake=True) == "2"
    assert setting.clock.seconds == began_s + PAUSE_S
    assert await setting.see() == "2"
    assert setting.camera.calls == [("i-web", False), ("i-web", True)]


async def test_a_call_under_way_is_waited_for_before_the_screen_is_woken(setting: Setting) -> None:
    """However long it takes, no second one goes beside it."""
    setting.camera.open.clear()
    first = asyncio.create_task(setting.see())
    await asyncio.sleep(0)
    setting.clock.seconds += 100.0
    waking = asyncio.create_task(setting.see(wake=True))
    again = asyncio.create_task(setting.see())
    for _ in range(10):
        await asyncio.sleep(0)
    assert setting.camera.calls == [("i-web", False)]
    setting.camera.open.set()
    assert await first == "1"
    assert await again == "1"
    assert await waking == "2"
    assert setting.camera.calls == [("i-web", False), ("i-web", True)]


async def test_a_list_does_with_older_pictures(setting: Setting) -> None:
    """One a minute."""

    async def thumbnail() -> bytes:
        return (await setting.cache.screenshot(WEB, max_age_s=THUMBNAIL_PAUSE_S)).content

    seen = []
    for _ in range(4):
        seen.append(await thumbnail())
        setting.clock.seconds += 25.0
    assert seen == [b"1", b"1", b"1", b"2"]


async def test_whoever_leaves_ends_it_for_nobody_else(setting: Setting) -> None:
    """The call goes on."""
    setting.camera.open.clear()
    leaves, stays = asyncio.create_task(setting.see()), asyncio.create_task(setting.see())
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.sleep(0)
    setting.camera.open.set()
    assert await stays == "1"


async def test_what_is_kept_is_bounded(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in bytes; a picture that was dropped isn't asked for sooner."""
    monkeypatch.setattr(module, "KEPT_MAX_BYTES", 2)
    assert [await setting.see(ConsoleInstance(f"i-{n}", "r", "a")) for n in range(3)] == list("123")
    kept = setting.cache._known
    assert sum(look.size_bytes for look in kept.values()) <= 2
    began_s = setting.clock.seconds
    assert await setting.see(ConsoleInstance("i-0", "r", "a")) == "4"
    assert setting.clock.seconds == began_s + PAUSE_S
    monkeypatch.setattr(module, "KEPT_MAX", 2)
    for n in range(10, 15):
        await setting.see(ConsoleInstance(f"i-{n}", "r", "a"))
    assert len(kept) <= 3
    setting.clock.seconds += THUMBNAIL_PAUSE_S + 1
    await setting.see()
    assert list(kept) == [("screenshot", "i-web")]


async def test_few_calls_are_under_way_at_once(setting: Setting) -> None:
    """The others have their turn later; the pause counts from then."""
    setting.camera.open.clear()
    many = [ConsoleInstance(f"i-{n}", "r", "a") for n in range(20)]
    looking = [asyncio.create_task(setting.see(one)) for one in many]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(setting.camera.calls) == module.CALLS_MAX
    setting.camera.open.set()
    await asyncio.gather(*looking)
    assert len(setting.camera.calls) == 20
