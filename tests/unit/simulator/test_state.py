"""The state page."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest

from tests.unit.simulator.test_api import code_of
from tests.unit.simulator.viewer import dialled, status_of
from vncproxy.simulator import Simulator
from vncproxy.simulator.settings import DEMO_KEY_SECRET

pytestmark = pytest.mark.sockets


async def state(cloud: Simulator) -> dict[str, Any]:
    """What the page tells."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{cloud.endpoint}/_simulator/state") as answer,
    ):
        assert answer.status == 200
        assert DEMO_KEY_SECRET not in await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def post(cloud: Simulator, path: str, wish: object) -> tuple[int, dict[str, Any]]:
    """Steer it."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{cloud.endpoint}/_simulator/{path}", json=wish) as answer,
    ):
        return answer.status, await answer.json()


async def test_the_page_tells_rules_dials_and_sessions(cloud: Simulator) -> None:
    """As JSON, while they are on."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.key(0x41)
        await viewer.request()
        await viewer.next_update()
        found = await state(cloud)
    assert found["rules"] == cloud.settings.rules()
    assert list(found["sessions"]) == ["i-one"]
    assert found["dials"][0]["outcome"] == "accepted"
    assert found["dial_count"] == found["most_dials"] == 1
    assert found["breaches"] == {}
    assert found["typed_text"] == "A"
    assert found["messages"] == {"key": 1, "update-request": 1}


async def test_faults_can_be_ordered(cloud: Simulator) -> None:
    """For the API and for the gateway, and cleared."""
    wish: dict[str, object] = {"kind": "error", "code": "Throttling", "times": 2}
    assert await post(cloud, "faults", wish) == (200, {"result": 2})
    assert await code_of(cloud) == "Throttling"
    wish = {"kind": "status", "status": 502, "instance_id": "i-one"}
    assert await post(cloud, "gateway-faults", wish) == (200, {"result": 1})
    assert await post(cloud, "clear-faults", {}) == (200, {"result": 0})
    assert await code_of(cloud) == "OK"
    await post(cloud, "gateway-faults", wish)
    assert await status_of(unquote(cloud.make_url("i-one"))) == 502


async def test_sessions_can_be_dropped_and_instances_stopped(cloud: Simulator) -> None:
    """Also a built-in screen's size."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        wish = {"instance_id": "i-one", "ending": "close"}
        assert await post(cloud, "drop", wish) == (200, {"result": True})
        assert await viewer.ended() == 1000
    assert await post(cloud, "drop", {}) == (200, {"result": False})
    assert await post(cloud, "status", {"status": "Stopped"}) == (200, {"result": "Stopped"})
    assert await code_of(cloud) == "IncorrectInstanceStatus"
    assert await post(cloud, "resize", {"width": 640, "height": 480}) == (200, {"result": True})
    assert cloud.screen_size() == (640, 480)


async def test_the_screen_can_be_fetched(cloud: Simulator) -> None:
    """As a picture that every viewer knows."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{cloud.endpoint}/_simulator/framebuffer?instance_id=i-one") as answer,
        session.get(f"{cloud.endpoint}/_simulator/framebuffer?instance_id=none") as missing,
    ):
        assert await answer.read() == b"P6\n1024 768\n255\n" + cloud.framebuffer("i-one")
        assert missing.status == 404


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("faults", {"kind": "nonsense"}),
        ("faults", {}),
        ("faults", []),
        ("resize", {"width": "wide", "height": 1}),
        ("status", {"status": "Broken"}),
        ("drop", {"instance_id": "i-none"}),
    ],
)
async def test_a_wrong_wish_is_refused(cloud: Simulator, path: str, wish: object) -> None:
    """With a word why."""
    status, answer = await post(cloud, path, wish)
    assert status == 400
    assert answer["error"]


async def test_a_foreign_page_cant_steer(cloud: Simulator) -> None:
    """A form's content type is refused."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{cloud.endpoint}/_simulator/drop", data="{}") as answer,
    ):
        assert answer.status == 415
