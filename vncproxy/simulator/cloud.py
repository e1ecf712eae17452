"""The simulated cloud as a whole, for tests to inspect and to steer."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable

from vncproxy.simulator.api import Api
from vncproxy.simulator.faults import ApiFault, FaultQueue, GatewayFault
from vncproxy.simulator.gateway import Gateway
from vncproxy.simulator.instance_operations import Operations
from vncproxy.simulator.inventory import InstanceList
from vncproxy.simulator.machine import switch
from vncproxy.simulator.record import Call, Dial, PointerReport, PowerCall, Record, TypedKey
from vncproxy.simulator.sabotage import Ending
from vncproxy.simulator.screen import keys
from vncproxy.simulator.screen.desktop import Desktop
from vncproxy.simulator.screen.scene import Caption
from vncproxy.simulator.screens import RealScreen, ScreenLink
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.signature import SignatureCheck
from vncproxy.simulator.snapshot import snapshot
from vncproxy.simulator.tickets import Tickets, vnc_url


class Cloud:
    """What the simulator's instances, keys, sessions and screens are, and what befalls them.

    Args:
        clock: Monotonic seconds, for VncUrls, dials and throttling; a test may put its own. Idle
            sessions go by the event loop's time.
    """

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or SimulatorSettings()
        self.port = 0
        self._clock = clock
        seed = self.settings.seed
        self._random = random.SystemRandom() if seed is None else random.Random(seed)
        self._record = Record()
        self._inventory = InstanceList(self.settings.instances, self.settings.regions, clock)
        self._desktops: dict[str, Desktop] = {}
        self._tickets = Tickets(self.settings.url_ttl_s, self._random)
        self._outages: set[asyncio.TimerHandle] = set()
        self._switching: list[asyncio.Task[None]] = []
        wall_clock = self._wall_clock
        self._api = Api(
            SignatureCheck(self.settings.keys, self.settings.timestamp_window_s),
            self._inventory,
            self._record,
            self.make_url,
            Operations(
                self.settings,
                self._inventory,
                self._record,
                self._picture,
                self._power_off,
                clock=clock,
                wall_clock=wall_clock,
            ),
            clock=clock,
            wall_clock=wall_clock,
            calls_per_minute=self.settings.calls_per_minute,
        )
        self._gateway = Gateway(
            self.settings, self._tickets, self._record, self._open_screen, clock, self._random
        )

    @property
    def endpoint(self) -> str:
        """Where the API listens, such as http://127.0.0.1:8080."""
        scheme = "https" if self.settings.certificate else "http"
        return f"{scheme}://{_bracketed(self.settings.host)}:{self.port}"

    @property
    def faults(self) -> FaultQueue[ApiFault]:
        """What goes wrong with the next calls: `faults.next(action, ApiFault.html())`."""
        return self._api.faults

    @property
    def gateway_faults(self) -> FaultQueue[GatewayFault]:
        """What goes wrong with the next dials: `gateway_faults.next(instance_id, ...)`."""
        return self._gateway.faults

    @property
    def dials(self) -> deque[Dial]:
        """Every dial, oldest first."""
        return self._record.dials

    @property
    def calls(self) -> deque[Call]:
        """Every API call, oldest first."""
        return self._record.calls

    @property
    def breaches(self) -> Counter[str]:
        """How often each rule was broken; empty if none was."""
        return self._record.breaches

    @property
    def messages(self) -> Counter[str]:
        """How many client messages of each kind arrived whole."""
        return self._record.messages

    @property
    def endings(self) -> deque[tuple[str, str]]:
        """(instance id, reason) of every session that ended."""
        return self._record.endings

    @property
    def typed(self) -> deque[TypedKey]:
        """Key events that reached built-in screens."""
        return self._record.typed

    @property
    def typed_text(self) -> str:
        """The characters among the key presses, in order."""
        return "".join(keys.character(key.keysym) for key in self._record.typed if key.down)

    @property
    def pointed(self) -> deque[PointerReport]:
        """Pointer events that reached built-in screens."""
        return self._record.pointed

    @property
    def powered(self) -> deque[PowerCall]:
        """Every start, stop and restart that was carried out, oldest first."""
        return self._record.powered

    @property
    def sessions(self) -> list[str]:
        """Instances with an open session."""
        return [name for name, s in self._gateway.sessions.items() if s.alive]

    def idle_seconds(self) -> dict[str, float]:
        """For each open session, seconds since its last interaction."""
        return {name: s.idle_s for name, s in self._gateway.sessions.items() if s.alive}

    def most_dials(self, window_s: float | None = None, instance_id: str | None = None) -> int:
        """The largest number of dials in any window, by default the rule's."""
        window = self.settings.window_s if window_s is None else window_s
        return self._record.most_dials(window, instance_id)

    def make_url(self, instance_id: str) -> str:
        """A fresh VncUrl, as the API would answer it."""
        scheme = "wss" if self.settings.certificate else "ws"
        host = _bracketed(self.settings.gateway_host or self.settings.host)
        token = self._tickets.make(instance_id, self._clock())
        return vnc_url(scheme, f"{host}:{self.port}", token, self.settings.vnc_url_encoding)

    def instance(self, instance_id: str | None = None) -> SimulatedInstance:
        """An instance, by default the first.

        Raises:
            KeyError: There is no such instance.
        """
        return self._inventory[instance_id or self.settings.instances[0].instance_id]

    def set_status(self, status: str, instance_id: str | None = None) -> None:
        """Start or stop an instance; its session stays.

        Raises:
            KeyError: There is no such instance.
            ValueError: The value isn't allowed.
        """
        self._inventory.set_status(self.instance(instance_id).instance_id, status)

    def drop(self, instance_id: str | None = None, ending: Ending = Ending.DROP) -> bool:
        """End an instance's session now; whether there was one."""
        return self._gateway.drop(self.instance(instance_id).instance_id, ending)

    def strike(self, fault: GatewayFault, instance_id: str | None = None) -> bool:
        """Let a fault befall an instance's open session, its bytes counted from now.

        Whether there was a session; what would have befallen it otherwise is forgotten.
        """
        return self._gateway.strike(self.instance(instance_id).instance_id, fault)

    def framebuffer(self, instance_id: str | None = None) -> bytes:
        """A built-in screen's pixels, row by row: red, green, blue.

        Raises:
            KeyError: There is no such instance.
        """
        return self._desktop(self.instance(instance_id)).rgb()

    def screen_size(self, instance_id: str | None = None) -> tuple[int, int]:
        """A built-in screen's width and height in pixels.

        Raises:
            KeyError: There is no such instance.
        """
        canvas = self._desktop(self.instance(instance_id)).canvas
        return canvas.width, canvas.height

    def resize(self, width: int, height: int, instance_id: str | None = None) -> bool:
        """Change a built-in screen's size; whether that was possible."""
        return self._desktop(self.instance(instance_id)).resize(width, height)

    def broadcast(self, message: bytes, instance_id: str | None = None) -> None:
        """Send a whole RFB server message, such as a bell, to a built-in screen's client."""
        self._desktop(self.instance(instance_id)).broadcast(message)

    async def _picture(self, instance: SimulatedInstance) -> bytes:
        if instance.screen is not None:
            return await snapshot(instance.screen, instance.vnc_password)
        return self._desktop(instance).png()

    def _wall_clock(self) -> float:
        return time.time() + self.settings.clock_offset_s

    def _power_off(self, instance_id: str, after_s: float, restarts: bool) -> None:
        """Let an instance lose its power: its session ends, what its screen showed is gone."""
        qmp = self.instance(instance_id).qmp

        def lose() -> None:
            self._outages.discard(timer)
            self._gateway.drop(instance_id, Ending.DROP)
            self._desktops.pop(instance_id, None)
            if qmp is not None:
                self._switching.append(asyncio.create_task(switch(qmp, restarts=restarts)))

        timer = asyncio.get_running_loop().call_later(after_s, lose)
        self._outages.add(timer)

    async def _open_screen(self, instance_id: str, odd_security: bool) -> ScreenLink:
        instance = self._inventory[instance_id]
        if instance.screen is not None:
            return await RealScreen.dial(instance.screen)
        return self._desktop(instance).connect(
            instance.vnc_password, self._random.randbytes, odd_security=odd_security
        )

    def _desktop(self, instance: SimulatedInstance) -> Desktop:
        desktop = self._desktops.get(instance.instance_id)
        if desktop is None:
            caption = Caption(
                instance.name,
                instance.instance_id,
                instance.region,
                instance.os_name,
                tuple(self.settings.rules()),
            )
            typed, pointed, name = self._record.typed, self._record.pointed, instance.instance_id
            desktop = Desktop(
                caption,
                self.settings.width,
                self.settings.height,
                lambda keysym, down: typed.append(TypedKey(name, keysym, down)),
                lambda x, y, buttons: pointed.append(PointerReport(name, x, y, buttons)),
            )
            self._desktops[instance.instance_id] = desktop
        return desktop


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
