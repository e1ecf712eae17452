"""All doors of a daemon: those of [[listen]], and the ports of native viewers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from vncproxy.access.login_attempts import LoginAttempts
from vncproxy.config.model import Listen
from vncproxy.errors import LocalError
from vncproxy.observe.metrics import Metrics
from vncproxy.service.activation import Entrance
from vncproxy.service.loaded_config import LoadedConfig
from vncproxy.tasks import all_ended
from vncproxy.web import pages
from vncproxy.web.context import Behind, Services
from vncproxy.web.door import Door, Token
from vncproxy.web.native_door import NativeDoor
from vncproxy.web.server import Server

_log = structlog.get_logger("vncproxy.app")


class Doors:
    """Opened once; renewed by reloads; what stays open keeps its connections."""

    def __init__(self, entrances: Sequence[Entrance], metrics: Metrics, control: Path) -> None:
        """None is open. Args: control - the socket of the daemon's own commands."""
        self.entrances = entrances
        self.servers: list[Server] = []
        self._control = Listen(
            name="control", address=f"unix:{control}", access="peer", socket_mode="0600"
        )
        self._commands: Server | None = None
        self.native: list[NativeDoor] = []
        self._left: list[NativeDoor] = []
        self._metrics = metrics
        self._attempts = LoginAttempts()

    async def open(self, given: LoadedConfig, token: Token, services: Services) -> None:
        """Listen everywhere. Raises: LocalError, ConfigError; what is open then is to be closed."""
        doors = self._doors(given, token, services)
        for entrance, tls, door in zip(self.entrances, given.tls, doors, strict=True):
            server = Server(
                entrance.listen,
                Behind(door, services),
                tls,
                sock=entrance.socket,
                refused=self._metrics.refused,
            )
            self.servers.append(server)
            await server.start()
            _warn_of(door)
        await self._open_control(given, token, services)
        for native in self._native(given, services):
            self.native.append(native)
            await native.start()

    async def _open_control(self, given: LoadedConfig, token: Token, services: Services) -> None:
        try:
            door = self._control_door(given, token, services)
            server = Server(
                self._control, Behind(door, services), None, refused=self._metrics.refused
            )
            await server.start()
        except (LocalError, ValueError) as error:
            # Its path may be too long for a socket; commands have the other doors left.
            _log.warning("door.no_control", text=str(error))
            return
        self._commands = server

    def _control_door(self, given: LoadedConfig, token: Token, services: Services) -> Door:
        return Door(
            self._control,
            given.config.access,
            token,
            services.sessions,
            attempts=self._attempts,
            owners_only=True,
        )

    async def prepare(self, given: LoadedConfig, services: Services) -> list[NativeDoor]:
        """Doors at new ports, open. Raises: ConfigError - one can't be had; then none is open."""
        here = {native.port for native in self.native}
        fresh = [one for one in self._native(given, services) if one.port not in here]
        try:
            for native in fresh:
                await native.start()
        except BaseException:
            await self.give_up(fresh)
            raise
        return fresh

    async def give_up(self, fresh: list[NativeDoor]) -> None:
        """Close doors that `prepare` opened: the rest of the reload failed."""
        await asyncio.gather(*(native.close() for native in fresh))

    def renew(
        self, given: LoadedConfig, token: Token, services: Services, fresh: list[NativeDoor]
    ) -> None:
        """Everything that comes from now on finds this. Args: fresh - as `prepare` gave them."""
        doors = self._doors(given, token, services)
        for server, tls, door in zip(self.servers, given.tls, doors, strict=True):
            server.behind.door, server.behind.services = door, services
            server.tls = tls
        if self._commands is not None:
            behind = self._commands.behind
            behind.door, behind.services = self._control_door(given, token, services), services
        by_id = {instance.id: instance for instance in given.instances}
        by_port = {one.tcp_port: one for one in given.config.instance if one.tcp_port is not None}
        kept = []
        for native in self.native:
            if (one := by_port.get(native.port)) is None:
                # Who is on stays.
                native.stop_listening()
                self._left.append(native)
                continue
            password = given.native_passwords[one.id]
            native.renew(by_id[one.id], password, services)
            kept.append(native)
        self.native[:] = [*kept, *fresh]

    async def stop_listening(self) -> None:
        """Take no new connections."""
        for native in self.native:
            native.stop_listening()
        await all_ended(*(server.stop_listening() for server in self._all_servers))

    async def close(self) -> None:
        """End everything."""
        doors: list[Server | NativeDoor] = [*self._all_servers, *self.native, *self._left]
        await all_ended(*(door.close() for door in doors))

    @property
    def _all_servers(self) -> list[Server]:
        return [*self.servers, *([self._commands] if self._commands is not None else [])]

    def _doors(self, given: LoadedConfig, token: Token, services: Services) -> list[Door]:
        return [
            Door(
                entrance.listen,
                given.config.access,
                token,
                services.sessions,
                users=given.users,
                directory=services.authority.directory,
                attempts=self._attempts,
                header_secret=header_secret,
            )
            for entrance, header_secret in zip(self.entrances, given.header_secrets, strict=True)
        ]

    def _native(self, given: LoadedConfig, services: Services) -> Iterator[NativeDoor]:
        by_id = {instance.id: instance for instance in given.instances}
        for one in given.config.instance:
            if one.tcp_port is not None:
                password = given.native_passwords[one.id]
                yield NativeDoor(by_id[one.id], one.tcp_port, password, services)


def _warn_of(door: Door) -> None:
    if door.open:
        _log.warning("door.open", door=door.name, text="every account of this machine may enter")
    if not pages.is_complete():
        _log.error("page.incomplete", text="noVNC is missing from this installation")
