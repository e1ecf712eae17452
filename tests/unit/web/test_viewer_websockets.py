"""The two WebSockets: who may open them, and what they do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.owner_client import OwnerClient, owner_client
from tests.setup import Closed, Viewer, pointer, running, until
from vncproxy.config.model import Limits, Listen
from vncproxy.simulator.faults import ApiFault
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.sockets

INSTANCES = (
    SimulatedInstance(),
    SimulatedInstance(instance_id="i-bp1demo0000000000002", name="other"),
)
Message = dict[str, Any]


class Page:
    """A page's control WebSocket: what it got."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Own an open WebSocket."""
        self.socket = socket
        self._known: dict[str, Message] = {}

    async def wait_for(self, kind: str, fits: Callable[[Message], object] = bool) -> Message:
        """The newest state or list of viewers once it fits, or the next notice."""
        async with asyncio.timeout(60):
            while kind not in self._known or not fits(self._known[kind]):
                message = json.loads(await self.socket.receive_str())
                self._known[message["type"]] = message
        found = self._known[kind]
        if kind not in ("state", "viewers"):
            del self._known[kind]
        return found

    async def wish(self, **wish: Any) -> None:
        """Ask for something."""
        await self.socket.send_str(json.dumps(wish))


async def page(owner: OwnerClient, query: str = "") -> tuple[Page, aiohttp.ClientWebSocketResponse]:
    """Both WebSockets as a console page opens them; the second is the screen's."""
    ticket = (await owner.admission(query))["ticket"]
    more = f"&{query[1:]}" if query else ""
    control = await owner.socket(f"/control/demo?ticket={ticket}{more}", origin=True)
    screen = await owner.socket(f"/websockify/demo?ticket={ticket}{more}", origin=True)
    return Page(control), screen


async def test_who_may_open_them(owner: OwnerClient) -> None:
    """The token as a Bearer, or a ticket on a page of ours; strangers learn of no instance."""
    cookie = await owner.log_in()
    for path in ("/websockify/demo", "/control/demo", "/websockify/unknown", "/control/unknown"):
        assert await owner.refused(path) == 401
        assert await owner.refused(path, origin=True) == 401
        assert await owner.refused(f"{path}?ticket=wrong", origin=True) == 401
        assert await owner.refused(f"{path}?ticket=", origin=True) == 401
        answer = await owner.ask(path, cookie, owner.origin, "Upgrade: websocket")
        assert (answer.status, answer.word) == (401, "log-in")
    for path in ("/websockify/demo", "/control/demo"):
        await (await owner.socket(path, bearer=True)).close()
        assert await owner.refused(path.replace("demo", "unknown"), bearer=True) == 404
    assert not owner.setup.cloud.breaches


async def test_a_request_with_a_body_becomes_no_websocket(owner: OwnerClient) -> None:
    """Its body would be taken for frames."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    for path in ("/websockify/demo", "/control/demo"):
        answer = await owner.ask(path, owner.bearer, *upgrade, key, body=b"\x81\x80abcd")
        assert (answer.status, answer.word) == (400, "unwanted-body"), path
        assert answer.json["error"]["text"] == "A WebSocket's request has no body."


async def test_a_ticket_without_an_origin(owner: OwnerClient) -> None:
    """Who isn't a browser needs the token: a ticket that leaked from a page isn't enough."""
    ticket = (await owner.admission())["ticket"]
    for path in ("/websockify/demo", "/control/demo"):
        assert await owner.refused(f"{path}?ticket={ticket}") == 401
    socket = await owner.socket(f"/websockify/demo?ticket={ticket}", bearer=True)
    await socket.close()


async def test_a_ticket_is_good_once_for_each(owner: OwnerClient) -> None:
    """The page opens both with one ticket; nobody opens a third."""
    ticket = (await owner.admission())["ticket"]
    for path in ("/control/demo", "/websockify/demo"):
        socket = await owner.socket(f"{path}?ticket={ticket}", origin=True)
        assert await owner.refused(f"{path}?ticket={ticket}", origin=True) == 401
        await socket.close()


async def test_a_ticket_is_good_for_its_instance(tmp_path: Path) -> None:
    """For another instance it is refused, by id as by alias."""
    cloud = SimulatorSettings(instances=INSTANCES, animated=False)
    async with running(tmp_path, cloud=cloud, access="token") as setup:
        owner = owner_client(setup)
        ticket = (await owner.admission())["ticket"]
        for name in ("other", INSTANCES[1].instance_id):
            assert await owner.refused(f"/websockify/{name}?ticket={ticket}", origin=True) == 401
        path = f"/websockify/{INSTANCES[0].instance_id}?ticket={ticket}"
        await (await owner.socket(path, origin=True)).close()


async def test_a_ticket_is_good_for_its_time(
    owner: OwnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the page must ask for admission again; here its minute is shorter."""
    monkeypatch.setattr("vncproxy.access.tickets.LIFE_S", 0.05)
    ticket = (await owner.admission())["ticket"]
    await asyncio.sleep(0.06)
    for path in ("/websockify/demo", "/control/demo"):
        assert await owner.refused(f"{path}?ticket={ticket}", origin=True) == 401


