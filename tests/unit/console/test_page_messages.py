"""The pages of a console, and the mailbox of each."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.console.surroundings import KICKED, Surroundings
from vncproxy.console.page_messages import Pages, Subscriber, elsewhere, notice
from vncproxy.errors import ConsoleElsewhere


async def test_a_new_page_has_news_at_once() -> None:
    """It is reported the state without waiting for a change."""
    assert await Subscriber("v-1").news() == []


async def test_it_waits_for_a_change() -> None:
    """After the news were read, the next comes with the next change."""
    subscriber = Subscriber("v-1")
    await subscriber.news()
    waiting = asyncio.create_task(subscriber.news())
    await asyncio.sleep(0)
    assert not waiting.done()
    subscriber.changed()
    assert await waiting == []


async def test_notices_come_once_and_in_order() -> None:
    """Each is given with the next news, then forgotten."""
    subscriber = Subscriber("v-1")
    subscriber.notify(notice("first"))
    subscriber.notify(notice("second", "warning"))
    assert await subscriber.news() == [
        {"type": "notice", "level": "info", "text": "first"},
        {"type": "notice", "level": "warning", "text": "second"},
    ]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await subscriber.news()


async def test_many_changes_are_one() -> None:
    """A page that reads slowly misses states that are out of date."""
    subscriber = Subscriber("v-1")
    for _ in range(1000):
        subscriber.changed()
    await subscriber.news()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await subscriber.news()


async def test_a_page_that_never_reads_costs_little() -> None:
    """The oldest notices are dropped."""
    subscriber = Subscriber("v-1")
    for number in range(1000):
        subscriber.notify(notice(str(number)))
    texts = [message["text"] for message in await subscriber.news()]
    assert texts == [str(number) for number in range(984, 1000)]


def test_another_daemon_that_has_the_console() -> None:
    """A page gets its name, its address if that is known, and whether to go on there."""
    assert elsewhere(ConsoleElsewhere("b-2", "https://b2.example.com", pass_on=True)) == {
        "type": "elsewhere",
        "name": "b-2",
        "url": "https://b2.example.com",
        "pass_on": True,
        "text": "Another vncproxy has this console: b-2. Open it there: https://b2.example.com",
    }
    nowhere = elsewhere(ConsoleElsewhere("b-2", pass_on=True))
    assert (nowhere["url"], nowhere["pass_on"]) == (None, False)


async def test_who_is_shown_what(around: Surroundings) -> None:
    """A change and a notice to all wake every page; one viewer's notice only its own pages."""
    pages = Pages()
    ann, also_ann, bob = (pages.subscribe(name) for name in ("ann", "ann", "bob"))
    gone = pages.subscribe("bob")
    pages.unsubscribe(gone)
    assert len(pages) == 3
    pages.notify("ann", notice("one"))
    pages.notify_all(notice("all"))
    texts = [[message["text"] for message in await page.news()] for page in (ann, also_ann, bob)]
    assert texts == [["one", "all"], ["one", "all"], ["all"]]
    pages.changed()
    assert await bob.news() == []
    await gone.news()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await gone.news()


async def test_a_session_that_is_ended(around: Surroundings) -> None:
    """The page shows the text for which the close frame has no room."""
    viewer, _ = around.viewer()
    pages = Pages()
    page = pages.subscribe(viewer.id)
    pages.end_viewer(viewer, KICKED)
    assert await page.news() == [{"type": "ending", "text": KICKED.text, "by_hand": False}]
    assert viewer.end == KICKED


async def test_what_comes_before_the_page_is_kept_for_it() -> None:
    """Its screen's WebSocket is there first; each message is given once, to its own page."""
    pages = Pages()
    pages.notify("v-1", notice("early"))
    pages.notify("v-2", notice("another's"))
    subscriber = pages.subscribe("v-1")
    assert [message["text"] for message in await subscriber.news()] == ["early"]
    assert await pages.subscribe("v-1").news() == []


async def test_pages_that_never_come_cost_little() -> None:
    """The oldest are forgotten."""
    pages = Pages()
    for number in range(1000):
        for _ in range(100):
            pages.notify(f"v-{number}", notice(str(number)))
    assert await pages.subscribe("v-0").news() == []
    assert 0 < len(await pages.subscribe("v-999").news()) < 100
