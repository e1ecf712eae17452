"""The HTTP server: the routes behind each door, and the sockets of the doors."""

from __future__ import annotations

import errno
import grp
import os
import socket
import ssl
from pathlib import Path

from aiohttp import web

from vncproxy.config.address import TcpAddress, UnixAddress
from vncproxy.config.model import Listen
from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.web import api, health, pages, sockets
from vncproxy.web.context import DOOR, SERVICES, Services
from vncproxy.web.door import Door
from vncproxy.web.guard import finish_headers, guard

BODY_MAX_BYTES = 16 * 1024
_BACKLOG = 128


def application(door: Door, services: Services) -> web.Application:
    """The routes behind one door."""
    app = web.Application(middlewares=[guard], client_max_size=BODY_MAX_BYTES)
    app[DOOR] = door
    app[SERVICES] = services
    app.on_response_prepare.append(finish_headers)
    console = "/api/v1/consoles/{instance}"
    app.add_routes(
        [
            web.get("/", pages.index),
            web.get("/enter", pages.enter),
            web.get("/console/{instance}", pages.console),
            web.get("/static/{path:.+}", pages.static_file),
            web.get("/api/v1/instances", api.instances),
            web.get("/api/v1/consoles", api.consoles),
            web.delete(console, api.close_console),
            web.delete(f"{console}/viewers/{{id}}", api.close_viewer),
            web.get(f"{console}/admission", api.admission),
            web.post("/api/v1/tickets", api.issue_ticket),
            web.post("/api/v1/session", api.log_in),
            web.delete("/api/v1/session", api.log_out),
            web.get("/websockify/{instance}", sockets.websockify, allow_head=False),
            web.get("/control/{instance}", sockets.control, allow_head=False),
            web.get("/healthz", health.healthz),
            web.get("/readyz", health.readyz),
            web.get("/metrics", health.metrics),
        ]
    )
    return app


class Server:
    """One door that listens, from `start` to `close`."""

    def __init__(self, listen: Listen, app: web.Application) -> None:
        """Nothing listens yet."""
        self._listen = listen
        # Access logs would hold tickets; what matters is logged by the handlers.
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises: ConfigError - the address can't be had, or the certificate not read."""
        tls = _tls(self._listen)
        sock = _bound(self._listen)
        if sock.family != socket.AF_UNIX:
            self.port = sock.getsockname()[1]
        await self._runner.setup()
        site = web.SockSite(self._runner, sock, ssl_context=tls, backlog=_BACKLOG)
        await site.start()

    async def stop_listening(self) -> None:
        """Take no new connections."""
        for site in list(self._runner.sites):
            await site.stop()

    async def close(self) -> None:
        """End everything; a Unix socket's file goes too."""
        await self._runner.cleanup()
        address = self._listen.parsed_address
        if isinstance(address, UnixAddress):
            address.path.unlink(missing_ok=True)


def _problem(listen: Listen, found: str, expected: str) -> ConfigError:
    return ConfigError([ConfigProblem(f"[[listen]] {listen.name}", "address", found, expected)])


def _bound(listen: Listen) -> socket.socket:
    address = listen.parsed_address
    try:
        return _bound_unix(listen, address) if isinstance(address, UnixAddress) else _tcp(address)
    except OSError as fault:
        raise _problem(
            listen,
            f"{listen.address} ({fault.strerror or fault})",
            "an address that is free and allowed here",
        ) from fault


def _tcp(address: TcpAddress) -> socket.socket:
    host = "127.0.0.1" if address.host == "localhost" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, address.port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _bound_unix(listen: Listen, address: UnixAddress) -> socket.socket:
    _clear_stale(address.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody may connect before mode and group are right.
    mask = os.umask(0o177)
    try:
        sock.bind(str(address.path))
        if listen.socket_group is not None:
            os.chown(address.path, -1, grp.getgrnam(listen.socket_group).gr_gid)
        address.path.chmod(listen.mode)
    except KeyError as fault:
        sock.close()
        raise OSError(errno.ENOENT, f"no group {listen.socket_group!r}") from fault
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(mask)
    sock.setblocking(False)
    return sock


def _clear_stale(path: Path) -> None:
    """Remove the file of a socket that nobody listens on any more; a living one is left alone."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def _tls(listen: Listen) -> ssl.SSLContext | None:
    if listen.certificate is None or listen.key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(listen.certificate, listen.key)
    except (OSError, ssl.SSLError) as fault:
        raise ConfigError(
            [
                ConfigProblem(
                    f"[[listen]] {listen.name}",
                    "certificate",
                    f"{listen.certificate} and {listen.key}, which don't load",
                    "a PEM certificate and the key that belongs to it",
                )
            ]
        ) from fault
    return context
