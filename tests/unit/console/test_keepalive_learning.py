"""What a console learns of its instance; more with its runner, in test_runner."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.console.surroundings import INSTANCE, Surroundings, surroundings
from vncproxy.console import keepalive_learning as module
from vncproxy.console.keepalive_learning import Learner
from vncproxy.errors import CloudError, CloudErrorKind
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import KeepaliveClass, KeepaliveMemory

GREETING = b"RFB 003.008\n\1\x12"


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[Surroundings]:
    """A cloud that can be asked, and a place for what is learned."""
    async with surroundings(tmp_path) as made:
        yield made


async def recalled(around: Surroundings) -> Learner:
    """A learner of the instance, as a console has it."""
    learner = Learner(INSTANCE, around.parts, HeldInput())
    await learner.recall()
    return learner


async def test_nothing_is_known_at_first(around: Surroundings) -> None:
    """Any message counts, and the instance isn't opaque."""
    learner = await recalled(around)
    assert (learner.keepalive.memory, learner.opaque) == (KeepaliveMemory(), None)


async def test_what_is_remembered_is_recalled(around: Surroundings) -> None:
    """By the next console of the instance."""
    await (await recalled(around)).found_security(GREETING)
    learner = await recalled(around)
    assert learner.opaque is not None
    assert learner.opaque.greeting == GREETING
    assert learner.keepalive.kind is KeepaliveClass.ANY


async def test_one_unknown_message_alone_is_a_bad_stream(around: Surroundings) -> None:
    """Another one, or a link without any in between, begins the row anew."""
    learner = await recalled(around)
    await learner.found_unknown("message 1", GREETING)
    await learner.found_unknown("message 2", GREETING)
    await learner.understood()
    await learner.found_unknown("message 2", GREETING)
    assert learner.opaque is None
    again = await recalled(around)
    await again.found_unknown("message 2", GREETING)
    assert again.opaque is not None


async def test_opaque_holds_for_an_hour(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then RFB is tried; the same message once more and it is opaque again."""
    now = 1_790_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    learner = await recalled(around)
    for _ in range(2):
        await learner.found_unknown("message 1", GREETING)
    now += 3599.0
    assert learner.opaque is not None
    now += 1.0
    assert learner.opaque is None
    await learner.speaks_rfb()
    assert (await recalled(around)).opaque is None
    await learner.found_unknown("message 1", GREETING)
    assert learner.opaque is not None


async def test_what_is_forgotten_is_not_stored_again(around: Surroundings) -> None:
    """By whatever is learned next."""
    learner = await recalled(around)
    await learner.found_unknown("message 1", GREETING)
    await learner.found_security(GREETING)
    await around.parts.learned.forget(INSTANCE.id)
    learner.forget()
    assert learner.opaque is None
    await learner.found_unknown("message 1", GREETING)
    assert (await recalled(around)).opaque is None


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        ({"by_upstream": True, "explained": False, "had_screen": True}, 1),
        ({"by_upstream": False, "explained": False, "had_screen": True}, 0),
        ({"by_upstream": True, "explained": True, "had_screen": True}, 0),
        ({"by_upstream": True, "explained": False, "had_screen": False}, 0),
    ],
)
async def test_the_cloud_is_asked_only_where_an_end_wants_an_explanation(
    around: Surroundings, how: dict[str, bool], asked: int
) -> None:
    """A call costs a part of the API's own budget."""
    learner = await recalled(around)
    await learner.learn(None, **how)
    assert around.count("status") == asked


async def test_a_status_that_can_not_be_had(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old one doesn't stand for it, whether the API fails or hangs."""
    learner = await recalled(around)
    await learner.ask_status()
    assert learner.status == "Running"
    around.cloud.states = [CloudError("busy", CloudErrorKind.TRANSIENT, code="Throttling")]
    await learner.ask_status()
    assert learner.status == ""
    learner.status = "Running"
    monkeypatch.setattr(module, "STATUS_TIMEOUT_S", 0.01)
    around.cloud.status_hangs = True
    await learner.ask_status()
    assert learner.status == ""
