"""An instance's boot log: once as text, or followed as it grows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.setup import WAIT_S, running
from tests.unit.web.test_instances import OTHERS, SETTINGS, WATCH, Site
from vncproxy.config.model import Aliyun
from vncproxy.errors import AuditError
from vncproxy.simulator import Simulator

pytestmark = pytest.mark.sockets


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """Everybody may look; the cloud is asked as often as somebody wants."""
    monkeypatch.setattr("vncproxy.instances.screenshot_cache.PAUSE_S", 0.0)
    monkeypatch.setattr("vncproxy.web.boot_log.FOLLOW_INTERVAL_S", 0.01)
    async with (
        Simulator(SETTINGS) as cloud,
        running(
            tmp_path, cloud=cloud, aliyun=Aliyun(endpoint=cloud.endpoint), rule=(WATCH,)
        ) as setup,
    ):
        yield Site(setup)


async def test_it_is_plain_text_with_its_time(site: Site) -> None:
    """And in the audit."""
    got = await site.get("demo/boot-log")
    assert (got.status, got.content_type) == (200, "text/plain")
    assert "[  OK  ] Started Journal Service.\n" in got.content.decode()
    assert got.headers["last-modified"].endswith("GMT")
    (look,) = await site.setup.audited("look")
    assert (look["reason"], look.get("text")) == ("boot-log", None)


@pytest.mark.parametrize("query", ["", "?follow=1"])
async def test_it_is_refused_in_words(site: Site, query: str) -> None:
    """One that is followed has begun by then."""
    got = await site.get(f"win/boot-log{query}")
    assert got.status == (200 if query else 502)
    assert (got.word, got.json["error"]["status"]) == ("cloud-refused", 502)
    assert "Windows" in got.text
    assert (await site.get(f"nobody/boot-log{query}")).status == 404
    if query:
        (end,) = await site.setup.audited("look-end")
        assert "Windows" in end["text"]


@asynccontextmanager
async def followed(site: Site) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The objects that come."""
    address = f"{site.setup.base}/api/v1/instances/demo/boot-log?follow=1"
    async with asyncio.timeout(WAIT_S), site.setup.http.get(address) as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")

        async def objects() -> AsyncIterator[dict[str, Any]]:
            while line := await answer.content.readline():
                yield json.loads(line)

        yield objects()


async def test_followed_it_comes_once_and_the_audit_has_one_look_with_its_end(site: Site) -> None:
    """However often the cloud was asked."""
    async with followed(site) as news:
        assert "Journal" in (await anext(news))["log"]
        assert await anext(news) == {}
        assert await anext(news) == {}
        assert site.calls("GetInstanceConsoleOutput") >= 3
        (look,) = await site.setup.audited("look")
        assert (look["reason"], look["text"], look["alias"]) == ("boot-log", "followed", "demo")
    (end,) = await site.setup.audited("look-end")
    assert (end["reason"], end["text"]) == ("boot-log", "Who followed it has left.")
    assert (end["user"], end["instance"]) == (look["user"], look["instance"])
    assert len(await site.setup.audited("look")) == 1


async def test_whoever_may_see_it_no_more_follows_it_no_more(site: Site) -> None:
    """With the refusal as its last object; the audit says why."""
    async with followed(site) as news:
        assert "log" in await anext(news)
        site.setup.use_rules((OTHERS,))
        last = [one async for one in news if one][-1]
    assert (last["error"]["status"], last["error"]["word"]) == (404, "unknown-instance")
    (end,) = await site.setup.audited("look-end")
    assert end["text"] == last["error"]["text"][:200]


async def test_nothing_is_followed_that_the_audit_cannot_have(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise AuditError("The audit can't be written: its disk is full.")

    monkeypatch.setattr(site.setup.daemon.components.services.audit, "record", full)
    assert (await site.get("demo/boot-log?follow=1")).status == 503


async def test_the_daemons_end_is_the_end_of_it(site: Site) -> None:
    """Which the audit has."""
    async with followed(site) as news:
        assert "log" in await anext(news)
        site.setup.daemon.stop()
        with pytest.raises((StopAsyncIteration, aiohttp.ClientPayloadError)):
            while True:
                await anext(news)
    (end,) = await site.setup.audited("look-end")
    assert end["text"] == "The daemon ended it."
