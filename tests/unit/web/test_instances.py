"""Routes of an instance without a session: who may look, who may start and stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.clock import ProcessClock
from tests.setup import Running, running, until
from vncproxy.config.model import Aliyun, Pages, Rule
from vncproxy.errors import AuditError
from vncproxy.simulator import AccessKey, ApiFault, PowerCall, SimulatedInstance, Simulator
from vncproxy.simulator.settings import SimulatorSettings

pytestmark = pytest.mark.sockets

WATCH = Rule(users=("anyone",), instances=("*",), role="watch")
CONTROL = Rule(users=("anyone",), instances=("*",), role="control")
POWER = Rule(users=("anyone",), instances=("*",), role="control", power=True)
OTHERS = Rule(users=("ann",), instances=("*",), role="admin", power=True)

SETTINGS = SimulatorSettings(
    instances=(
        SimulatedInstance("i-demo", "demo"),
        SimulatedInstance("i-off", "off", status="Stopped"),
        SimulatedInstance("i-win", "win", os_type="windows"),
        SimulatedInstance("i-lock", "lock", locked=True),
    ),
    animated=False,
    width=320,
    height=240,
    stopping_s=0.1,
    starting_s=60.0,
)


@dataclass
class Got:
    """An answer."""

    status: int
    content_type: str
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """What it says."""
        return json.loads(self.content)

    @property
    def word(self) -> str:
        """Of a refusal."""
        return str(self.json["error"]["word"])

    @property
    def text(self) -> str:
        """Of a refusal."""
        return str(self.json["error"]["text"])


@dataclass
class Site:
    """A daemon with an open door, whose rules a test sets; and the cloud's clock."""

    setup: Running
    clock: ProcessClock = field(default_factory=ProcessClock)

    async def get(self, path: str) -> Got:
        """A route of an instance."""
        return await self._ask("GET", path)

    async def post(self, path: str, body: object) -> Got:
        """JSON to a route of an instance."""
        return await self._ask("POST", path, json=body)

    async def power(self, action: str, name: str = "demo", *, force: bool = False) -> Got:
        """Ask for it."""
        return await self.post(f"{name}/power", {"action": action, "force": force})

    async def _ask(self, method: str, path: str, **how: Any) -> Got:
        address = f"{self.setup.base}/api/v1/instances/{path}"
        async with self.setup.http.request(method, address, **how) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Got(answer.status, answer.content_type, headers, await answer.read())

    async def row(self, name: str) -> dict[str, Any]:
        """The instance's in the list."""
        async with self.setup.http.get(f"{self.setup.base}/api/v1/instances") as answer:
            rows = (await answer.json())["instances"]
        found: dict[str, Any] = next(row for row in rows if row["alias"] == name)
        return found

    def calls(self, action: str) -> int:
        """How many the cloud saw."""
        return sum(call.action == action for call in self.setup.cloud.calls)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """Everybody may look and act; a stop takes a moment, a start until the clock says so."""
    monkeypatch.setattr("vncproxy.instances.power.STATUS_PAUSE_S", 0.02)
    monkeypatch.setattr("vncproxy.instances.power.UNSEEN_RESTART_S", 5.0)
    clock = ProcessClock()
    async with (
        Simulator(SETTINGS, clock=clock) as cloud,
        running(
            tmp_path,
            cloud=cloud,
            aliyun=Aliyun(endpoint=cloud.endpoint),
            rule=(POWER,),
        ) as setup,
    ):
        yield Site(setup, clock)


async def test_a_picture_is_the_screen_and_is_shared(site: Site) -> None:
    """No session, no permit; one call for all who look within 10 s."""
    site.setup.use_rules((WATCH,))
    first, second = await site.get("demo/screenshot"), await site.get("i-demo/screenshot")
    assert (first.status, first.content_type) == (200, "image/png")
    assert (
        first.content
        == second.content
        == site.setup.cloud._desktop(site.setup.cloud.instance("i-demo")).png()
    )
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert site.calls("GetInstanceScreenshot") == 1
    assert (site.calls("DescribeInstanceVncUrl"), len(site.setup.cloud.dials)) == (0, 0)
    looked = await site.setup.audited("look", 2)
    assert [one["reason"] for one in looked] == ["screenshot", "screenshot"]
    assert (looked[0]["user"], looked[0]["instance"]) == ("anyone", "i-demo")


