"""Who may connect to the gateway, and when not."""

from __future__ import annotations

import asyncio
from urllib.parse import quote, unquote

import aiohttp
import pytest
from aiohttp import web

from tests.clock import FakeClock
from tests.unit.simulator.conftest import StartCloud
from tests.unit.simulator.viewer import Gone, Viewer, dialled, status_of
from vncproxy.simulator import (
    Breach,
    Ending,
    GatewayFault,
    GatewayFaultKind,
    Simulator,
    Step,
)

pytestmark = pytest.mark.sockets


def fresh(cloud: Simulator, instance_id: str = "i-one") -> str:
    """A VncUrl, decoded as it should be."""
    return unquote(cloud.make_url(instance_id))


async def test_a_fresh_url_opens_a_session(cloud: Simulator) -> None:
    """With subprotocol binary and no compression; the dial is in the journal."""
    async with dialled(cloud) as viewer:
        assert viewer.websocket.protocol == "binary"
        assert viewer.websocket.compress == 0
        await viewer.enter()
        assert cloud.sessions == ["i-one"]
    assert [(d.instance_id, d.outcome) for d in cloud.dials] == [("i-one", "accepted")]
    assert cloud.breaches == {}


async def test_no_subprotocol_is_fine(cloud: Simulator) -> None:
    """As with websockify."""
    assert await status_of(fresh(cloud)) == 101


async def test_a_url_works_once(cloud: Simulator) -> None:
    """The second dial is refused and counted."""
    url = fresh(cloud)
    assert await status_of(url) == 101
    assert await status_of(url) == 403
    assert cloud.breaches == {Breach.REUSED_URL: 1}


async def test_a_url_expires(start_cloud: StartCloud) -> None:
    """After its life it is refused and counted."""
    clock = FakeClock(100.0)
    cloud = await start_cloud(clock=clock)
    url = fresh(cloud)
    clock.forward(15.5)
    assert await status_of(url) == 403
    assert cloud.breaches == {Breach.EXPIRED_URL: 1}
    assert cloud.dials[-1].outcome == Breach.EXPIRED_URL


@pytest.mark.parametrize("spoil", ["twice", "plus"])
async def test_a_wrongly_decoded_url_is_unknown(cloud: Simulator, spoil: str) -> None:
    """Decoding the answer twice, or a plus as a space, loses the token."""
    base, _, value = fresh(cloud).partition("s=")
    token = unquote(value)
    wrong = base + "s=" + (token if spoil == "twice" else quote(token.replace("+", " "), safe=""))
    assert await status_of(wrong) == 403
    assert cloud.breaches == {Breach.UNKNOWN_URL: 1}


async def test_one_dial_too_many_is_refused(start_cloud: StartCloud) -> None:
    """Per instance and window; a window later it is allowed again."""
    clock = FakeClock(100.0)
    cloud = await start_cloud(clock=clock, reconnects_per_minute=3)
    for _ in range(3):
        assert await status_of(fresh(cloud)) == 101
        clock.forward(10.0)
    assert await status_of(fresh(cloud)) == 429
    assert await status_of(fresh(cloud, "i-two")) == 101
    assert cloud.breaches == {Breach.TOO_MANY_DIALS: 1}
    clock.seconds = 160.0
    assert await status_of(fresh(cloud)) == 101
    assert cloud.most_dials(60.0, "i-one") == 4


