"""What the ECS API does wrong while somebody looks at an instance, or starts and stops it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.setup import running, until
from tests.unit.web.test_instances import SETTINGS, Site
from vncproxy.config.model import Aliyun
from vncproxy.errors import AuditError
from vncproxy.simulator import ApiFault, Simulator

pytestmark = pytest.mark.usefixtures("idle_clock")

BROKEN = {
    "html": ApiFault.html(),
    "html that says 200": ApiFault.html(200),
    "http 500": ApiFault.http_500(),
    "reset": ApiFault.reset(),
    "internal": ApiFault.error("InternalError"),
    "hang": ApiFault.hang(),
}
LOOKS = {"screenshot": "GetInstanceScreenshot", "boot-log": "GetInstanceConsoleOutput"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is asked for again soon."""
    monkeypatch.setattr("vncproxy.instances.power.STATUS_PAUSE_S", 0.02)


@pytest.mark.parametrize("path", LOOKS)
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
async def test_a_look_that_fails_says_so_and_costs_one_call(
    tmp_path: Path, path: str, fault: ApiFault
) -> None:
    """Whoever looks again at once is told the same."""
    timeout_s = 0.5 if fault == BROKEN["hang"] else 10.0
    async with Simulator(SETTINGS) as cloud:
        wanted = Aliyun(endpoint=cloud.endpoint, call_timeout=timeout_s)
        async with running(tmp_path, cloud=cloud, aliyun=wanted) as setup:
            site = Site(setup)
            cloud.faults.next(LOOKS[path], fault)
            answers = await asyncio.gather(*(site.get(f"demo/{path}") for _ in range(3)))
            assert {(one.status, one.word) for one in answers} <= {
                (502, "cloud-away"),
                (502, "cloud-refused"),
            }
            assert "tried again" not in answers[0].text
            assert site.calls(LOOKS[path]) == 1


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
async def test_power_is_sent_once_whatever_becomes_of_the_answer(
    tmp_path: Path, fault: ApiFault
) -> None:
    """The simulator carries it out and then breaks the answer, or refuses it by an error."""
    timeout_s = 0.5 if fault == BROKEN["hang"] else 10.0
    async with Simulator(SETTINGS) as cloud:
        wanted = Aliyun(endpoint=cloud.endpoint, power=True, call_timeout=timeout_s)
        async with running(tmp_path, cloud=cloud, aliyun=wanted) as setup:
            site = Site(setup)
            cloud.faults.next("StopInstance", fault)
            got = await site.power("stop")
            assert site.calls("StopInstance") <= 1
            if cloud.powered:
                assert got.status == 202
                await until(lambda: cloud.instance("i-demo").status == "Stopped", "the stop")
            else:
                assert (got.status, got.word) == (502, "power-uncertain")
                assert "demo is Running" in got.text
            records = await site.setup.audited("power-answer")
            assert "the answer was lost" in records[0]["text"]


async def test_nothing_is_sent_while_the_status_is_not_known(tmp_path: Path) -> None:
    """What isn't seen can't be judged."""
    async with Simulator(SETTINGS) as cloud:
        wanted = Aliyun(endpoint=cloud.endpoint, power=True)
        async with running(tmp_path, cloud=cloud, aliyun=wanted) as setup:
            site = Site(setup)
            cloud.faults.next("DescribeInstances", ApiFault.html(), times=9)
            assert (await site.power("stop")).word == "cloud-away"
            assert not cloud.powered
            assert site.calls("StopInstance") == 0


class FullDisk:
    """An audit that can't be written."""

    problem = "the disk is full"

    async def record(self, *entries: object) -> None:
        """Nothing is. Raises: AuditError."""
        raise AuditError("The audit can't be written.")

    def record_later(self, entry: object) -> None:
        """Nothing is."""


async def test_nothing_is_shown_or_done_that_cannot_be_recorded(tmp_path: Path) -> None:
    """The audit comes first."""
    async with Simulator(SETTINGS) as cloud:
        wanted = Aliyun(endpoint=cloud.endpoint, power=True)
        async with running(tmp_path, cloud=cloud, aliyun=wanted) as setup:
            site = Site(setup)
            behind = setup.daemon.servers[0].behind
            object.__setattr__(behind.services, "audit", FullDisk())
            for path in LOOKS:
                assert (await site.get(f"demo/{path}")).status == 503
            assert (await site.power("stop")).status == 503
            assert [one.action for one in cloud.calls if one.action != "DescribeInstances"] == []
