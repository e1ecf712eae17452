"""The hours of rules in a browser: on the way in, at their end, and some minutes before."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clock import FakeClock
from tests.page import page
from tests.setup import Running, running, until
from vncproxy.config.hours import zone_text
from vncproxy.config.model import Rule
from vncproxy.service import hours_watch as hours_module

CONTROL = Rule(users=("anyone",), instances=("*",), hours=("mon-fri 08:00-18:00",))
WATCH = Rule(users=("anyone",), instances=("*",), role="watch", hours=("17:00-20:00",))
ONLY = "only mon-fri 08:00-18:00 (rule 1)"
ZONE = zone_text(datetime(2026, 11, 24))


def wall_clock(setup: Running, hour: int, minute: int) -> FakeClock:
    """The daemon's clock on the wall, on a Tuesday."""
    clock = FakeClock(datetime(2026, 11, 24, hour, minute).timestamp())
    setup.daemon.components.authority._clock = clock
    return clock


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at all the time."""
    monkeypatch.setattr(hours_module, "CHECK_INTERVAL_S", 0.01)


async def admission(setup: Running) -> tuple[int, dict[str, Any]]:
    """What a page is answered that asks for the console."""
    async with setup.http.get(f"{setup.base}/api/v1/consoles/demo/admission") as answer:
        return answer.status, await answer.json()


def audited(setup: Running, event: str) -> list[dict[str, Any]]:
    """The records of one kind, so far."""
    lines = (setup.daemon.state / "audit.jsonl").read_bytes().splitlines()
    return [one for line in lines if (one := msgspec.json.decode(line))["event"] == event]


async def test_a_session_ends_with_its_hours(tmp_path: Path) -> None:
    """The page learns before, and why; the link goes with its last viewer, as ever."""
    async with running(tmp_path, rule=(CONTROL,)) as setup:
        wall = wall_clock(setup, 17, 54)
        seen = await page(setup)
        await until(lambda: setup.shows(seen.viewer), "the picture")
        assert seen.messages == []
        wall.forward(60 * 1)
        await until(lambda: seen.messages, "the warning")
        assert seen.messages[0]["text"] == (
            f"Your session ends at 18:00 (time of the bastion, {ZONE}). "
            f"You may open this console {ONLY}."
        )
        assert not seen.viewer.socket.closed
        wall.forward(60 * 5)
        assert await seen.viewer.ended() == 4403
        await until(lambda: seen.channel.closed, "the end of the control channel")
        assert seen.channel.close_code == 4403
        assert seen.messages[1:] == [
            {"type": "ending", "text": f"You may open this console {ONLY}.", "by_hand": False}
        ]
        await until(lambda: audited(setup, "close"), "the record of the end")
        (record,) = audited(setup, "close")
        assert (record["code"], record["text"]) == (4403, f"You may open this console {ONLY}.")


async def test_outside_of_them_nobody_gets_in(tmp_path: Path) -> None:
    """The text says when, to those who may know of the instance; the audit has which one it was."""
    async with running(tmp_path, rule=(CONTROL,)) as setup:
        wall = wall_clock(setup, 19, 12)
        status, answer = await admission(setup)
        assert (status, answer["error"]["word"]) == (403, "outside-hours")
        assert answer["error"]["text"] == (
            f"Opening this console is allowed {ONLY}, and it is Tue 19:12 ({ZONE})."
        )
        async with setup.http.get(f"{setup.base}/api/v1/instances") as listed:
            found = await listed.json()
        assert found["instances"] == []
        assert [(one["alias"], one["only"]) for one in found["later"]] == [("demo", ONLY[5:])]
        assert found["later"][0]["zone"] == ZONE
        headers = {"Accept-Language": "zh-CN"}
        async with setup.http.get(f"{setup.base}/api/v1/instances", headers=headers) as listed:
            (later,) = (await listed.json())["later"]
        assert later["only"] == "周一至周五 08:00-18:00（规则 1）"
        await until(lambda: audited(setup, "refusal"), "the record")
        assert audited(setup, "refusal")[0]["alias"] == "demo"
        wall.forward(60 * 13 * 60)
        assert (await admission(setup))[0] == 200


async def test_a_ticket_is_good_for_what_is_allowed_when_it_is_used(tmp_path: Path) -> None:
    """What was allowed at admission may be over a moment later, wholly or in part."""
    async with running(tmp_path, rule=(CONTROL, WATCH)) as setup:
        wall = wall_clock(setup, 17, 59)
        tickets = [(await admission(setup))[1]["ticket"] for _ in range(2)]
        wall.forward(60 * 1)
        socket = await setup.connect(f"?ticket={tickets[0]}")
        await socket.shake_hands()
        assert [one["rule"] for one in audited(setup, "view")] == ["rule 2"]
        wall.forward(60 * 120)
        assert await socket.ended() == 4403
        async with setup.http.get(
            f"{setup.base}/websockify/demo?ticket={tickets[1]}",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
        ) as answer:
            assert (answer.status, (await answer.json())["error"]["word"]) == (403, "outside-hours")


async def test_who_watches_stays_by_another_rule(tmp_path: Path) -> None:
    """Control ends with its hours; to watch goes on until no rule allows it any more."""
    async with running(tmp_path, rule=(CONTROL, WATCH)) as setup:
        wall = wall_clock(setup, 17, 50)
        controls, watches = await page(setup), await page(setup, view=True)
        await until(lambda: setup.shows(watches.viewer), "the picture")
        wall.forward(60 * 10)
        assert await controls.viewer.ended() == 4403
        await until(lambda: controls.messages, "the word of why")
        assert controls.messages[-1]["text"] == f"You may control this console {ONLY}."
        assert not watches.viewer.socket.closed
        assert watches.messages == []
        wall.forward(60 * 120)
        assert await watches.viewer.ended() == 4403
