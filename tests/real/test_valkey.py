"""Two whole daemons that share a real Valkey or Redis server, and one cloud."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.line import line
from tests.real.peers.valkey import Sentinel, ValkeyServer
from tests.real.peers.valkey import valkey_server as start_valkey_server
from tests.setup import Running, Viewer, running, until
from vncproxy.cluster.valkey_ownership import SharedOwnership
from vncproxy.config.model import Instance, Limits, Throttle
from vncproxy.console import registry
from vncproxy.rfb.vnc_auth import response
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator
from vncproxy.throttle import fallback_ledger, valkey_connection, valkey_sentinels
from vncproxy.throttle.valkey_connection import StoreAddress, ValkeyStore

NAMES = [f"vm-{n}" for n in range(1, 33)]
SETTINGS = SimulatorSettings(
    instances=tuple(
        SimulatedInstance(instance_id=f"i-bp1shared{n}", name=name) for n, name in enumerate(NAMES)
    ),
    animated=False,
)
PASSWORD = "gR8-unguessable"


@pytest.fixture
def server(short_path: Path) -> Iterator[ValkeyServer]:
    """One for each test: some end it."""
    with start_valkey_server(short_path / "v") as started:
        yield started


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats, pings and renewals without long pauses."""
    monkeypatch.setattr(fallback_ledger, "HEARTBEAT_INTERVAL_S", 0.1)
    monkeypatch.setattr(fallback_ledger, "LEAST_PAUSE_S", 0.05)
    monkeypatch.setattr(fallback_ledger, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(fallback_ledger, "SETTLE_S", 0.5)
    monkeypatch.setattr(fallback_ledger, "SETTLE_INTERVAL_S", 0.1)
    monkeypatch.setattr(registry, "RENEW_INTERVAL_S", 0.1)
    # Not reached because the machine is busy.
    monkeypatch.setattr(valkey_connection, "ANSWER_TIMEOUT_S", 30.0)
    monkeypatch.setattr(valkey_sentinels, "SENTINEL_TIMEOUT_S", 30.0)


@dataclass
class Pair:
    """Two daemons, the cloud and the server between them."""

    one: Running
    two: Running
    cloud: Simulator
    server: ValkeyServer

    @property
    def both(self) -> tuple[Running, Running]:
        """Both of them."""
        return self.one, self.two

    def happened(self, name: str) -> list[dict[str, Any]]:
        """These events of both: of one process's daemons, the last to start has the log."""
        return [event for event in self.two.events if event["event"] == name]


@asynccontextmanager
async def pair(
    folder: Path,
    server: ValkeyServer,
    *,
    limit: int = 29,
    max_wait_s: float = 20.0,
    way_of_two: str | None = None,
) -> AsyncIterator[Pair]:
    """Two daemons whose budget, of `limit` dials, counts for the whole account.

    Args:
        folder: For their state.
        server: What they share.
        limit: Of dials.
        max_wait_s: How long an opening waits for its permit.
        way_of_two: Where the second finds the server, if not where it is.
    """
    limits = Limits(
        reconnects_per_minute=limit, reconnects_key="account", max_wait=max_wait_s, linger=0.0
    )
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(Simulator(SETTINGS))
        daemons: list[Running] = []
        for name in ("bastion-1", "bastion-2"):
            store = way_of_two if way_of_two is not None and daemons else server.url
            throttle = Throttle(store=store, name=name, url=f"https://{name}.example.com")
            daemons.append(
                await stack.enter_async_context(
                    running(folder / name, cloud=cloud, limits=limits, throttle=throttle)
                )
            )
        yield Pair(daemons[0], daemons[1], cloud, server)


async def opened(daemon: Running, name: str) -> Viewer:
    """A viewer that shows an instance's picture."""
    daemon.alias = name
    viewer = await daemon.viewer()
    await until(lambda: viewer.decoder.updates or viewer.socket.closed, "a picture or an end")
    return viewer


async def code_of(daemon: Running, name: str) -> int:
    """The close code that a viewer gets that comes to an instance; 0: it gets a picture."""
    daemon.alias = name
    viewer = await daemon.connect()
    try:
        await viewer.begin()
        await until(lambda: viewer.decoder.updates or viewer.socket.closed, "a picture or an end")
    except Exception:  # whatever the handshake ends with, the code says it
        assert viewer.socket.closed
    return viewer.socket.close_code or 0 if viewer.socket.closed else 0


async def admission(daemon: Running, name: str) -> tuple[int, Any]:
    """What a page gets first."""
    async with daemon.http.get(f"{daemon.base}/api/v1/consoles/{name}/admission") as answer:
        return answer.status, await answer.json()


async def heartbeats(server: ValkeyServer) -> None:
    """Wait until both daemons have shown themselves anew."""

    def shown() -> list[bytes]:
        return server.command("ZRANGE", "vncproxy:daemons", "0", "-1", "WITHSCORES").split()[2::2]

    before = shown()
    await until(
        lambda: len(now := shown()) == 4 and not set(now[1::2]) & set(before[1::2]),
        "a heartbeat of both",
    )


async def ready(daemon: Running) -> tuple[int, Any]:
    """`/readyz` for somebody known."""
    async with daemon.http.get(f"{daemon.base}/readyz") as answer:
        return answer.status, await answer.json()


async def degraded_metric(daemon: Running) -> float:
    """The gauge in `/metrics`."""
    async with daemon.http.get(f"{daemon.base}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    [value] = [
        s.value for f in families for s in f.samples if s.name == "vncproxy_throttle_degraded"
    ]
    return value


@pytest.mark.usefixtures("quick")
async def test_two_daemons_share_29_dials(tmp_path: Path, server: ValkeyServer) -> None:
    """Whichever of them a viewer comes to, the budget is one: both refuse the thirtieth."""
    async with pair(tmp_path, server) as daemons:
        for n, name in enumerate(NAMES[:29]):
            assert (await opened(daemons.both[n % 2], name)).decoder.updates
        assert await code_of(daemons.one, NAMES[29]) == 4429
        assert await code_of(daemons.two, NAMES[30]) == 4429
        assert len(daemons.cloud.dials) == 29
        assert not daemons.cloud.breaches
        for daemon in daemons.both:
            budget = (await daemon.state())["budget"]
            assert (budget["left"], budget["counts_for"]) == (0, "account")
            assert 0 < budget["next_free_s"] <= 61
            assert (await ready(daemon))[1] == {"ready": True, "problems": []}
            assert await degraded_metric(daemon) == 0.0


@pytest.mark.usefixtures("quick")
async def test_the_wrong_daemon_tells_which_has_it(tmp_path: Path, server: ValkeyServer) -> None:
    """A page gets 409 with name and address, a WebSocket 4421; after the end it may come."""
    async with pair(tmp_path, server) as daemons:
        viewer = await opened(daemons.one, NAMES[0])
        status, answer = await admission(daemons.two, NAMES[0])
        assert (status, answer["error"]["word"]) == (409, "elsewhere")
        assert answer["error"]["text"] == (
            "Another vncproxy has this console: bastion-1. "
            "Open it there: https://bastion-1.example.com"
        )
        assert answer["error"]["elsewhere"] == {
            "name": "bastion-1",
            "url": "https://bastion-1.example.com",
            "console": f"https://bastion-1.example.com/console/{NAMES[0]}",
            "pass_on": False,
        }
        assert await code_of(daemons.two, NAMES[0]) == 4421
        assert (await admission(daemons.one, NAMES[0]))[0] == 200
        assert (await admission(daemons.two, NAMES[1]))[0] == 200
        # Nothing was dialled for those who came to the wrong one.
        assert len(daemons.cloud.dials) == 1
        await viewer.close()
        async with asyncio.timeout(60):
            while (await admission(daemons.two, NAMES[0]))[0] != 200:
                await asyncio.sleep(0.02)
        assert (await opened(daemons.two, NAMES[0])).decoder.updates
        assert await code_of(daemons.one, NAMES[0]) == 4421
        assert not daemons.cloud.breaches


async def test_a_native_viewer_is_reported_in_its_own_words(
    tmp_path: Path, server: ValkeyServer, port: int
) -> None:
    """RFB's failure text names the daemon that has the console."""
    password = tmp_path / "native.password"
    password.write_text("native1")
    password.chmod(0o600)
    instance_id = SETTINGS.instances[0].instance_id
    instance = Instance(id=instance_id, alias=NAMES[0], tcp_port=port, tcp_password_file=password)
    store = ValkeyStore(StoreAddress(host="127.0.0.1", port=server.port))
    other = SharedOwnership(store, "other", "bastion-2", "")
    await other.claim(instance_id)
    throttle = Throttle(store=server.url)
    async with running(tmp_path, cloud=SETTINGS, throttle=throttle, instance=(instance,)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            # The password first: who is nobody learns nothing.
            writer.write(b"RFB 003.008\n\2")
            challenge = (await reader.readexactly(12 + 2 + 16))[-16:]
            writer.write(response("native1", challenge))
            received = await reader.read()
        writer.close()
    await store.close()
    assert received.endswith(b"Another vncproxy has this console: bastion-2. Open it there.")


@pytest.mark.usefixtures("quick")
async def test_a_claim_is_renewed_while_the_console_is_open(
    tmp_path: Path, server: ValkeyServer
) -> None:
    """It gets its full life again and again."""
    async with pair(tmp_path, server) as daemons:
        await opened(daemons.one, NAMES[0])
        key = f"vncproxy:console:{SETTINGS.instances[0].instance_id}"
        for _ in range(3):
            # Nearly over, so that it would be if nobody cared.
            assert server.command("PEXPIRE", key, "5000") == b":1\r\n"
            await until(lambda: int(server.command("PTTL", key)[1:]) > 5000, "a renewal")
        assert await code_of(daemons.two, NAMES[0]) == 4421


@pytest.mark.usefixtures("quick")
async def test_a_console_that_another_took_is_left_to_it(
    tmp_path: Path, server: ValkeyServer
) -> None:
    """A daemon that lost its claim closes its viewers with 4421."""
    async with pair(tmp_path, server) as daemons:
        viewer = await opened(daemons.one, NAMES[0])
        store = ValkeyStore(StoreAddress(host="127.0.0.1", port=server.port))
        third = SharedOwnership(store, "third", "bastion-3", "")
        while await third.claim(SETTINGS.instances[0].instance_id) is not None:
            server.command("DEL", f"vncproxy:console:{SETTINGS.instances[0].instance_id}")
        assert await viewer.ended() == 4421
        [event] = daemons.happened("console.taken_elsewhere")
        assert event["by"] == "bastion-3"
        assert len(daemons.cloud.sessions) == 0
        await store.close()


@pytest.mark.usefixtures("quick")
async def test_the_server_dies_and_comes_back(tmp_path: Path, server: ValkeyServer) -> None:
    """Meanwhile each dials by its share; both say so, no viewer is lost, and it ends by itself."""
    async with pair(tmp_path, server, limit=6) as daemons:
        stays = await opened(daemons.one, NAMES[0])
        await opened(daemons.two, NAMES[1])
        # A heartbeat tells each of the other, and of its dial.
        for _ in range(2):
            await heartbeats(server)
        server.kill()
        await until(lambda: len(daemons.happened("throttle.fallback")) == 2, "both fall back")
        for daemon in daemons.both:
            status, answer = await ready(daemon)
            assert status == 200
            assert "can't be reached" in answer["degraded"]
            assert "at most 3 of the 6" in answer["degraded"]
            assert await degraded_metric(daemon) == 1.0
        # Two of the three in each share were dialled before: by one and by the other.
        assert (await opened(daemons.one, NAMES[2])).decoder.updates
        assert (await opened(daemons.two, NAMES[3])).decoder.updates
        assert await code_of(daemons.one, NAMES[4]) == 4429
        assert await code_of(daemons.two, NAMES[5]) == 4429
        # The console that one has can be opened by the other now: the cloud's rule remains, and
        # here the budget refuses it.
        assert await code_of(daemons.two, NAMES[0]) == 4429
        assert len(daemons.cloud.dials) == 4
        assert not stays.socket.closed
        server.start()
        await until(lambda: len(daemons.happened("throttle.shared_again")) == 2, "both are back")
        for daemon in daemons.both:
            assert (await ready(daemon))[1] == {"ready": True, "problems": []}
            assert await degraded_metric(daemon) == 0.0
        # What was dialled without the server counts: two of six are left, for both together.
        assert (await opened(daemons.two, NAMES[4])).decoder.updates
        assert (await opened(daemons.two, NAMES[5])).decoder.updates
        assert await code_of(daemons.one, NAMES[6]) == 4429
        # Claims are known again.
        assert (await admission(daemons.two, NAMES[0]))[0] == 409
        assert len(daemons.cloud.dials) == 6
        assert not stays.socket.closed
        assert not daemons.cloud.breaches


@pytest.mark.usefixtures("quick")
async def test_a_server_that_hangs_holds_nobody_up_for_long(
    tmp_path: Path, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen server is given up within its time limit, and the end isn't held up."""
    async with pair(tmp_path, server, limit=6) as daemons:
        await heartbeats(server)
        monkeypatch.setattr(valkey_connection, "ANSWER_TIMEOUT_S", 0.5)
        server.freeze()
        try:
            assert (await opened(daemons.one, NAMES[0])).decoder.updates
            assert (await ready(daemons.one))[1]["degraded"]
            async with asyncio.timeout(60):
                daemons.one.daemon.stop()
                await until(lambda: daemons.happened("daemon.stopped"), "the end")
        finally:
            server.thaw()


@pytest.mark.usefixtures("quick")
async def test_a_server_without_memory_is_a_lost_one(tmp_path: Path, server: ValkeyServer) -> None:
    """It says what to raise; meanwhile each dials by its share, and nothing is forgotten."""
    async with pair(tmp_path, server, limit=4) as daemons:
        await opened(daemons.one, NAMES[0])
        for _ in range(2):
            await heartbeats(server)
        assert server.command("CONFIG", "SET", "maxmemory", "1") == b"+OK\r\n"
        await until(lambda: len(daemons.happened("throttle.fallback")) == 2, "both fall back")
        for daemon in daemons.both:
            _, answer = await ready(daemon)
            assert "is out of memory: raise its maxmemory" in answer["degraded"]
            assert "at most 2 of the 4" in answer["degraded"]
        assert (await opened(daemons.two, NAMES[1])).decoder.updates
        server.command("CONFIG", "SET", "maxmemory", "0")
        await until(lambda: len(daemons.happened("throttle.shared_again")) == 2, "both are back")
        for name in NAMES[2:4]:
            assert (await opened(daemons.one, name)).decoder.updates
        assert await code_of(daemons.two, NAMES[4]) == 4429
        assert not daemons.cloud.breaches


@pytest.mark.usefixtures("quick")
async def test_a_daemon_that_is_cut_off_from_the_other(
    tmp_path: Path, server: ValkeyServer
) -> None:
    """It dials by its share, the other goes on; together again they know of each other's dials."""
    async with line(server.port) as way:
        there = f"valkey://127.0.0.1:{way.port}/0"
        async with pair(tmp_path, server, limit=6, way_of_two=there) as daemons:
            stays = await opened(daemons.two, NAMES[0])
            for _ in range(2):
                await heartbeats(server)
            way.cut()
            await until(lambda: daemons.happened("throttle.fallback"), "the second falls back")
            assert (await ready(daemons.one))[1] == {"ready": True, "problems": []}
            assert "can't be reached" in (await ready(daemons.two))[1]["degraded"]
            assert (await opened(daemons.one, NAMES[1])).decoder.updates
            for name in NAMES[2:4]:
                assert (await opened(daemons.two, name)).decoder.updates
            assert await code_of(daemons.two, NAMES[4]) == 4429
            way.mend()
            await until(lambda: daemons.happened("throttle.shared_again"), "they are together")
            for name in NAMES[4:6]:
                assert (await opened(daemons.one, name)).decoder.updates
            for daemon in daemons.both:
                assert await code_of(daemon, NAMES[6]) == 4429
            assert (await admission(daemons.one, NAMES[2]))[0] == 409
            assert not stays.socket.closed
            assert len(daemons.cloud.dials) == 6
            assert not daemons.cloud.breaches


@pytest.mark.usefixtures("quick")
async def test_a_failover_by_sentinel_forgets_no_dial(
    tmp_path: Path, short_path: Path, server: ValkeyServer
) -> None:
    """Until there is another primary each dials by its share; no viewer notices."""
    server.command("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    replica = ("--replicaof", "127.0.0.1", str(server.port))
    sentinel = Sentinel(short_path / "sentinel", server)
    with start_valkey_server(short_path / "r", *replica) as other:
        await until(lambda: b"state=online" in server.command("INFO", "replication"), "a replica")
        sentinel.start()
        try:
            await until(lambda: sentinel.knows_a_replica, "that the Sentinel knows it")
            async with pair(tmp_path, sentinel, limit=6) as daemons:
                stays = await opened(daemons.one, NAMES[0])
                await opened(daemons.two, NAMES[1])
                for _ in range(2):
                    await heartbeats(server)
                server.kill()
                await until(lambda: len(daemons.happened("throttle.fallback")) == 2, "both alone")
                assert (await opened(daemons.one, NAMES[2])).decoder.updates
                assert (await opened(daemons.two, NAMES[3])).decoder.updates
                await until(
                    lambda: len(daemons.happened("throttle.shared_again")) == 2, "both are back"
                )
                assert b"role:master" in other.command("INFO", "replication")
                for daemon in daemons.both:
                    assert (await ready(daemon))[1] == {"ready": True, "problems": []}
                for name in NAMES[4:6]:
                    assert (await opened(daemons.two, name)).decoder.updates
                assert await code_of(daemons.one, NAMES[6]) == 4429
                assert (await admission(daemons.two, NAMES[0]))[0] == 409
                assert not stays.socket.closed
                assert len(daemons.cloud.dials) == 6
                assert not daemons.cloud.breaches
        finally:
            sentinel.stop()


async def test_daemons_start_without_the_server(tmp_path: Path, port: int) -> None:
    """Both serve, each by half of the budget, since neither knows how many they are."""
    missing = ValkeyServer(tmp_path / "v")
    missing.port = port
    async with pair(tmp_path, missing, limit=2) as daemons:
        for daemon, name in zip(daemons.both, NAMES, strict=False):
            assert (await opened(daemon, name)).decoder.updates
            assert await code_of(daemon, NAMES[5]) == 4429


@pytest.mark.usefixtures("quick")
async def test_the_password_is_reported_nobody(tmp_path: Path, short_path: Path) -> None:
    """With the right one all is well; a wrong one is reported, and neither appears anywhere."""
    with start_valkey_server(short_path / "p", "--requirepass", PASSWORD) as server:
        for password, well in ((PASSWORD, True), (PASSWORD + "x", False)):
            throttle = Throttle(store=f"valkey://:{password}@127.0.0.1:{server.port}/0")
            async with running(tmp_path / password, throttle=throttle) as setup:
                assert (await opened(setup, setup.alias)).decoder.updates
                _, answer = await ready(setup)
                assert ("degraded" in answer) is not well
                if not well:
                    assert "refuses the user or the password" in answer["degraded"]
                async with setup.http.get(f"{setup.base}/metrics") as numbers:
                    metrics = await numbers.text()
            fell_back = any(event["event"] == "throttle.fallback" for event in setup.events)
            assert fell_back is not well
            assert PASSWORD not in setup.log.getvalue() + str(answer) + metrics


@pytest.mark.usefixtures("quick")
async def test_behind_a_slow_line_consoles_open_later(
    tmp_path: Path, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second for each answer: that is no failure, and the budget is one as ever."""
    # This machine may be slow besides.
    monkeypatch.setattr(valkey_connection, "ANSWER_TIMEOUT_S", 10.0)
    async with line(server.port, delay_s=0.25) as slow:
        throttle = Throttle(store=f"valkey://127.0.0.1:{slow.port}/0")
        limits = Limits(reconnects_per_minute=2, reconnects_key="account", max_wait=20.0)
        async with running(tmp_path, cloud=SETTINGS, limits=limits, throttle=throttle) as setup:
            for name in NAMES[:2]:
                assert (await opened(setup, name)).decoder.updates
            assert not [event for event in setup.events if event["event"] == "link.failed"]
            assert await code_of(setup, NAMES[2]) == 4429
            assert (await ready(setup))[1] == {"ready": True, "problems": []}
            assert not setup.cloud.breaches


@pytest.mark.usefixtures("quick")
async def test_a_line_slower_than_the_limit_is_a_lost_server(
    tmp_path: Path, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon goes on by its share, and names the limit: log, /readyz and metric."""
    monkeypatch.setattr(valkey_connection, "ANSWER_TIMEOUT_S", 0.4)
    async with line(server.port, delay_s=0.4) as slow:
        throttle = Throttle(store=f"valkey://127.0.0.1:{slow.port}/0")
        async with running(tmp_path, cloud=SETTINGS, throttle=throttle) as setup:
            assert (await opened(setup, NAMES[0])).decoder.updates
            status, answer = await ready(setup)
            assert (status, answer["problems"]) == (200, [])
            words = "the shared store ([throttle] store) doesn't answer within 0.4 s"
            assert answer["degraded"].startswith(words)
            assert await degraded_metric(setup) == 1.0
            [event] = [one for one in setup.events if one["event"] == "throttle.fallback"]
            assert event["why"] == words
            assert not [event for event in setup.events if event["event"] == "link.failed"]
