"""All listeners of a daemon: those of [[listen]], the control socket, and native viewers' ports."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from vncproxy.access.login_attempts import LoginAttempts
from vncproxy.config.model import Listen
from vncproxy.errors import LocalError
from vncproxy.service.loaded_config import Current, Snapshot
from vncproxy.service.socket_activation import Entrance
from vncproxy.tasks import all_ended
from vncproxy.web import pages
from vncproxy.web.context import Behind, Services
from vncproxy.web.door import Door, DoorSettings
from vncproxy.web.native_door import NativeConsole, NativeDoor
from vncproxy.web.server import Server

_log = structlog.get_logger("vncproxy.app")


def control_listener(path: Path) -> Listen:
    """The socket of the daemon's own commands: everybody who may open it counts as the owner."""
    return Listen(name="control", address=f"unix:{path}", access="peer", socket_mode="0600")


class Doors:
    """Opened once; they read the configuration in force, so that a reload keeps connections."""

    def __init__(
        self,
        entrances: Sequence[Entrance],
        control: Listen,
        current: Current[Snapshot],
        services: Services,
    ) -> None:
        """None is open.

        Args:
            entrances: The listeners of [[listen]], each with the socket that was passed for it.
            control: As `control_listener` gives it.
            current: The configuration in force.
            services: The daemon's parts.
        """
        self._current = current
        self._services = services
        self._attempts = LoginAttempts()
        self.servers = [self._server(number, one) for number, one in enumerate(entrances)]
        """Those of [[listen]], in their order."""
        self._control = control
        self._commands: list[Server] = []
        """That of the control socket, if it could be opened."""
        self._native: dict[int, NativeDoor] = {}
        self._left: list[NativeDoor] = []
        """Those that listen no more, with who is on."""

    def _server(self, number: int, entrance: Entrance) -> Server:
        def settings() -> DoorSettings:
            return self._current.now.doors[number]

        def tls() -> ssl.SSLContext | None:
            return self._current.now.loaded.tls[number]

        services = self._services
        door = Door(
            entrance.listen,
            settings,
            services.sessions,
            directory=services.authority.directory,
            attempts=self._attempts,
        )
        refused = services.metrics.refused
        behind = Behind(door, services)
        return Server(entrance.listen, behind, tls, sock=entrance.socket, refused=refused)

    async def open(self) -> None:
        """Listen everywhere.

        Raises:
            LocalError: An address can't be had; what is open then is to be closed.
            ConfigError: The same for a native viewers' port.
        """
        for server in self.servers:
            await server.start()
            _warn_of(server.behind.door)
        await self._open_control()
        for door in self._native_doors(self._current.now):
            self._native[door.port] = door
            await door.start()

    async def _open_control(self) -> None:
        services = self._services
        door = Door(
            self._control,
            lambda: self._current.now.control,
            services.sessions,
            attempts=self._attempts,
            owners_only=True,
        )
        refused = services.metrics.refused
        server = Server(self._control, Behind(door, services), lambda: None, refused=refused)
        try:
            await server.start()
        except (LocalError, ValueError) as error:
            # Its path may be too long for a socket; commands have the other doors left.
            _log.warning("door.no_control", text=str(error))
            return
        self._commands.append(server)

    async def open_native(self, new: Snapshot) -> list[NativeDoor]:
        """Listen at the ports that only `new` names; until it is in force, they turn away.

        Raises:
            ConfigError: One can't be had; then none of them is open.
        """
        fresh = [door for door in self._native_doors(new) if door.port not in self._native]
        try:
            for door in fresh:
                await door.start()
        except BaseException:
            await self.close_native(fresh)
            raise
        return fresh

    async def close_native(self, fresh: list[NativeDoor]) -> None:
        """Close what `open_native` opened: the rest of the reload failed."""
        await asyncio.gather(*(door.close() for door in fresh))

    def take_native(self, fresh: list[NativeDoor]) -> None:
        """Go on with what `open_native` opened; stop listening at ports that nothing names now."""
        named = self._current.now.loaded.native
        for port in [port for port in self._native if port not in named]:
            # Viewers that are on stay.
            door = self._native.pop(port)
            door.stop_listening()
            self._left.append(door)
        self._native |= {door.port: door for door in fresh}

    async def stop_listening(self) -> None:
        """Take no new connections."""
        for door in self._native.values():
            door.stop_listening()
        await all_ended(*(server.stop_listening() for server in self._all_servers))

    async def close(self) -> None:
        """End everything."""
        native = [*self._native.values(), *self._left]
        doors: list[Server | NativeDoor] = [*self._all_servers, *native]
        await all_ended(*(door.close() for door in doors))

    @property
    def _all_servers(self) -> list[Server]:
        return [*self.servers, *self._commands]

    def _native_doors(self, of: Snapshot) -> list[NativeDoor]:
        return [
            NativeDoor(port, console.instance.alias, self._console_at(port), self._services)
            for port, console in of.loaded.native.items()
        ]

    def _console_at(self, port: int) -> Callable[[], NativeConsole | None]:
        return lambda: self._current.now.loaded.native.get(port)


def _warn_of(door: Door) -> None:
    if door.open:
        _log.warning("door.open", door=door.name, text="every account of this machine may enter")
    if not pages.is_complete():
        _log.error("page.incomplete", text="noVNC is missing from this installation")
