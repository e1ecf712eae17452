"""What the ECS API does wrong, and what becomes of the viewer that waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fault.aftermath import dials, farewell, shows, under_fault, url_calls
from tests.setup import until
from vncproxy.config.model import Aliyun, Limits
from vncproxy.console.dependencies import FIRST_PAUSE_S
from vncproxy.simulator.faults import ANY, ApiFault
from vncproxy.simulator.settings import AccessKey, SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

pytestmark = pytest.mark.usefixtures("idle_clock")

STILL = SimulatorSettings(animated=False, width=320, height=240)
CALL = "DescribeInstanceVncUrl"

PASSING = {
    "html": ApiFault.html(),
    "html that says 200": ApiFault.html(200),
    "http 500": ApiFault.http_500(),
    "reset": ApiFault.reset(),
    "unavailable": ApiFault.error("ServiceUnavailable"),
    "internal": ApiFault.error("InternalError"),
    # Without a time that the cloud names it would be a minute.
    "throttling": ApiFault.throttle(0.05, "Throttling.Api"),
}
MENDED = {
    "nonce used": ApiFault.error("SignatureNonceUsed"),
    "STS expired": ApiFault.error("InvalidSecurityToken.Expired"),
}
PERMANENT = [
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidAccessKeyId.NotFound",
    "InvalidInstanceId.NotFound",
    "InvalidRegionId.NotFound",
    "MissingParameter",
    "Forbidden.RAM",
    "SomethingNew.Unheard",
]


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_a_passing_fault_is_ridden_out(tmp_path: Path, fault: ApiFault) -> None:
    """The call is made again after a pause, and the console opens with one dial."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        setup.cloud.faults.next(CALL, fault)
        assert await shows(await setup.connect())
        assert len(url_calls(setup)) == 2
        assert dials(setup) == ["accepted"]


@pytest.mark.parametrize("fault", MENDED.values(), ids=MENDED)
async def test_what_a_call_can_mend_costs_no_pause(tmp_path: Path, fault: ApiFault) -> None:
    """A used nonce is replaced and an expired STS token renewed: the second call is the last."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        setup.cloud.faults.next(CALL, fault)
        assert await shows(await setup.connect())
        assert len(url_calls(setup)) == 2
        assert dials(setup) == ["accepted"]
        assert not [e for e in setup.events if e["event"] == "link.failed"]


@pytest.mark.parametrize("code", PERMANENT)
async def test_a_refusal_for_good_is_reported_at_once(tmp_path: Path, code: str) -> None:
    """The viewer is closed with the cloud's code; there is no second call, and no dial."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        setup.cloud.faults.next(CALL, ApiFault.error(code), times=10)
        viewer = await setup.connect()
        assert await farewell(viewer) == (4502, f"upstream-refused: {code}")
        assert len(url_calls(setup)) == 1
        assert dials(setup) == []


async def test_the_wrong_secret_is_reported(tmp_path: Path) -> None:
    """A signature that the cloud itself refuses, not one that a fault makes it refuse."""
    async with Simulator(STILL) as cloud:
        # The daemon of `running` signs with the settings' first key; the cloud knows another.
        cloud.settings = replace(STILL, keys=(AccessKey(secret="not-the-secret-of-this-id"),))
        async with under_fault(tmp_path, cloud=cloud) as setup:
            viewer = await setup.connect()
            assert await farewell(viewer) == (4502, "upstream-refused: SignatureDoesNotMatch")
            assert url_calls(setup) == ["SignatureDoesNotMatch"]
            assert dials(setup) == []


async def test_an_sts_key_past_its_life_is_reported(tmp_path: Path) -> None:
    """Renewed once in vain, it is an error: an environment's keys don't change."""
    keys = (AccessKey(security_token="sts-token-of-the-tests", expired=True),)
    async with under_fault(tmp_path, cloud=replace(STILL, keys=keys)) as setup:
        viewer = await setup.connect()
        assert await farewell(viewer) == (4502, "upstream-refused: InvalidSecurityToken.Expired")
        assert len(url_calls(setup)) == 2
        assert dials(setup) == []


