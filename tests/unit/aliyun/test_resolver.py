"""Names that are looked up in threads of their own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.setup import until
from vncproxy.aliyun import resolver as module
from vncproxy.aliyun.resolver import Resolver

pytestmark = pytest.mark.sockets

_getaddrinfo = socket.getaddrinfo


class NameService:
    """Answers for names; for those that begin with `silent` only once it may."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self.asked: list[str] = []
        self.answers = threading.Event()

    def look_up(self, host: str, *how: Any, **more: Any) -> Any:
        """In place of getaddrinfo."""
        self.asked.append(host)
        if host.startswith("silent"):
            assert self.answers.wait(30.0)
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return _getaddrinfo("127.0.0.1", *how, **more)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameService]:
    """See the class."""
    service = NameService()
    monkeypatch.setattr(socket, "getaddrinfo", service.look_up)
    yield service
    service.answers.set()


async def test_silent_names_hold_up_nobody(names: NameService) -> None:
    """However many there are: others are answered, and who waited may leave."""
    ours = Resolver()
    waiting = [asyncio.create_task(ours.resolve(f"silent-{n}.test", 1)) for n in range(40)]
    await until(lambda: len(names.asked) == 40, "all to be asked")
    (found,) = await ours.resolve("name.test", 443)
    assert (found["hostname"], found["host"], found["port"]) == ("name.test", "127.0.0.1", 443)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert all(task.cancelled() for task in waiting)


async def test_one_thread_for_all_who_ask_for_the_same(names: NameService) -> None:
    """Also when the first of them has left."""
    ours = Resolver()
    first, *others = [asyncio.create_task(ours.addresses("silent.test", 80)) for _ in range(5)]
    await until(lambda: names.asked, "the question")
    first.cancel()
    names.answers.set()
    assert {one[4][:2] for found in await asyncio.gather(*others) for one in found} == {
        ("127.0.0.1", 80)
    }
    assert names.asked == ["silent.test"]
    await ours.addresses("silent.test", 80)
    assert len(names.asked) == 2


async def test_an_unknown_name(names: NameService) -> None:
    """The fault is the name service's own, also where nobody waits for it any more."""
    with pytest.raises(socket.gaierror, match="unknown"):
        await Resolver().resolve("unknown.test", 1)


async def test_threads_are_bounded(names: NameService, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes beyond is refused at once, and taken again afterwards."""
    monkeypatch.setattr(module, "MAX_THREADS", 2)
    ours = Resolver()
    waiting = [asyncio.create_task(ours.addresses(f"silent-{n}.test", 1)) for n in range(2)]
    await until(lambda: len(names.asked) == 2, "both to be asked")
    with pytest.raises(socket.gaierror, match="too many"):
        await ours.addresses("name.test", 1)
    names.answers.set()
    await asyncio.gather(*waiting)
    assert await ours.addresses("name.test", 1)


async def test_aiohttp_connects_by_it(names: NameService) -> None:
    """A session's connector takes it."""

    async def hello(_: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        out.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        out.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connector = aiohttp.TCPConnector(resolver=Resolver())
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.get(f"http://name.test:{port}/") as answer,
        ):
            assert answer.status == 204
    assert names.asked == ["name.test"]


async def test_an_address_is_no_question(names: NameService) -> None:
    """It is taken as it is, in either family, and no thread is started for it."""
    ours = Resolver()
    before = set(threading.enumerate())
    names.asked.clear()
    for host in ("127.0.0.1", "::1"):
        found = await ours.addresses(host, 443)
        assert found
        # Those of other tests may end meanwhile.
        assert set(threading.enumerate()) <= before
    assert names.asked == ["127.0.0.1", "::1"]
    await ours.addresses("name.test", 443)
    assert names.asked[-1] == "name.test"
