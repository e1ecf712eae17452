"""Looking at an instance, starting and stopping it, by a clock that the tests set."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.clock import FakeClock
from vncproxy.simulator import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.instance_operations import DARK, Operations
from vncproxy.simulator.inventory import InstanceList
from vncproxy.simulator.record import PowerCall, Record
from vncproxy.simulator.signature import Refused
from vncproxy.simulator.snapshot import NoPictureError

ONE = {"RegionId": "cn-hangzhou", "InstanceId": "i-one"}
DRY = ONE | {"DryRun": "true"}


class Machine:
    """One instance and its operations; 10 s to stop, 20 to start."""

    def __init__(self, **about: Any) -> None:
        """It runs, unless `about` says otherwise."""
        self.clock = FakeClock(100.0)
        self.record = Record()
        self.outages: list[tuple[str, float, bool]] = []
        self.inventory = InstanceList([SimulatedInstance("i-one", **about)], [], self.clock)
        self.operations = Operations(
            SimulatorSettings(stopping_s=10.0, starting_s=20.0),
            self.inventory,
            self.record,
            self._picture,
            lambda name, after_s, restarts: self.outages.append((name, after_s, restarts)),
            clock=self.clock,
            wall_clock=lambda: 0.0,
        )

    async def _picture(self, instance: SimulatedInstance) -> bytes:
        if instance.screen is not None:
            raise NoPictureError(instance.screen)
        return b"picture of " + instance.instance_id.encode()

    def statuses(self, *after_s: float) -> list[str]:
        """What the status is so many seconds after the start of the test, in order."""
        found = []
        for seconds in after_s:
            self.clock.seconds = 100.0 + seconds
            found.append(self.inventory["i-one"].status)
        return found

    async def picture(self, **more: str) -> bytes:
        """The picture in the answer. Raises: Refused."""
        answer = await self.operations.screenshot(ONE | more)
        assert answer["InstanceId"] == "i-one"
        return base64.b64decode(str(answer["Screenshot"]), validate=True)

    def log(self, **more: str) -> str:
        """The boot log in the answer. Raises: Refused."""
        answer = self.operations.console_output(ONE | more)
        assert answer["LastUpdateTime"] == "1970-01-01 08:00:00"
        return base64.b64decode(str(answer["ConsoleOutput"]), validate=True).decode()


def code_of(call: Callable[[], object]) -> str:
    """The error code of a call that is refused."""
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


async def code_of_picture(machine: Machine, **more: str) -> str:
    """The error code of a picture that is refused."""
    with pytest.raises(Refused) as refused:
        await machine.picture(**more)
    return refused.value.code


async def test_a_picture_may_be_taken_every_ten_seconds() -> None:
    """Sooner is throttled, and doesn't count."""
    machine = Machine()
    assert await machine.picture() == b"picture of i-one"
    machine.clock.seconds += 9.9
    assert await code_of_picture(machine) == "Throttling"
    machine.clock.seconds += 0.2
    assert await machine.picture() == b"picture of i-one"


async def test_a_screen_that_sleeps_is_black_until_it_is_woken() -> None:
    """And awake from then on."""
    machine = Machine(asleep=True)
    pictures = []
    for wake in ("false", "true", "false"):
        pictures.append(await machine.picture(WakeUp=wake))
        machine.clock.seconds += 10.0
    assert pictures == [DARK, b"picture of i-one", b"picture of i-one"]


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({"status": "Stopped"}, "IncorrectInstanceStatus"),
        ({"status": "Starting"}, "IncorrectInstanceStatus"),
        ({"retired": True}, "NotSupported"),
        ({"screen": "nobody:1"}, "InternalError"),
        ({"region": "cn-beijing"}, "InvalidRegionId.NotFound"),
    ],
)
async def test_a_picture_is_refused_with_its_code(about: dict[str, Any], code: str) -> None:
    """Only a running instance has one."""
    assert await code_of_picture(Machine(**about)) == code


