"""One viewer controls, the others watch, and everybody sees who does."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fault.aftermath import under_fault
from tests.page import Page, page
from tests.setup import USUAL, Running, key, pointer, until
from vncproxy.config.model import Limits
from vncproxy.simulator.settings import SimulatorSettings

SMALL = SimulatorSettings(animated=False, width=320, height=240)
SHIFT = 0xFFE1
QEMU_KEYS = -258
INPUT_KINDS = ("key", "pointer", "cut-text", "desktop-size", "qemu-key")


def every_input() -> bytes:
    """One message of each kind that only a controller may send."""
    return b"".join(
        (
            key(1, ord("w")),
            key(0, ord("w")),
            pointer(0, 7, 8),
            struct.pack(">BxxxI", 6, 3) + b"cut",
            struct.pack(">BBHHII", 255, 0, 1, 0, ord("q"), 16)[:12],
            struct.pack(">BxHHBx", 251, 300, 200, 1) + struct.pack(">IHHHHI", 0, 0, 0, 300, 200, 0),
        )
    )


@asynccontextmanager
async def shared(folder: Path, **limits: float) -> AsyncIterator[Running]:
    """A daemon, and nobody on yet."""
    async with under_fault(folder, cloud=SMALL, limits=Limits(**limits)) as setup:  # type: ignore[arg-type]
        yield setup


async def controls(one: Page, *others: Page) -> None:
    """Wait until all pages show that this one has control, and the others watch."""

    def is_shown() -> bool:
        wanted = {one.id: "control", **{other.id: "watch" for other in others}}
        everybody = (one, *others)
        return all(on.controller == one.id and on.roles == wanted for on in everybody)

    await until(is_shown, "who controls, on every page")


def requests_to(on: Page) -> list[str]:
    """Who asked this page for control, by the requests that it got."""
    return [one["from"]["id"] for one in on.messages if one["type"] == "control-request"]


def asking(on: Page) -> list[str]:
    """Who asks for control, by the list that this page got."""
    return [viewer["id"] for viewer in on.on["viewers"] if viewer["asks"]]


async def test_a_watcher_can_do_nothing(tmp_path: Path) -> None:
    """Of none of its input a single message goes upstream; the controller's arrives."""
    encodings = (*USUAL, QEMU_KEYS)
    async with shared(tmp_path) as setup:
        first, second = await page(setup, encodings=encodings), await page(setup)
        await until(lambda: setup.shows(first.viewer) and setup.shows(second.viewer), "the picture")
        await controls(first, second)
        await second.viewer.send(every_input())
        await second.viewer.send(second.viewer.request(0))
        await first.viewer.type("a")
        await until(lambda: setup.cloud.typed_text == "a", "the controller's key")
        await until(lambda: setup.shows(second.viewer), "the echo")
        assert [setup.cloud.messages[kind] for kind in INPUT_KINDS] == [2, 0, 0, 0, 0]
        assert setup.cloud.screen_size() == (320, 240)
        await first.viewer.send(every_input())
        await until(
            lambda: setup.cloud.screen_size() == (300, 200), "all of the controller's input"
        )
        assert [setup.cloud.messages[kind] for kind in INPUT_KINDS] == [4, 1, 1, 1, 1]


async def test_control_is_asked_for_and_granted(tmp_path: Path) -> None:
    """The controller is asked, once; its grant moves control."""
    async with shared(tmp_path) as setup:
        first, second, third = await page(setup), await page(setup), await page(setup)
        await controls(first, second, third)
        await second.wish("request-control")
        await second.wish("request-control")
        await until(lambda: requests_to(first), "the question")
        (question,) = [one for one in first.messages if one["type"] == "control-request"]
        assert question["timeout_s"] == Limits().control_request_timeout
        await until(lambda: asking(third) == [second.id], "who asks, on every page")
        # Of somebody else's answer nothing comes.
        await third.wish("grant", viewer=third.id)
        await third.wish("grant", viewer=second.id)
        await first.wish("grant", viewer=second.id)
        await controls(second, first, third)
        assert requests_to(first) == [second.id]
        await first.viewer.type("no")
        await second.viewer.type("yes")
        await until(lambda: setup.cloud.typed_text == "yes", "the new controller's keys")


async def test_control_is_handed_over_unasked(tmp_path: Path) -> None:
    """The controller may give it to any that may have it."""
    async with shared(tmp_path) as setup:
        first, second, watcher = await page(setup), await page(setup), await page(setup, view=True)
        await controls(first, second, watcher)
        await first.wish("grant", viewer=watcher.id)
        await first.wish("grant", viewer="v-nobody")
        await first.wish("grant", viewer=second.id)
        await controls(second, first, watcher)


async def test_a_request_is_refused(tmp_path: Path) -> None:
    """The one that asked gets the answer, keeps watching, and may ask again."""
    async with shared(tmp_path) as setup:
        first, second = await page(setup), await page(setup)
        await controls(first, second)
        for number in (1, 2):
            await second.wish("request-control")
            await until(lambda: len(requests_to(first)) == number, "the question")  # noqa: B023
            await first.wish("refuse", viewer=second.id)
            await until(lambda: len(second.messages) == number, "the refusal")  # noqa: B023
            assert "refused" in second.messages[-1]["text"]
        await controls(first, second)