async def test_a_second_session_is_refused(cloud: Simulator) -> None:
    """While the first goes on."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        assert await status_of(fresh(cloud)) == 409
        await viewer.request()
        await viewer.next_update()
    assert cloud.breaches == {Breach.SECOND_SESSION: 1}


async def test_a_second_session_throws_the_first_out(start_cloud: StartCloud) -> None:
    """Where it is configured: a bare end for the first."""
    cloud = await start_cloud(second_session="throw-out")
    async with dialled(cloud) as first:
        await first.enter()
        async with dialled(cloud) as second:
            await second.enter()
            assert await first.ended() is None
            await second.request()
            await second.next_update()
    assert cloud.breaches == {Breach.SECOND_SESSION: 1}
    assert ("i-one", "thrown-out") in cloud.endings


async def test_a_closed_session_frees_its_slot_at_once(cloud: Simulator) -> None:
    """A client that closed properly may dial the moment its close is answered."""
    for _ in range(5):
        async with dialled(cloud) as viewer:
            await viewer.enter()
    assert cloud.breaches == {}
    assert list(cloud.endings) == [("i-one", "client-closed")] * 5


async def test_a_vanished_client_may_block_the_slot(start_cloud: StartCloud) -> None:
    """For as long as is configured."""
    clock = FakeClock(0.0)
    cloud = await start_cloud(clock=clock, half_open_s=20.0)
    async with dialled(cloud) as viewer:
        await viewer.enter()
        transport = viewer.websocket.get_extra_info("socket")
        assert transport is not None
        viewer.websocket._writer.transport.abort()
        while cloud.sessions or not cloud.endings:
            await asyncio.sleep(0.01)
    assert list(cloud.endings) == [("i-one", "client-vanished")]
    assert await status_of(fresh(cloud)) == 409
    clock.seconds = 21.0
    assert await status_of(fresh(cloud)) == 101


async def test_a_refusal_may_come_after_the_upgrade(start_cloud: StartCloud) -> None:
    """Where it is configured: 101, then a close."""
    cloud = await start_cloud(refusal="close")
    url = fresh(cloud)
    assert await status_of(url) == 101
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as websocket:
        assert await Viewer(websocket).ended() == 1008


async def test_a_fault_refuses_the_upgrade(cloud: Simulator) -> None:
    """With the status asked for, once; a dial that is refused anyhow doesn't use it up."""
    url = fresh(cloud)
    assert await status_of(url) == 101
    cloud.gateway_faults.next("i-one", GatewayFault.refuse(503))
    assert await status_of(url) == 403
    assert await status_of(fresh(cloud)) == 503
    assert await status_of(fresh(cloud)) == 101
    assert cloud.breaches == {Breach.REUSED_URL: 1}


async def test_a_fault_hangs_before_the_upgrade(cloud: Simulator) -> None:
    """Nothing is answered, then the connection is reset."""
    cloud.gateway_faults.next("i-one", GatewayFault.hang(0.1))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.ws_connect(fresh(cloud))


@pytest.mark.parametrize("step", list(Step))
async def test_a_fault_ends_the_handshake_at_each_step(cloud: Simulator, step: Step) -> None:
    """By a bare end, where the server would have sent it."""
    cloud.gateway_faults.next("i-two", GatewayFault.close_at(step))
    async with dialled(cloud, "i-two") as viewer:
        with pytest.raises(Gone) as gone:
            await viewer.enter("abc123")
            await viewer.request()
            await viewer.next_update()
        assert gone.value.code is None
    assert cloud.breaches == {}


async def test_an_unknown_security_type_can_be_offered(cloud: Simulator) -> None:
    """It acts as None for a client that plays along."""
    cloud.gateway_faults.next("i-one", GatewayFault(GatewayFaultKind.UNKNOWN_SECURITY))
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.request()
        await viewer.next_update()
    assert cloud.messages["opaque"] > 0


async def test_drop_ends_the_session_as_configured(cloud: Simulator) -> None:
    """Bare, or with a close frame; there may be none."""
    assert not cloud.drop("i-one")
    for ending, code in ((Ending.DROP, None), (Ending.CLOSE, 1000), (Ending.RESET, None)):
        async with dialled(cloud) as viewer:
            await viewer.enter()
            assert cloud.drop("i-one", ending)
            assert await viewer.ended() == code


async def test_a_fault_strikes_an_open_session(cloud: Simulator) -> None:
    """Its bytes are counted from then on, to the byte."""
    assert not cloud.strike(GatewayFault.close_after(5), "i-one")
    async with dialled(cloud) as viewer:
        await viewer.enter()
        assert cloud.strike(GatewayFault.close_after(5), "i-one")
        await viewer.request()
        assert len(await viewer.receive()) == 5
        assert await viewer.ended() == 1000


async def test_no_more_sessions_than_configured(start_cloud: StartCloud) -> None:
    """The next dial is refused with 503."""
    cloud = await start_cloud(max_sessions=1)
    async with dialled(cloud, "i-one") as viewer:
        await viewer.enter()
        assert await status_of(fresh(cloud, "i-two")) == 503


async def test_a_client_that_leaves_during_the_upgrade_leaves_no_session(
    cloud: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no fault of the server's, and the next one gets in."""

    async def prepare(websocket: web.WebSocketResponse, request: web.BaseRequest) -> None:
        raise ConnectionResetError("Cannot write to closing transport")

    with monkeypatch.context() as patch:
        patch.setattr(web.WebSocketResponse, "prepare", prepare)
        await status_of(fresh(cloud))
    assert cloud.sessions == []
    assert await status_of(fresh(cloud)) == 101
    assert caplog.text == ""