@pytest.mark.parametrize(
    ("path", "status", "word", "words"),
    [
        ("off/screenshot", 409, "wrong-status", "isn't running"),
        ("nobody/screenshot", 404, "unknown-instance", ""),
        ("demo/screenshot?thumbnail=1", 403, "no-thumbnails", ""),
    ],
)
async def test_a_look_is_refused_in_words(
    site: Site, path: str, status: int, word: str, words: str
) -> None:
    """Each with a sentence for people."""
    got = await site.get(path)
    assert (got.status, got.word) == (status, word)
    assert words in got.text


async def test_too_many_looks_are_told_when_to_come_again(site: Site) -> None:
    """As where another daemon asked, too."""
    site.setup.cloud.faults.next("GetInstanceScreenshot", ApiFault.error("Throttling"))
    got = await site.get("demo/screenshot")
    assert (got.status, got.word) == (429, "throttled")
    assert int(got.headers["retry-after"]) == 11
    assert "10 s" in got.text
    assert "tried again" not in got.text


async def test_nobody_learns_of_an_instance_that_no_rule_shows(site: Site) -> None:
    """The answers are the same as for one that doesn't exist."""
    site.setup.use_rules((OTHERS,))
    for method, path in (
        ("GET", "screenshot"),
        ("GET", "boot-log"),
        ("GET", "power"),
        ("POST", "power"),
    ):
        body = {"json": {"action": "stop"}} if method == "POST" else {}
        hidden = await site._ask(method, f"demo/{path}", **body)
        missing = await site._ask(method, f"nothing/{path}", **body)
        assert (hidden.status, hidden.content) == (missing.status, missing.content)
        assert hidden.status == 404
    # The cloud may be asked whether it knows the name.
    assert {call.action for call in site.setup.cloud.calls} <= {"DescribeInstances"}


@pytest.mark.parametrize("rule", [WATCH, CONTROL])
async def test_power_is_for_those_whose_rule_says_so(site: Site, rule: Rule) -> None:
    """Control alone isn't enough."""
    site.setup.use_rules((rule,))
    for got in (await site.power("stop"), await site.get("demo/power")):
        assert (got.status, got.word) == (403, "no-power")
    assert (await site.row("demo"))["power"] is False
    assert not site.setup.cloud.powered


@pytest.mark.parametrize("power", [False, True])
async def test_the_owner_has_power_where_the_configuration_says_so(
    tmp_path: Path, power: bool
) -> None:
    """Not by default."""
    async with (
        Simulator(SETTINGS) as cloud,
        running(
            tmp_path,
            cloud=cloud,
            aliyun=Aliyun(endpoint=cloud.endpoint, power=power),
        ) as setup,
    ):
        site = Site(setup)
        assert (await site.row("demo"))["power"] is power
        assert (await site.get("demo/power")).status == (200 if power else 403)
        async with setup.http.get(f"{setup.base}/api/v1/consoles/demo/admission") as answer:
            assert (await answer.json())["may_power"] is power


async def test_a_restart_is_followed_to_its_end(site: Site) -> None:
    """In the audit before it is sent; a second one is refused meanwhile."""
    state = (await site.get("demo/power")).json
    assert (state["status"], state["fits"]) == ("Running", ["stop", "restart"])
    got = await site.power("restart")
    assert (got.status, got.json["under_way"]["action"]) == (202, "restart")
    again = await site.power("restart")
    assert (again.status, again.word) == (409, "power-under-way")
    assert list(site.setup.cloud.powered) == [PowerCall("i-demo", "RebootInstance", False)]
    while (state := (await site.get("demo/power")).json)["status"] != "Starting":
        assert state["ended"] is None
    await site.clock.forward(SETTINGS.starting_s)
    while not (state := (await site.get("demo/power")).json)["ended"]:
        pass
    assert (state["ended"]["done"], state["status"]) == (True, "Running")
    assert state["fits"] == ["stop", "restart"]
    [asked] = await site.setup.audited("power")
    assert (asked["reason"], asked["user"], asked["instance"]) == ("restart", "anyone", "i-demo")
    [answered] = await site.setup.audited("power-answer")
    assert answered["text"] == "accepted"
    assert asked["seq"] < answered["seq"]