async def test_the_instance_must_be_named_and_known() -> None:
    """For each call."""
    operations = Machine().operations
    for parameters, code in (
        ({"RegionId": "cn-hangzhou"}, "MissingParameter"),
        (ONE | {"InstanceId": "i-two"}, "InvalidInstanceId.NotFound"),
    ):
        with pytest.raises(Refused) as refused:
            await operations.screenshot(parameters)
        assert refused.value.code == code
        assert code_of(partial(operations.console_output, parameters)) == code
        assert code_of(partial(operations.power, "StopInstance", parameters)) == code


@pytest.mark.parametrize("about", [{"os_type": "windows"}, {"retired": True}])
def test_not_every_instance_has_a_boot_log(about: dict[str, Any]) -> None:
    """Windows has none."""
    assert code_of(Machine(**about).log) == "NotSupported"


def test_a_boot_log_has_control_characters_unless_they_are_unwanted() -> None:
    """Also that of an instance that is stopped."""
    machine = Machine(status="Stopped", boot_log="\x1b[1mWelcome\x1b[0m\r\nlögin:\x07")
    assert machine.log() == "\x1b[1mWelcome\x1b[0m\r\nlögin:\x07"
    assert machine.log(RemoveSymbols="true") == "Welcome\nlögin:"


def test_a_boot_log_grows_while_the_instance_starts() -> None:
    """To the whole of it."""
    machine = Machine(status="Stopped", boot_log="a\nb\nc\nd\n")
    machine.operations.power("StartInstance", ONE)
    logs = []
    for _ in range(4):
        logs.append(machine.log())
        machine.clock.seconds += 7.0
    assert logs == ["", "a\n", "a\nb\n", "a\nb\nc\nd\n"]


def test_a_start_takes_its_time() -> None:
    """And is carried out once."""
    machine = Machine(status="Stopped")
    assert machine.operations.power("StartInstance", ONE) == {}
    assert code_of(lambda: machine.operations.power("StartInstance", ONE)) == (
        "IncorrectInstanceStatus"
    )
    assert machine.statuses(0, 19, 20) == ["Starting", "Starting", "Running"]
    assert list(machine.record.powered) == [PowerCall("i-one", "StartInstance", False)]
    assert machine.outages == []


@pytest.mark.parametrize(("force", "off_s"), [("false", 10.0), ("true", 0.0)])
def test_a_stop_takes_its_time_unless_the_power_is_cut(force: str, off_s: float) -> None:
    """The session ends with it."""
    machine = Machine()
    machine.operations.power("StopInstance", ONE | {"ForceStop": force})
    assert machine.statuses(0) == ["Stopping" if off_s else "Stopped"]
    assert machine.statuses(10) == ["Stopped"]
    assert machine.outages == [("i-one", off_s, False)]
    assert list(machine.record.powered) == [PowerCall("i-one", "StopInstance", force == "true")]


def test_a_restart_stops_and_starts() -> None:
    """Running again in the end."""
    machine = Machine()
    machine.operations.power("RebootInstance", ONE)
    assert machine.statuses(0, 10, 29, 30) == ["Stopping", "Starting", "Starting", "Running"]
    assert machine.outages == [("i-one", 10.0, True)]


@pytest.mark.parametrize(
    ("status", "action"),
    [
        ("Running", "StartInstance"),
        ("Stopped", "StopInstance"),
        ("Stopped", "RebootInstance"),
        ("Starting", "StopInstance"),
        ("Stopping", "StartInstance"),
    ],
)
def test_an_action_wants_its_status(status: str, action: str) -> None:
    """Also one that is only tried."""
    for parameters in (ONE, DRY):
        machine = Machine(status=status)
        refused = code_of(partial(machine.operations.power, action, parameters))
        assert refused == "IncorrectInstanceStatus"
        assert not machine.record.powered


@pytest.mark.parametrize("action", ["StartInstance", "StopInstance", "RebootInstance"])
def test_a_locked_instance_refuses_everything(action: str) -> None:
    """Whatever its status is."""
    machine = Machine(locked=True)
    assert code_of(lambda: machine.operations.power(action, ONE)) == "InstanceLockedForSecurity"


def test_an_action_that_is_only_tried_does_nothing() -> None:
    """And says that it would work."""
    machine = Machine()
    for action in ("StopInstance", "RebootInstance"):
        assert code_of(partial(machine.operations.power, action, DRY)) == "DryRunOperation"
    assert machine.statuses(60) == ["Running"]
    assert not machine.record.powered