async def test_a_request_without_an_answer_is_granted(tmp_path: Path) -> None:
    """After control_request_timeout, to each that asked in its turn."""
    async with shared(tmp_path, control_request_timeout=0.3) as setup:
        first, second = await page(setup), await page(setup)
        await controls(first, second)
        await second.wish("request-control")
        await controls(second, first)


async def test_a_request_made_again_is_asked_again(tmp_path: Path) -> None:
    """One that got control otherwise, and lost it, doesn't wait for its old request's time."""
    async with shared(tmp_path) as setup:
        first, second, third = await page(setup), await page(setup), await page(setup)
        await controls(first, second, third)
        await second.wish("request-control")
        await until(lambda: requests_to(first), "the question")
        await first.leave()
        await controls(second, third)
        await third.wish("take")
        await controls(third, second)
        await second.wish("request-control")
        await until(lambda: requests_to(third) == [second.id], "the question to the new controller")


async def test_the_longest_waiting_gets_control(tmp_path: Path) -> None:
    """When the controller leaves; then the next one."""
    async with shared(tmp_path) as setup:
        first, second, third, watcher = [await page(setup) for _ in range(3)] + [
            await page(setup, view=True)
        ]
        await controls(first, second, third, watcher)
        await watcher.wish("request-control")
        await third.wish("request-control")
        await until(lambda: requests_to(first), "a question")
        await second.wish("request-control")
        await until(lambda: requests_to(first) == [third.id, second.id], "both questions")
        await first.leave()
        await controls(third, second, watcher)
        await third.leave()
        await controls(second, watcher)


async def test_taking_over_releases_what_is_held(tmp_path: Path) -> None:
    """Shift that the old controller held goes up before the new one's first key; once."""
    async with shared(tmp_path) as setup:
        first, second = await page(setup), await page(setup)
        await controls(first, second)
        await first.viewer.send(key(1, SHIFT), pointer(4, 20, 30))
        await until(lambda: setup.cloud.pointed, "what is held")
        await second.wish("take")
        await controls(second, first)
        await second.viewer.type("a")
        # The old one lets go of its keys too late: that isn't passed on.
        await first.viewer.send(key(0, SHIFT), pointer(0, 20, 30))
        await second.viewer.type("b")
        await until(lambda: setup.cloud.typed_text.endswith("b"), "the new controller's keys")
        events = [(event.keysym, event.down) for event in setup.cloud.typed]
        assert events[:3] == [(SHIFT, True), (SHIFT, False), (ord("a"), True)]
        assert events.count((SHIFT, False)) == 1
        assert [report.buttons for report in setup.cloud.pointed] == [4, 0]


async def test_take_counts_once(tmp_path: Path) -> None:
    """Only an admission that asked for it takes control; the ticket of a reconnect doesn't."""
    async with shared(tmp_path) as setup:
        first = await page(setup)
        await until(lambda: first.controls, "control")
        second = await page(setup, take=True)
        await controls(second, first)
        await first.wish("take")
        await controls(first, second)
        await second.leave()
        async with setup.http.get(
            f"{setup.base}/api/v1/consoles/{setup.alias}/admission"
        ) as answer:
            admission = await answer.json()
        # Even if its WebSocket's address still said so.
        back = await setup.viewer(f"?ticket={admission['ticket']}&take=1")
        await until(lambda: len(first.roles) == 2, "the one that is back")
        await back.type("no")
        await first.viewer.type("y")
        await until(lambda: setup.cloud.typed_text == "y", "the controller's key")
        assert first.controls


async def test_a_watcher_by_wish_never_controls(tmp_path: Path) -> None:
    """With view=1 nothing helps: not being first, asking, taking, or a grant."""
    async with shared(tmp_path) as setup:
        watcher = await page(setup, view=True, take=True)
        await until(lambda: watcher.roles == {watcher.id: "watch"}, "its own role")
        await watcher.wish("request-control")
        await watcher.wish("take")
        await watcher.viewer.type("no")
        second = await page(setup)
        await controls(second, watcher)
        await second.wish("release")
        await until(lambda: watcher.controller is None, "control that is free")
        await watcher.wish("take")
        await watcher.wish("request-control")
        await second.wish("request-control")
        await controls(second, watcher)
        await second.viewer.type("y")
        await until(lambda: setup.cloud.typed_text == "y", "the controller's key")


async def test_a_viewer_without_a_page_gets_free_control_by_typing(tmp_path: Path) -> None:
    """It has no button to ask with. While another controls, its keys do nothing."""
    async with shared(tmp_path) as setup:
        first = await page(setup)
        bare = await setup.viewer()
        await until(lambda: len(first.roles) == 2, "both on")
        await bare.type("no")
        await first.viewer.type("a")
        await until(lambda: setup.cloud.typed_text == "a", "the controller's key")
        await first.wish("release")
        await until(lambda: first.controller is None, "control that is free")
        await bare.send(pointer(0, 3, 4))
        await bare.send(key(1, SHIFT), key(0, SHIFT))
        await until(lambda: first.controller not in (None, first.id), "control of the other")
        await bare.type("b")
        await until(lambda: setup.cloud.typed_text == "ab", "its key")
