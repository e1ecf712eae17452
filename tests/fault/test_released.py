"""What has ended is freed at once, by its references: nothing waits for the collector.

`vncproxy serve` looks through all objects only once memory has grown by 140 MB, since the event
loop stands still meanwhile. What is left as a cycle stays as long, with its buffers and its screen.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.client import ClientProtocol

from tests.fault.aftermath import under_fault
from tests.page import page
from tests.setup import Running, until
from vncproxy.config.model import Limits
from vncproxy.console.console import Console
from vncproxy.console.link import Link
from vncproxy.console.link_supervisor import LinkSupervisor
from vncproxy.console.message_router import MessageRouter
from vncproxy.console.shared_screen import SharedScreen
from vncproxy.console.viewer import Viewer
from vncproxy.errors import CloseCode, CloseReason, CloudError, Side
from vncproxy.rfb.client_stream import ClientStream
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.simulator.faults import ApiFault, GatewayFault, Step
from vncproxy.simulator.sabotage import Ending
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.web.http_connection import Connection
from vncproxy.web.viewer_websockets import _ControlSocket
from vncproxy.websocket.browser_transport import BrowserTransport, _Handshake
from vncproxy.websocket.frame_dispatcher import FrameDispatcher
from vncproxy.websocket.gateway_reader import GatewayConnection
from vncproxy.websocket.gateway_transport import GatewayTransport
from vncproxy.websocket.tcp_transport import TcpTransport

pytestmark = pytest.mark.usefixtures("idle_clock")

SMALL = SimulatorSettings(animated=False, width=320, height=240)
KICKED = CloseReason(CloseCode.KICKED, Side.DAEMON, "an administrator ended it")
OF_LINKS = (Link, ServerStream, GatewayTransport, GatewayConnection, ClientProtocol, CloudError)
OF_VIEWERS = (Viewer, ClientStream, BrowserTransport, TcpTransport, _Handshake, _ControlSocket)
OF_CONSOLES = (Console, LinkSupervisor, MessageRouter, SharedScreen, ScreenState)
ALL = frozenset({*OF_LINKS, *OF_VIEWERS, *OF_CONSOLES, Connection, FrameDispatcher})


@pytest.fixture(autouse=True)
def no_collections() -> Iterator[None]:
    """What others left is collected before, and not counted; nothing is collected meanwhile."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def there() -> Counter[str]:
    """How many of each kind there are, but for HTTP connections that are open still."""
    return Counter(
        type(one).__name__
        for one in gc.get_objects()
        if type(one) in ALL and not (isinstance(one, Connection) and one.transport is not None)
    )


def link_of(setup: Running) -> Link | None:
    """What the only console is connected by."""
    return setup.daemon.components.registry.consoles[0].router.link


async def hit(setup: Running, ending: Ending) -> None:
    """Lose the link, and wait for the next."""
    lost = link_of(setup)
    assert lost is not None, "the page shows its screen"
    number = lost.name
    del lost
    setup.cloud.drop(ending=ending)
    await until(
        lambda: (link := link_of(setup)) is not None and link.name != number, "another link"
    )


@pytest.mark.parametrize("ending", [Ending.RESET, Ending.DROP, Ending.CLOSE])
async def test_a_lost_link_is_freed(tmp_path: Path, ending: Ending) -> None:
    """So is each that never came to run, and what the API's refusal of another said."""
    async with under_fault(tmp_path, cloud=SMALL) as setup:
        await page(setup)
        await until(lambda: link_of(setup) is not None, "a link")
        instance_id = setup.cloud.settings.instances[0].instance_id
        before = there()
        setup.cloud.faults.next("DescribeInstanceVncUrl", ApiFault.http_500())
        for step in (Step.VERSION, Step.SERVER_INIT):
            setup.cloud.gateway_faults.next(instance_id, GatewayFault.close_at(step))
        setup.cloud.gateway_faults.next(instance_id, GatewayFault.refuse())
        await hit(setup, ending)
        await until(lambda: there() == before, f"{before} again")


async def test_who_has_left_is_freed(tmp_path: Path) -> None:
    """A page that says goodbye, one whose machine died, and one that is sent away."""
    async with under_fault(tmp_path, cloud=SMALL) as setup:
        await page(setup)
        await until(lambda: link_of(setup) is not None, "a link")
        before = there()
        polite, dead, _ = [await page(setup) for _ in range(3)]
        await polite.leave()
        for socket in (dead.viewer.socket, dead.channel):
            assert socket._response.connection is not None, "it is open"
            transport = socket._response.connection.transport
            assert transport is not None, "it is open"
            transport.abort()
        console = setup.daemon.components.registry.consoles[0]
        await until(lambda: len(console.viewers) == 2, "the end of two")
        console.pages.end_viewer(console.viewers[1], KICKED)
        await until(lambda: len(console.viewers) == 1, "the end of the third")
        await setup.pages[-1].leave()
        await until(lambda: there() == before, f"{before} again")


async def test_a_console_that_is_over_is_freed(tmp_path: Path) -> None:
    """With its link and its screen; its page's control WebSocket was there first, or wasn't."""
    async with under_fault(tmp_path, cloud=SMALL, limits=Limits(linger=0.0)) as setup:
        before = there()
        one = await page(setup)
        await until(lambda: there()["ScreenState"] == 1, "a screen")
        await one.leave()
        await until(lambda: there() == before, f"{before} again")
        viewer = await setup.viewer()
        await viewer.close()
        await until(lambda: there() == before, f"{before} again")


async def test_a_viewer_keeps_nothing_of_its_request(tmp_path: Path) -> None:
    """The request is over with the upgrade: a session may last for days."""
    async with under_fault(tmp_path, cloud=SMALL) as setup:
        viewer = await setup.viewer()
        await until(lambda: link_of(setup) is not None, "a link")
        await until(
            lambda: not any(type(one) is Connection for one in gc.get_objects()),
            "its freed request",
        )
        assert len(setup.daemon.components.registry.consoles[0].viewers) == 1
        await viewer.close()
