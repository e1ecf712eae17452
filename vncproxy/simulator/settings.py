"""What the simulated cloud is: its keys, its instances, and the rules it enforces.

The rules' defaults are those that the ECS API reference documents for DescribeInstanceVncUrl; what
it leaves open (which message counts as interaction, what becomes of a second session) is a setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

STATUSES = ("Pending", "Running", "Starting", "Stopping", "Stopped")
"""Values of an instance's Status. Source: ECS API reference, DescribeInstances."""

DEMO_KEY_ID = "SIMULATOR-demo-key-id"
DEMO_KEY_SECRET = "simulator-demo-key-secret"  # noqa: S105 - made up, printed for everybody
DEMO_INSTANCE_ID = "i-bp1demo0000000000001"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key that may sign calls.

    Args:
        key_id: The AccessKey's id.
        secret: The AccessKey's secret.
        security_token: Makes it an STS key, whose calls carry it.
        expired: An STS key past its life: InvalidSecurityToken.Expired.
        denied_actions: API actions answered with Forbidden.RAM.
    """

    key_id: str = DEMO_KEY_ID
    secret: str = field(default=DEMO_KEY_SECRET, repr=False)
    security_token: str = field(default="", repr=False)
    expired: bool = False
    denied_actions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SimulatedInstance:
    """One ECS instance.

    Args:
        status: One of `STATUSES`.
        os_type: "linux" or "windows".
        vnc_password: Six letters or digits, or None for security type None.
        screen: "host:port" of a real VNC server to show, or None for the built-in screen.
        tags: (key, value) pairs.
        qmp: QMP's Unix socket of the QEMU that `screen` is of: a restart resets it, a stop ends it.
        locked: For security reasons: it can't be started, stopped or restarted.
        retired: Of an instance type without pictures and boot log.
        asleep: Its picture is black until a call wakes it.
        boot_log: What it printed at its last start; None: something of ours.
    """

    instance_id: str = DEMO_INSTANCE_ID
    name: str = "demo"
    region: str = "cn-hangzhou"
    status: str = "Running"
    os_type: str = "linux"
    os_name: str = "Debian 12 64-bit"
    vnc_password: str | None = field(default=None, repr=False)
    screen: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    qmp: str | None = None
    locked: bool = False
    retired: bool = False
    asleep: bool = False
    boot_log: str | None = None


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Everything that a simulator needs at its start.

    Args:
        host, port: where it listens, for the API and the gateway; port 0 takes a free one.
        gateway_host: The name in a VncUrl, if not `host`.
        keys, instances: who may call, and what there is.
        regions: Regions that exist besides those of the instances.
        url_ttl_s: A VncUrl's life, from its answer.
        idle_timeout_s: Without interaction for so long, a session is closed.
        counts: Which client messages are interaction: "rfb", every whole one; "input", key and
            pointer only.
        idle_ending, second_session, refusal: how an idle session ends (a bare TCP end, or a close
            frame before it), what becomes of a second session (refused, or the first is thrown
            out), how a dial is refused (an HTTP status, or a close right after the upgrade).
        reconnects_per_minute, window_s: more dials than this for one instance in any `window_s`
            seconds are refused.
        half_open_s: How long a session whose client vanished without a close frame blocks its slot.
        clock_offset_s: The cloud's clock minus this machine's.
        timestamp_window_s: How far x-acs-date may be off.
        calls_per_minute: API calls of one key before Throttling.User; 0: no limit.
        screenshot_pause_s: Between two pictures of one instance; sooner: Throttling.
        stopping_s, starting_s: how long an instance takes to stop and to start.
        vnc_url_encoding: "quoted", percent-encoded once as documented, or "plain".
        seed: Makes tokens and garbage repeatable; None: random.
        certificate, key: PEM files; with them, https and wss.
        width, height: of built-in screens, pixels. animated: clock and chart move; a still screen
            changes by input only.
        frame_bytes: Server bytes in one WebSocket frame, which align with no RFB message.
        max_sessions: Open sessions of all instances.
    """

    host: str = "127.0.0.1"
    port: int = 0
    gateway_host: str = ""
    keys: tuple[AccessKey, ...] = (AccessKey(),)
    instances: tuple[SimulatedInstance, ...] = (SimulatedInstance(),)
    regions: tuple[str, ...] = ("cn-hangzhou", "cn-beijing")
    url_ttl_s: float = 15.0
    idle_timeout_s: float = 60.0
    counts: Literal["rfb", "input"] = "rfb"
    idle_ending: Literal["drop", "close"] = "drop"
    second_session: Literal["refuse", "throw-out"] = "refuse"
    refusal: Literal["http", "close"] = "http"
    reconnects_per_minute: int = 30
    window_s: float = 60.0
    half_open_s: float = 0.0
    clock_offset_s: float = 0.0
    timestamp_window_s: float = 900.0
    calls_per_minute: int = 0
    screenshot_pause_s: float = 10.0
    stopping_s: float = 3.0
    starting_s: float = 5.0
    vnc_url_encoding: Literal["quoted", "plain"] = "quoted"
    seed: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    width: int = 1024
    height: int = 768
    animated: bool = True
    frame_bytes: int = 8192
    max_sessions: int = 256

    def rules(self) -> list[str]:
        """The rules enforced, one plain sentence each."""
        kinds = (
            "any whole RFB message counts"
            if self.counts == "rfb"
            else "only key and pointer events count"
        )
        second = (
            "a second one is refused"
            if self.second_session == "refuse"
            else "a second one throws the first out"
        )
        return [
            f"a VncUrl is valid once, for {self.url_ttl_s:g} s",
            f"a session without interaction for {self.idle_timeout_s:g} s is closed; "
            f"{kinds}, WebSocket pings do not",
            f"one session per instance; {second}",
            f"at most {self.reconnects_per_minute} dials per instance in any {self.window_s:g} s",
            f"calls are signed with ACS3-HMAC-SHA256, at most {self.timestamp_window_s / 60:g} min "
            "off the clock, each nonce once",
        ]
