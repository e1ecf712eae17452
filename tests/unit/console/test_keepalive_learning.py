"""What a console learns of its instance; more with its supervisor, in test_link_supervisor."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.unit.console.fakes import settle
from tests.unit.console.surroundings import INSTANCE, Surroundings
from vncproxy.console import keepalive_learning as module
from vncproxy.console.keepalive_learning import KeepaliveLearning, to_lesson, to_memory
from vncproxy.errors import CloudError, CloudErrorKind
from vncproxy.instances.keepalive_memory import Learned, Opaque
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import KeepaliveClass, KeepaliveMemory, LinkEnd

GREETING = b"RFB 003.008\n\1\x12"


async def recalled(around: Surroundings) -> KeepaliveLearning:
    """A learning of the instance, as a console has it."""
    learned = await around.parts.learned.get(INSTANCE.id)
    return KeepaliveLearning(
        INSTANCE,
        around.parts.limits,
        around.parts.cloud,
        around.parts.learned,
        learned,
        HeldInput(),
    )


async def test_nothing_is_known_at_first(around: Surroundings) -> None:
    """Any message counts, and the instance isn't opaque."""
    learning = await recalled(around)
    assert (learning.keepalive.memory, learning.opaque) == (KeepaliveMemory(), None)


async def test_what_is_remembered_is_recalled(around: Surroundings) -> None:
    """By the next console of the instance."""
    await (await recalled(around)).found_security(GREETING)
    learning = await recalled(around)
    assert learning.opaque is not None
    assert learning.opaque.greeting == GREETING
    assert learning.keepalive.kind is KeepaliveClass.ANY


async def test_one_unknown_message_alone_is_a_bad_stream(around: Surroundings) -> None:
    """Another one, or a link without any in between, begins the row anew."""
    learning = await recalled(around)
    await learning.found_unknown("message 1", GREETING)
    await learning.found_unknown("message 2", GREETING)
    await learning.understood()
    await learning.found_unknown("message 2", GREETING)
    assert learning.opaque is None
    again = await recalled(around)
    await again.found_unknown("message 2", GREETING)
    assert again.opaque is not None


async def test_opaque_holds_for_an_hour(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then RFB is tried; the same message once more and it is opaque again."""
    now = 1_790_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    learning = await recalled(around)
    for _ in range(2):
        await learning.found_unknown("message 1", GREETING)
    now += 3599.0
    assert learning.opaque is not None
    now += 1.0
    assert learning.opaque is None
    await learning.speaks_rfb()
    assert (await recalled(around)).opaque is None
    await learning.found_unknown("message 1", GREETING)
    assert learning.opaque is not None


async def test_what_is_forgotten_is_not_stored_again(around: Surroundings) -> None:
    """By whatever is learned next."""
    learning = await recalled(around)
    await learning.found_unknown("message 1", GREETING)
    await learning.found_security(GREETING)
    await around.parts.learned.forget(INSTANCE.id)
    learning.forget()
    assert learning.opaque is None
    await learning.found_unknown("message 1", GREETING)
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
    learning = await recalled(around)
    await learning.learn(None, **how)
    assert around.count("status") == asked


async def test_an_end_that_teaches_nothing_is_not_stored(around: Surroundings) -> None:
    """Somebody was typing, or the daemon closed the link itself: nothing is written."""
    learning = await recalled(around)
    end = LinkEnd(KeepaliveClass.ANY, 10.0, 60.0)
    assert not await learning.learn(end, by_upstream=False, explained=False, had_screen=False)
    assert await around.parts.learned.get(INSTANCE.id) is None
    assert await learning.learn(end, by_upstream=True, explained=False, had_screen=False)
    assert await around.parts.learned.get(INSTANCE.id) is not None


@pytest.mark.parametrize(
    ("status", "evidence"),
    [("Stopped", 0), ("Stopping", 0), ("Starting", 0), ("Pending", 0), ("Running", 1)],
)
async def test_what_the_status_explains_is_no_evidence(
    around: Surroundings, status: str, evidence: int
) -> None:
    """A link of an instance that stops or starts is closed whatever was sent on it."""
    learning = await recalled(around)
    around.cloud.states = [status]
    end = LinkEnd(KeepaliveClass.ANY, 60.0, 60.0)
    await learning.learn(end, by_upstream=True, explained=False, had_screen=True)
    assert learning.keepalive.memory.evidence == evidence


async def test_while_the_cloud_is_asked_it_is_shown(around: Surroundings) -> None:
    """And no longer, however that ends."""
    learning = await recalled(around)
    around.cloud.status_hangs = True
    asking = asyncio.create_task(learning.ask_status())
    await settle()
    assert learning.is_asking
    asking.cancel()
    await asyncio.wait([asking])
    assert not learning.is_asking


async def test_a_status_that_can_not_be_had(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old one doesn't stand for it, whether the API fails or hangs."""
    learning = await recalled(around)
    await learning.ask_status()
    assert learning.status == "Running"
    around.cloud.states = [CloudError("busy", CloudErrorKind.TRANSIENT, code="Throttling")]
    await learning.ask_status()
    assert learning.status == ""
    learning.status = "Running"
    monkeypatch.setattr(module, "STATUS_TIMEOUT_S", 0.01)
    around.cloud.status_hangs = True
    await learning.ask_status()
    assert learning.status == ""


@pytest.mark.parametrize("kind", list(KeepaliveClass))
def test_what_is_stored_comes_back(kind: KeepaliveClass) -> None:
    """Class, evidence and the earlier times survive the store."""
    memory = KeepaliveMemory(kind, 1, (61.5, 300.0))
    opaque = Opaque(b"RFB 003.008\n", 1000.0)
    lesson = to_lesson(memory, unknown="a message", opaque=opaque, learned_at=1234.5)
    assert (lesson.unknown, lesson.opaque, lesson.learned_at) == ("a message", opaque, 1234.5)
    assert to_memory(lesson) == memory


def test_nothing_stored_is_nothing_known() -> None:
    """A console that has learned nothing starts from the beginning."""
    assert to_memory(None) is None


def test_a_class_of_another_version_is_forgotten() -> None:
    """A lesson that this version doesn't understand is as none."""
    assert to_memory(Learned("telepathy", 1, (), "", None, 0.0)) is None