async def test_the_list_shows_the_status_that_was_seen(site: Site) -> None:
    """Not what the cloud showed before."""
    assert (await site.row("demo"))["status"] == "Running"
    await site.power("stop", force=True)
    await until(lambda: site.setup.cloud.instance("i-demo").status == "Stopped", "the stop")
    async with site.setup.http.get(f"{site.setup.base}/api/v1/instances/demo/power") as answer:
        assert (await answer.json())["status"] in ("Running", "Stopped")
    async with asyncio.timeout(20):
        while (await site.row("demo"))["status"] != "Stopped":
            pass
    [asked] = await site.setup.audited("power")
    assert asked["force"] is True


@pytest.mark.parametrize(
    ("name", "action", "status", "word", "words"),
    [
        ("demo", "start", 409, "wrong-status", "demo is Running: only one that is Stopped"),
        ("off", "restart", 409, "wrong-status", "off is Stopped: only one that is Running"),
        ("lock", "stop", 502, "cloud-refused", "locked"),
    ],
)
async def test_power_is_refused_in_words(
    site: Site, name: str, action: str, status: int, word: str, words: str
) -> None:
    """Nothing is done."""
    got = await site.power(action, name)
    assert (got.status, got.word) == (status, word)
    assert words in got.text
    assert not site.setup.cloud.powered


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "explode"},
        {"action": ["stop"]},
        {"action": "stop", "force": "yes"},
        {"action": "start", "force": True},
        {"action": "stop", "forced": True},
        [],
    ],
)
async def test_a_wrong_body_does_nothing(site: Site, body: object) -> None:
    """It is told what to send."""
    assert (await site.post("demo/power", body)).status == 400
    assert not site.setup.cloud.powered


async def test_a_missing_permission_names_itself(tmp_path: Path) -> None:
    """The action that a RAM policy needs."""
    key = AccessKey(denied_actions=frozenset({"GetInstanceScreenshot", "RebootInstance"}))
    async with (
        Simulator(replace(SETTINGS, keys=(key,))) as cloud,
        running(
            tmp_path,
            cloud=cloud,
            aliyun=Aliyun(endpoint=cloud.endpoint, power=True),
        ) as setup,
    ):
        site = Site(setup)
        assert "ecs:GetInstanceScreenshot" in (await site.get("demo/screenshot")).text
        assert "ecs:RebootInstance" in (await site.power("restart")).text
        assert [one["text"] for one in await site.setup.audited("power-answer")] == [
            "refused: Forbidden.RAM"
        ]


async def test_a_list_has_pictures_where_the_configuration_says_so(tmp_path: Path) -> None:
    """One call a minute, and one record in an hour."""
    async with (
        Simulator(SETTINGS) as cloud,
        running(
            tmp_path,
            cloud=cloud,
            aliyun=Aliyun(endpoint=cloud.endpoint),
            pages=Pages(thumbnails=True),
        ) as setup,
    ):
        site = Site(setup)
        for _ in range(3):
            assert (await site.get("demo/screenshot?thumbnail=1")).content_type == "image/png"
        assert site.calls("GetInstanceScreenshot") == 1
        assert [one["reason"] for one in await site.setup.audited("look")] == ["thumbnail"]


async def test_a_list_shows_no_picture_that_the_audit_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the second time either."""
    async with (
        Simulator(SETTINGS) as cloud,
        running(
            tmp_path,
            cloud=cloud,
            aliyun=Aliyun(endpoint=cloud.endpoint),
            pages=Pages(thumbnails=True),
        ) as setup,
    ):
        site = Site(setup)
        with monkeypatch.context() as broken:

            async def fails(*_: object) -> None:
                raise AuditError("its disk is full")

            broken.setattr("vncproxy.audit.log.AuditLog.record", fails)
            for _ in range(2):
                assert (await site.get("demo/screenshot?thumbnail=1")).status == 503
        assert (await site.get("demo/screenshot?thumbnail=1")).status == 200
        assert len(await site.setup.audited("look")) == 1
