"""What the API does with an instance besides its VncUrl: look at it, start it, stop it.

Source: ECS API reference, GetInstanceScreenshot, GetInstanceConsoleOutput, StartInstance,
StopInstance and RebootInstance. A restart's status is Stopping and then Starting: the reference
says so of RebootInstances, and of RebootInstance only that it is Starting.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta, timezone

from vncproxy.simulator.inventory import InstanceList
from vncproxy.simulator.record import PowerCall, Record
from vncproxy.simulator.screen.png import png
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.signature import Refused
from vncproxy.simulator.snapshot import NoPictureError

POWER_ACTIONS = ("StartInstance", "StopInstance", "RebootInstance")
_BEIJING = timezone(timedelta(hours=8))
DARK = png(640, 480, bytes(640 * 480), [(0, 0, 0)])
"""What a screen that sleeps looks like."""
_SYMBOLS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[^\n\x20-\x7e\x80-\U0010ffff]")

_BOOT_LOG = """\
[    0.000000] Linux version 6.1.0-13-amd64 (debian-kernel@lists.debian.org)
[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz-6.1.0-13-amd64 root=UUID=demo ro
[    0.004213] tsc: Detected 2500.000 MHz processor
[    0.158804] Memory: 3924180K/4193784K available
[    0.301882] pci 0000:00:02.0: vgaarb: setting as boot VGA device
[    0.648221] NET: Registered PF_INET6 protocol family
[    1.106214] virtio_blk virtio2: [vda] 83886080 512-byte logical blocks
[    1.342110] EXT4-fs (vda1): mounted filesystem with ordered data mode
Begin: Running /scripts/init-bottom ... done.
{welcome}
[{ok}  OK  {plain}] Created slice system-getty.slice.
[{ok}  OK  {plain}] Started Journal Service.
[{ok}  OK  {plain}] Mounted /boot/efi.
[{failed}FAILED{plain}] Failed to start Raise network interfaces.
[{ok}  OK  {plain}] Reached target Network.
[{ok}  OK  {plain}] Started OpenBSD Secure Shell server.
[{ok}  OK  {plain}] Reached target Multi-User System.

{system} {name} ttyS0

{name} login: """


class Operations:
    """Answers calls about one instance."""

    def __init__(
        self,
        settings: SimulatorSettings,
        inventory: InstanceList,
        record: Record,
        take_picture: Callable[[SimulatedInstance], Awaitable[bytes]],
        power_off: Callable[[str, float, bool], None],
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """Nothing was asked yet.

        Args:
            settings: How long a start and a stop take, and the pause between two pictures.
            inventory: The instances, whose status changes.
            record: Where power calls are noted.
            take_picture: Gives an instance's screen, as PNG.
            power_off: Called with an instance's id, the seconds until it has no power, and whether
                it restarts.
            clock: Monotonic seconds.
            wall_clock: Seconds since 1970.
        """
        self._settings = settings
        self._inventory = inventory
        self._record = record
        self._take_picture = take_picture
        self._power_off = power_off
        self._clock = clock
        self._wall_clock = wall_clock
        self._pictured_s: dict[str, float] = {}
        self._awake: set[str] = set()
        self._booted: dict[str, tuple[float, float]] = {}
        """By id: when the last start began, by `clock` and by `wall_clock`."""

    async def screenshot(self, parameters: Mapping[str, str]) -> dict[str, object]:
        """The answer to GetInstanceScreenshot, without RequestId.

        Raises:
            Refused: The API answers with this error.
        """
        instance = self._inventory.named(parameters)
        if instance.retired:
            raise Refused("NotSupported")
        if instance.status != "Running":
            raise Refused("IncorrectInstanceStatus")
        now_s = self._clock()
        last_s = self._pictured_s.get(instance.instance_id)
        if last_s is not None and now_s - last_s < self._settings.screenshot_pause_s:
            raise Refused("Throttling")
        self._pictured_s[instance.instance_id] = now_s
        if is_true(parameters, "WakeUp"):
            self._awake.add(instance.instance_id)
        asleep = instance.asleep and instance.instance_id not in self._awake
        try:
            picture = DARK if asleep else await self._take_picture(instance)
        except NoPictureError as error:
            raise Refused("InternalError") from error
        return {
            "InstanceId": instance.instance_id,
            "Screenshot": base64.b64encode(picture).decode(),
        }

    def console_output(self, parameters: Mapping[str, str]) -> dict[str, object]:
        """The answer to GetInstanceConsoleOutput, without RequestId.

        Raises:
            Refused: The API answers with this error.
        """
        instance = self._inventory.named(parameters)
        if instance.retired or instance.os_type == "windows":
            raise Refused("NotSupported")
        began_s, wall_s = self._booted.get(instance.instance_id, (None, self._wall_clock()))
        text = _boot_log(instance)
        if began_s is not None and instance.status == "Starting":
            lines = text.splitlines(keepends=True)
            part = (self._clock() - began_s) / self._settings.starting_s
            text = "".join(lines[: max(0, int(part * len(lines)))])
        if is_true(parameters, "RemoveSymbols"):
            text = _SYMBOLS.sub("", text)
        return {
            "InstanceId": instance.instance_id,
            "ConsoleOutput": base64.b64encode(text.encode("utf-8", "surrogateescape")).decode(),
            "LastUpdateTime": datetime.fromtimestamp(wall_s, _BEIJING).strftime(
                "%Y-%m-%d %H:%M:%S"
            ),
        }

    def power(self, action: str, parameters: Mapping[str, str]) -> dict[str, object]:
        """The answer to one of `POWER_ACTIONS`, without RequestId: none besides.

        Raises:
            Refused: The API answers with this error, DryRunOperation for one that would work.
        """
        # These calls have no RegionId.
        instance = self._inventory.by_id(parameters)
        if instance.locked:
            raise Refused("InstanceLockedForSecurity")
        if instance.status != ("Stopped" if action == "StartInstance" else "Running"):
            raise Refused("IncorrectInstanceStatus")
        if is_true(parameters, "DryRun"):
            raise Refused("DryRunOperation")
        forced = is_true(parameters, "ForceStop")
        self._record.powered.append(PowerCall(instance.instance_id, action, forced))
        self._go_through(instance.instance_id, action, forced)
        return {}

    def _go_through(self, instance_id: str, action: str, forced: bool) -> None:
        now_s = self._clock()
        # A cut of the power takes no time.
        off_s = now_s if forced else now_s + self._settings.stopping_s
        on_s = off_s if action == "RebootInstance" else now_s
        stopping, starting = (now_s, "Stopping"), (on_s, "Starting")
        running = (on_s + self._settings.starting_s, "Running")
        match action:
            case "StartInstance":
                self._inventory.change(instance_id, [starting, running])
            case "StopInstance":
                self._inventory.change(instance_id, [stopping, (off_s, "Stopped")])
            case _:
                self._inventory.change(instance_id, [stopping, starting, running])
        if action != "StartInstance":
            self._power_off(instance_id, off_s - now_s, action == "RebootInstance")
            self._awake.discard(instance_id)
        if action != "StopInstance":
            self._booted[instance_id] = (on_s, self._wall_clock() + on_s - now_s)


def is_true(parameters: Mapping[str, str], name: str) -> bool:
    """Whether a parameter is set, as the API spells it."""
    return parameters.get(name, "").lower() == "true"


def _boot_log(instance: SimulatedInstance) -> str:
    if instance.boot_log is not None:
        return instance.boot_log
    return _BOOT_LOG.format(
        ok="\x1b[0;32m",
        failed="\x1b[0;1;31m",
        plain="\x1b[0m",
        welcome=f"\nWelcome to \x1b[1m{instance.os_name}\x1b[0m!\n",
        system=instance.os_name,
        name=instance.name,
    )