async def test_a_call_that_hangs_is_given_up(tmp_path: Path, port: int) -> None:
    """After call_timeout it is made again; the permit isn't spent meanwhile."""
    aliyun = Aliyun(endpoint=f"http://127.0.0.1:{port}", call_timeout=0.3)
    async with under_fault(tmp_path, cloud=replace(STILL, port=port), aliyun=aliyun) as setup:
        setup.cloud.faults.next(CALL, ApiFault.hang())
        assert await shows(await setup.connect())
        assert dials(setup) == ["accepted"]
        failures = [e["code"] for e in setup.events if e["event"] == "aliyun.call"]
        assert len(failures) == 2
        assert failures[1] == "OK"


async def test_throttling_is_obeyed(tmp_path: Path) -> None:
    """The next call comes no sooner than x-acs-retry-after says."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        setup.cloud.faults.next(CALL, ApiFault.throttle(0.8))
        assert await shows(await setup.connect())
        first, second = [c.at_s for c in setup.cloud.calls if c.action == CALL]
        assert second - first >= 0.8
        assert dials(setup) == ["accepted"]


async def test_a_wrong_clock_is_corrected(tmp_path: Path) -> None:
    """Two hours off, the first call fails and teaches the cloud's time; later calls know it."""
    async with under_fault(
        tmp_path, cloud=replace(STILL, clock_offset_s=7200.0), limits=Limits(linger=0.0)
    ) as setup:
        viewer = await setup.connect()
        assert await shows(viewer)
        assert url_calls(setup) == ["InvalidTimeStamp.Expired", "OK"]
        warning = next(e for e in setup.events if e["event"] == "aliyun.clock")
        assert abs(warning["cloud_ahead_s"] - 7200) < 30
        await viewer.close()
        await until(lambda: not setup.cloud.sessions, "the end of the link")
        assert await shows(await setup.connect())
        assert url_calls(setup) == ["InvalidTimeStamp.Expired", "OK", "OK"]


async def test_an_instance_that_starts_is_waited_for(tmp_path: Path) -> None:
    """While it is stopped the viewer waits, and nothing is dialled; then it sees the screen."""
    stopped = (SimulatedInstance(status="Stopped"),)
    async with under_fault(tmp_path, cloud=replace(STILL, instances=stopped)) as setup:
        viewer = await setup.connect()
        await until(lambda: len(url_calls(setup)) >= 2, "a second call")
        assert set(url_calls(setup)) == {"IncorrectInstanceStatus"}
        assert dials(setup) == []
        setup.cloud.set_status("Running")
        assert await shows(viewer)
        assert dials(setup) == ["accepted"]


async def test_max_wait_ends_a_wait_in_vain(tmp_path: Path) -> None:
    """The viewer is closed with the cloud's last word, and then nobody asks the cloud any more."""
    stopped = (SimulatedInstance(status="Stopped"),)
    async with under_fault(
        tmp_path,
        cloud=replace(STILL, instances=stopped),
        limits=Limits(max_wait=1.5),
        first_pause_s=FIRST_PAUSE_S,
    ) as setup:
        viewer = await setup.connect()
        assert await farewell(viewer) == (4502, "upstream-refused: IncorrectInstanceStatus")
        # Pauses of up to 0.5, 1, 2 s are drawn: 1.5 s have room for a handful of tries.
        assert 1 <= len(url_calls(setup)) <= 12
        assert dials(setup) == []
        assert await setup.state() == {}
        await until(lambda: '"viewer.closed"' in setup.log.getvalue(), "its end in the log")
        closed = next(e for e in setup.events if e["event"] == "viewer.closed")
        assert closed["code"] == 4502
        assert closed["side"] == "cloud"


async def test_an_api_that_is_down_is_not_hammered(tmp_path: Path) -> None:
    """Many viewers wait for one console: the calls are those of one, and grow rare."""
    limits = Limits(max_wait=3.0)
    async with under_fault(
        tmp_path, cloud=STILL, limits=limits, first_pause_s=FIRST_PAUSE_S
    ) as setup:
        setup.cloud.faults.next(ANY, ApiFault.http_500(), times=500)
        viewers = [await setup.connect() for _ in range(8)]
        for viewer in viewers:
            code, reason = await farewell(viewer)
            assert (code, reason.partition(":")[0]) in [
                (4502, "upstream-refused"),
                (4504, "upstream-lost"),
            ]
        assert 1 <= len(url_calls(setup)) <= 16
        assert dials(setup) == []