async def test_other_sites(owner: OwnerClient) -> None:
    """A foreign Origin is refused even with a good ticket or token, which stays good."""
    ticket = (await owner.admission())["ticket"]
    for origin in ("http://evil.example", "null"):
        headers = {"Host": owner.host, "Origin": origin, "Authorization": f"Bearer {owner.token}"}
        for path in (f"/websockify/demo?ticket={ticket}", "/control/demo"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await owner.setup.http.ws_connect(f"{owner.setup.base}{path}", headers=headers)
            assert refusal.value.status == 403
    await (await owner.socket(f"/websockify/demo?ticket={ticket}", origin=True)).close()


async def test_subprotocols(owner: OwnerClient) -> None:
    """`binary` is agreed to, none is fine, and nothing is compressed."""
    headers = {"Authorization": f"Bearer {owner.token}", "Host": owner.host}
    for offered, agreed in (((), None), (("binary",), "binary"), (("base64", "binary"), "binary")):
        socket = await owner.setup.http.ws_connect(
            f"{owner.setup.base}/websockify/demo", headers=headers, protocols=offered, compress=15
        )
        assert socket.protocol == agreed
        assert socket.compress == 0
        assert (await socket.receive_bytes()) == b"RFB 003.008\n"
        await socket.close()


async def test_a_plain_request_is_no_websocket(owner: OwnerClient) -> None:
    """Without an upgrade it is refused, and no console stays behind for it."""
    for path in ("/websockify/demo", "/control/demo"):
        answer = await owner.ask(path, owner.bearer)
        assert (answer.status, answer.word) == (400, "refused")
    assert (await owner.ask("/api/v1/consoles", owner.bearer)).json == {"consoles": []}
    assert not owner.setup.cloud.calls


async def test_view_only_watches(owner: OwnerClient) -> None:
    """Neither keys nor pointer of a viewer with ?view=1 reach the instance, even if it is alone."""
    viewer = await owner.viewer("?view=1&take=1")
    await until(lambda: viewer.decoder.updates, "a picture")
    await viewer.type("x")
    await viewer.send(pointer(1, 5, 5))
    controller = await owner.viewer()
    await until(lambda: controller.decoder.updates, "a picture")
    await controller.type("y")
    await until(lambda: owner.setup.cloud.typed_text, "a key")
    assert owner.setup.cloud.typed_text == "y"
    assert not owner.setup.cloud.pointed


async def test_take_takes_control_over(owner: OwnerClient) -> None:
    """The viewer with ?take=1 types from then on, the one before it watches."""
    first = await owner.viewer()
    await until(lambda: first.decoder.updates, "a picture")
    second = await owner.viewer()
    await until(lambda: second.decoder.updates, "a picture")
    await second.type("b")
    third = await owner.viewer("?take=1")
    await until(lambda: third.decoder.updates, "a picture")
    await first.type("a")
    await third.type("c")
    await until(lambda: owner.setup.cloud.typed_text, "a key")
    assert owner.setup.cloud.typed_text == "c"


async def test_a_socket_cannot_ask_for_more_than_its_admission(owner: OwnerClient) -> None:
    """A ticket for watching makes no controller, whatever the WebSocket's address says."""
    control, screen = await page(owner)
    you = (await control.wait_for("viewers", lambda m: m["controller"]))["you"]
    watching = (await owner.admission("?view=1"))["ticket"]
    screens = [await owner.socket(f"/websockify/demo?ticket={watching}&take=1", origin=True)]
    plain = (await owner.admission())["ticket"]
    screens.append(await owner.socket(f"/websockify/demo?ticket={plain}&take=1", origin=True))
    message = await control.wait_for("viewers", lambda m: len(m["viewers"]) == 3)
    assert message["controller"] == you
    for socket in (control.socket, screen, *screens):
        await socket.close()


async def test_the_page_is_reported_the_state(owner: OwnerClient) -> None:
    """From getting ready to connected: state, who is on, who controls, which keepalive."""
    control, screen = await page(owner)
    state = await control.wait_for("state", lambda m: m["state"] == "running")
    assert state["text"] == "Connected."
    assert state["error"] is None
    assert state["keepalive"]["kind"]
    viewers = await control.wait_for("viewers", lambda m: m["viewers"])
    assert viewers["controller"] == viewers["you"] == viewers["viewers"][0]["id"]
    assert viewers["viewers"][0]["user"] == "owner"
    await screen.close()
    await control.socket.close()


async def test_the_page_is_reported_what_is_wrong(owner: OwnerClient) -> None:
    """An instance that doesn't run: the cloud's code, words, its state and a countdown."""
    owner.setup.cloud.set_status("Stopped")
    control, screen = await page(owner)
    state = await control.wait_for("state", lambda m: m["error"] and m["wait_s"] is not None)
    assert state["error"]["code"] == "IncorrectInstanceStatus"
    assert state["error"]["text"]
    owner.setup.cloud.set_status("Running")
    await control.wish(type="retry")
    await control.wait_for("state", lambda m: m["state"] == "running")
    await screen.close()
    await control.socket.close()


async def test_control_is_asked_for_and_given(owner: OwnerClient) -> None:
    """request-control reaches the controller's page; grant, refuse, take and release work."""
    first, first_screen = await page(owner)
    one = (await first.wait_for("viewers", lambda m: m["controller"]))["you"]
    second, second_screen = await page(owner)
    two = (await second.wait_for("viewers", lambda m: len(m["viewers"]) == 2))["you"]
    await second.wish(type="request-control")
    asked = await first.wait_for("control-request")
    assert asked["from"] == {"id": two, "user": "owner"}
    assert asked["timeout_s"] > 0
    await second.wish(type="grant", viewer=two)
    await first.wish(type="refuse", viewer=two)
    assert "refused" in (await second.wait_for("notice"))["text"]
    await second.wish(type="request-control")
    await first.wait_for("control-request")
    await first.wish(type="grant", viewer=two)
    await first.wait_for("viewers", lambda m: m["controller"] == two)
    await first.wish(type="take")
    await second.wait_for("viewers", lambda m: m["controller"] == one)
    await first.wish(type="release")
    await second.wait_for("viewers", lambda m: m["controller"] is None)
    for socket in (first.socket, first_screen, second.socket, second_screen):
        await socket.close()


async def test_a_watching_page_has_no_say(owner: OwnerClient) -> None:
    """take, grant and request of a page that only watches change nothing."""
    first, first_screen = await page(owner)
    one = (await first.wait_for("viewers", lambda m: m["controller"]))["you"]
    watcher, screen = await page(owner, "?view=1")
    two = (await watcher.wait_for("viewers", lambda m: len(m["viewers"]) == 2))["you"]
    for kind in ("take", "request-control", "grant", "release", "refuse"):
        await watcher.wish(type=kind, viewer=two)
    await watcher.wish(type="password", password="abc123")
    third, third_screen = await page(owner)
    message = await third.wait_for("viewers", lambda m: len(m["viewers"]) == 3)
    assert message["controller"] == one
    assert [v["id"] for v in message["viewers"] if v["asks"]] == []
    for socket in (first.socket, first_screen, watcher.socket, screen, third.socket, third_screen):
        await socket.close()


MEANINGLESS = (
    "",
    "{",
    "null",
    "[]",
    '"take"',
    "{}",
    '{"type": "unknown"}',
    '{"type": {"a": 1}}',
    '{"type": "grant"}',
    '{"type": "grant", "viewer": 1}',
    '{"type": "password"}',
    "[" * 16_000,
    '{"a":' * 3_000,
)


async def test_a_page_asks_how_much_of_its_input_went_upstream(owner: OwnerClient) -> None:
    """Of the link that is up; what a watcher sends goes nowhere."""
    first, screen = await page(owner)
    viewer = Viewer(screen)
    owner.setup.viewers.append(viewer)
    await viewer.begin()
    await first.wait_for("state", lambda state: state["state"] == "running")
    await viewer.type("ab")
    await until(lambda: owner.setup.cloud.typed_text == "ab", "the keys")
    await first.wish(type="count-input")
    assert await first.wait_for("input-count") == {
        "type": "input-count",
        "link": 1,
        "messages": 4,
    }
    second, other = await page(owner)
    watcher = Viewer(other)
    owner.setup.viewers.append(watcher)
    await watcher.begin()
    await second.wait_for("viewers", lambda viewers: len(viewers["viewers"]) == 2)
    await until(lambda: watcher.decoder.pictures, "the first picture")
    shown = watcher.decoder.pictures
    await watcher.type("c")
    await watcher.send(watcher.request(0))
    await until(lambda: watcher.decoder.pictures > shown, "what was asked for after the key")
    await second.wish(type="count-input")
    assert (await second.wait_for("input-count"))["messages"] == 0
    for one in (first, second):
        await one.socket.close()


async def test_wishes_that_mean_nothing(owner: OwnerClient) -> None:
    """They are ignored: the page stays connected, and no fault is logged."""
    control, screen = await page(owner)
    await control.wait_for("viewers", lambda m: m["controller"])
    for text in MEANINGLESS:
        await control.socket.send_str(text)
    await control.wish(type="release")
    await control.wait_for("viewers", lambda m: m["controller"] is None)
    assert not [e for e in owner.setup.events if e["level"] == "error"]
    await screen.close()
    await control.socket.close()


async def test_wishes_that_are_too_long_end_the_page(owner: OwnerClient) -> None:
    """The control WebSocket takes small messages of text only."""
    for send in ("text", "bytes"):
        control, screen = await page(owner)
        if send == "text":
            await control.socket.send_str("x" * 20_000)
        else:
            await control.socket.send_bytes(b"{}")
        async with asyncio.timeout(60):
            while not control.socket.closed:
                await control.socket.receive()
        await screen.close()


async def test_the_vnc_password_comes_from_the_page(tmp_path: Path) -> None:
    """The page asks and sends it; the browser's own RFB stream never sees a challenge or it."""
    locked = SimulatedInstance(vnc_password="abc123")
    cloud = SimulatorSettings(instances=(locked,), animated=False)
    async with running(tmp_path, cloud=cloud, access="token") as setup:
        owner = owner_client(setup)
        control, screen = await page(owner)
        await control.wait_for("state", lambda m: m["state"] == "password")
        await control.wish(type="password", password="far too long")
        assert "VNC password" in (await control.wait_for("notice"))["text"]
        await control.wish(type="password", password="wrong1")
        await control.wait_for("state", lambda m: m["state"] == "password" and m["error"])
        await control.wish(type="password", password="abc123")
        await control.wait_for("state", lambda m: m["state"] == "running")
        assert await screen.receive_bytes() == b"RFB 003.008\n"
        await screen.send_bytes(b"RFB 003.008\n")
        assert await screen.receive_bytes() == b"\x01\x01"
        assert "abc123" not in setup.log.getvalue()
        await screen.close()
        await control.socket.close()


async def test_a_program_without_a_page_cannot_be_asked(tmp_path: Path) -> None:
    """4401: nobody is there to type the VNC password."""
    locked = SimulatedInstance(vnc_password="abc123")
    cloud = SimulatorSettings(instances=(locked,), animated=False)
    async with running(tmp_path, cloud=cloud, access="token") as setup:
        socket = await owner_client(setup).socket("/websockify/demo", bearer=True)
        message = await socket.receive()
        assert (message.data, message.extra) == (4401, "vnc-password")


@pytest.mark.usefixtures("idle_clock")
async def test_idle_viewers_are_closed(tmp_path: Path) -> None:
    """4408 after viewer_idle_timeout without input; who types stays longer."""
    limits = Limits(viewer_idle_timeout=0.5)
    async with running(tmp_path, limits=limits, access="token") as setup:
        owner = owner_client(setup)
        idle, busy = await owner.viewer(), await owner.viewer("?take=1")
        await until(lambda: busy.decoder.updates, "a picture")
        typing = asyncio.create_task(_keep_typing(busy.type))
        assert await idle.ended() == 4408
        assert not busy.socket.closed
        typing.cancel()
        assert await busy.ended() == 4408
        assert await ends(owner, 2) == [("idle", "viewer")] * 2


async def ends(owner: OwnerClient, count: int) -> list[tuple[str, str]]:
    """Reason and side of each viewer's end, from the log."""

    def found() -> list[tuple[str, str]]:
        events = [e for e in owner.setup.events if e["event"] == "viewer.closed"]
        return [(event["reason"], event["side"]) for event in events]

    await until(lambda: len(found()) >= count, "the ends in the log")
    return found()


async def _keep_typing(type_text: Callable[[str], Any]) -> None:
    while True:
        await type_text("x")
        await asyncio.sleep(0.05)


async def test_long_sessions_are_closed(tmp_path: Path) -> None:
    """4410 after session_max_age, however busy."""
    async with running(tmp_path, limits=Limits(session_max_age=1.0), access="token") as setup:
        owner = owner_client(setup)
        try:
            viewer = await owner.viewer()
        except Closed as early:
            # A busy machine may take that long for the handshake alone.
            assert early.args[0] == 4410
        else:
            typing = asyncio.create_task(_keep_typing(viewer.type))
            assert await viewer.ended() == 4410
            typing.cancel()
        assert await ends(owner, 1) == [("session-limit", "daemon")]


async def test_what_the_cloud_refuses_for_good(tmp_path: Path) -> None:
    """4502 with the cloud's code, which a page can look up."""
    cloud = SimulatorSettings(animated=False)
    async with running(tmp_path, cloud=cloud, access="token") as setup:
        setup.cloud.faults.next("DescribeInstanceVncUrl", ApiFault.error("Forbidden.RAM"))
        socket = await owner_client(setup).socket("/websockify/demo", bearer=True)
        message = await socket.receive()
        assert (message.data, message.extra) == (4502, "upstream-refused: Forbidden.RAM")


async def test_an_open_door_needs_no_ticket(tmp_path: Path) -> None:
    """There a page's ticket still carries its wishes, and a wrong one is refused."""
    doors = (Listen(address="127.0.0.1:0", access="open"),)
    async with running(tmp_path, listen=doors) as setup:
        owner = owner_client(setup)
        await (await owner.socket("/websockify/demo")).close()
        await (await owner.socket("/websockify/demo", origin=True)).close()
        assert await owner.refused("/websockify/demo?ticket=wrong", origin=True) == 401
        assert await owner.refused("/websockify/unknown") == 404
        assert await owner.refused("/websockify/demo", host="evil.example") == 421


async def test_a_password_that_nobody_asked_for_is_nothing(tmp_path: Path) -> None:
    """It is neither kept nor hidden from the log, however many come."""
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        control, screen = await page(owner)
        await control.wait_for("state", lambda m: m["state"] == "running")
        for number in range(200):
            await control.wish(type="password", password=f"sd{number:04}")
        await control.wish(type="password", password="viewer")
        # What was sent before is read before the close is answered.
        await control.socket.close()
        await screen.close()
        await until(lambda: "viewer.closed" in setup.log.getvalue(), "the words of the log")
        assert setup.daemon.redactor.clean("viewer sd0000") == "viewer sd0000"
