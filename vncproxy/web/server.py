"""The HTTP server: the routes behind each door, and the sockets of the doors."""

from __future__ import annotations

import asyncio
import errno
import grp
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from vncproxy.addresses import TcpAddress, UnixAddress
from vncproxy.config.model import Listen
from vncproxy.errors import ConfigError, ConfigProblem, LocalError
from vncproxy.languages.text import Text
from vncproxy.web import (
    api,
    boot_log,
    health,
    instances,
    pages,
    past_sessions,
    recordings,
    viewer_websockets,
)
from vncproxy.web.acceptor import Acceptor
from vncproxy.web.base_path import BASE_PATH
from vncproxy.web.connection_limits import ConnectionLimits, Slot
from vncproxy.web.context import BEHIND, Behind, door
from vncproxy.web.http_connection import KEEPALIVE_TIMEOUT_S, LINGERING_TIME_S, Connection
from vncproxy.web.middleware import finish_headers, guard
from vncproxy.web.query_names import with_query

BODY_MAX_BYTES = 16 * 1024
CLOSE_TIMEOUT_S = 1.0
"""How long requests that still run may take once the daemon stops."""
LAST_SESSIONS_TIMEOUT_S = 0.5
"""At the end, for viewers that were let in at the last moment: they are being told."""
_PROBE_TIMEOUT_S = 1.0

# Lines of addresses would hold tickets; what matters is logged by the handlers.
_NO_ACCESS_LOG = logging.Logger("vncproxy.access", logging.CRITICAL)


def application(behind: Behind) -> web.Application:
    """The routes behind one door."""
    app = web.Application(middlewares=[guard], client_max_size=BODY_MAX_BYTES)
    app[BEHIND] = behind
    app[BASE_PATH] = behind.door.base_path
    app.on_response_prepare.append(finish_headers)
    app.add_routes(routes(""))
    if behind.door.base_path:
        # A proxy before it takes the path off, or doesn't.
        app.add_routes(routes(behind.door.base_path))
        app.add_routes([_checked(web.get(behind.door.base_path, pages.index))])
    return app


def routes(base: str) -> list[web.RouteDef]:
    """All routes.

    Args:
        base: Before each path.
    """
    console = f"{base}/api/v1/consoles/{{instance}}"
    instance = f"{base}/api/v1/instances/{{instance}}"
    recording = f"{base}/api/v1/recordings/{{recording}}"
    stream, control = viewer_websockets.websockify, viewer_websockets.control
    table = [
        web.get(f"{base}/", pages.index),
        web.get(f"{base}/enter", pages.enter),
        web.get(f"{base}/admin", pages.admin),
        web.get(f"{base}/console/{{instance}}", pages.console),
        web.get(f"{base}/replay/{{recording}}", pages.replay),
        web.get(f"{base}/static/{{path:.+}}", pages.static_file),
        web.get(f"{base}/api/v1/instances", api.instances),
        web.delete(f"{instance}/learned", api.forget),
        web.get(f"{instance}/screenshot", instances.screenshot, allow_head=False),
        web.get(f"{instance}/boot-log", boot_log.boot_log, allow_head=False),
        web.get(f"{instance}/power", instances.power_state),
        web.post(f"{instance}/power", instances.power),
        web.get(f"{base}/api/v1/consoles", api.consoles),
        web.delete(console, api.close_console),
        web.delete(f"{console}/viewers/{{id}}", api.close_viewer),
        web.get(f"{console}/admission", api.admission),
        web.get(f"{base}/api/v1/sessions", past_sessions.sessions, allow_head=False),
        web.get(f"{base}/api/v1/recordings", recordings.recordings, allow_head=False),
        web.get(recording, recordings.contents, allow_head=False),
        web.get(f"{recording}/blocks/{{number}}", recordings.block, allow_head=False),
        web.get(f"{recording}/file", recordings.download, allow_head=False),
        web.post(f"{base}/api/v1/tickets", api.issue_ticket),
        web.post(f"{base}/api/v1/session", api.log_in),
        web.delete(f"{base}/api/v1/session", api.log_out),
        web.get(f"{base}/websockify/{{instance}}", stream, allow_head=False),
        web.get(f"{base}/control/{{instance}}", control, allow_head=False),
        web.get(f"{base}/healthz", health.healthz),
        web.get(f"{base}/readyz", health.readyz),
        web.get(f"{base}/metrics", health.metrics),
    ]
    return [_checked(one, is_api=one.path.startswith(f"{base}/api/")) for one in table]


_PAST = ("user", "instance", "since", "until", "limit", "before")
_SOCKET = ("ticket", "view", "take", "ahead")
_QUERIES: dict[object, tuple[str, ...]] = {
    # `passed`: by another daemon of the cluster.
    pages.console: ("view", "take", "passed"),
    viewer_websockets.websockify: _SOCKET,
    viewer_websockets.control: (*_SOCKET, "language"),
    api.admission: ("view", "take"),
    instances.screenshot: ("wake", "thumbnail"),
    boot_log.boot_log: ("follow",),
    past_sessions.sessions: (*_PAST, "format"),
    recordings.recordings: _PAST,
    recordings.block: ("live",),
}
"""What a handler reads of its query; others read nothing."""
_ANY_QUERY = frozenset({pages.static_file, health.healthz, health.readyz, health.metrics})
"""Nobody wishes for anything there; probes and scrapers may add what they are configured to."""


def _checked(route: web.RouteDef, *, is_api: bool = False) -> web.RouteDef:
    """The route, refusing queries that have anything else than what its handler reads."""
    if route.handler in _ANY_QUERY:
        return route

    def let_in(request: web.Request) -> None:
        # Who logs in is a stranger yet, as is who sees a page; WebSockets have tickets.
        if is_api and route.handler is not api.log_in:
            door(request).identify(request)

    handler = with_query(route.handler, _QUERIES.get(route.handler, ()), let_in)
    return web.RouteDef(route.method, route.path, handler, route.kwargs)


class Server:
    """One door that listens, from `start` to `close`."""

    def __init__(
        self,
        listen: Listen,
        behind: Behind,
        tls: Callable[[], ssl.SSLContext | None],
        *,
        sock: socket.socket | None = None,
        refused: Callable[[str], None] = lambda word: None,
    ) -> None:
        """Nothing listens yet.

        Args:
            listen: The [[listen]] block.
            behind: What requests find.
            tls: Gives what `server_tls` made of the certificate in force, for each handshake; it
                is always None or never.
            sock: One that the service manager passed, whose place is its to remove.
            refused: Called with a word for each connection that isn't taken.
        """
        self._listen = listen
        self.behind = behind
        self._tls = tls
        self._sock = sock
        self._refused = refused
        # Half: aiohttp waits twice, for a handler's end and then for that of its cancellation.
        self._runner = web.AppRunner(
            application(behind),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=CLOSE_TIMEOUT_S / 2,
        )
        self._acceptor: Acceptor | None = None
        self._file: tuple[int, int] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            LocalError: The address can't be had.
        """
        sock = self._sock or _bound(self._listen)
        try:
            if sock.family != socket.AF_UNIX:
                self.port = sock.getsockname()[1]
            elif self._sock is None:
                self._file = _identity(Path(sock.getsockname()))
            await self._runner.setup()
            self._acceptor = Acceptor(sock, self._connection, tls=self._tls, refused=self._refused)
            self._listen_on(self._acceptor)
        except BaseException:
            sock.close()
            raise

    def _listen_on(self, acceptor: Acceptor) -> None:
        try:
            acceptor.start()
        except OSError as fault:
            raise _cannot_listen(self._listen, fault) from fault

    @property
    def limits(self) -> ConnectionLimits:
        """Its connections; for a door that was started."""
        assert self._acceptor is not None, "start comes first"
        return self._acceptor.limits

    def _connection(self, slot: Slot) -> Connection:
        server = self._runner.server
        assert server is not None, "start sets the runner up before anything listens"
        return Connection(
            server,
            slot,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_TIMEOUT_S,
            lingering_time=LINGERING_TIME_S,
            auto_decompress=False,
            access_log=_NO_ACCESS_LOG,
        )

    async def stop_listening(self) -> None:
        """Take no new connections; a Unix socket's file goes, if it is still this one's."""
        if self._acceptor is not None:
            self._acceptor.stop()
        address = self._listen.parsed_address
        # Compared first: a daemon that was started meanwhile may own the path already.
        if isinstance(address, UnixAddress) and self._file == _identity(address.path):
            address.path.unlink(missing_ok=True)
        self._file = None

    async def close(self) -> None:
        """End everything, within about twice `CLOSE_TIMEOUT_S`."""
        await self.stop_listening()
        if self._acceptor is not None:
            await self._acceptor.close()
        await self._runner.cleanup()
        # Now no request is left that could begin another session.
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SESSIONS_TIMEOUT_S):
                await self.behind.services.open_sockets.all_closed()
        await self.behind.sessions.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """Differs between two files of the same name; None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bound(listen: Listen) -> socket.socket:
    address = listen.parsed_address
    try:
        return (
            _bound_unix(listen, address)
            if isinstance(address, UnixAddress)
            else tcp_socket(address)
        )
    except OSError as fault:
        raise _cannot_listen(listen, fault) from fault


def _cannot_listen(listen: Listen, fault: OSError) -> LocalError:
    # Not a fault of the configuration: the next start may find the address free, or there.
    text = Text(
        "[[listen]] {name}: can't listen on {address}: {reason}",
        name=listen.name,
        address=listen.address,
        reason=fault.strerror or fault,
    )
    if fault.errno == errno.EADDRINUSE:
        text = Text("{problem}; is vncproxy running already?", problem=text)
    return LocalError(text)


def tcp_socket(address: TcpAddress) -> socket.socket:
    """A socket bound to this address; it doesn't listen yet.

    Raises:
        OSError: The address can't be had.
    """
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
        raise OSError(
            errno.ENOENT, Text("no group {group}", group=repr(listen.socket_group))
        ) from fault
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
        # A living daemon with many callers waiting must not hold up this one.
        probe.settimeout(_PROBE_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def server_tls(listen: Listen) -> ssl.SSLContext | None:
    """TLS for a door, None for one without.

    Raises:
        ConfigError: The certificate can't be used.
    """
    if listen.certificate is None or listen.key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # What else a system's OpenSSL may allow.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listen.certificate, listen.key)
    except (OSError, ssl.SSLError) as fault:
        raise ConfigError(
            [
                ConfigProblem(
                    f"[[listen]] {listen.name}",
                    "certificate",
                    Text(
                        "{certificate} and {key}, which don't load",
                        certificate=listen.certificate,
                        key=listen.key,
                    ),
                    Text("a PEM certificate and the key that belongs to it"),
                )
            ]
        ) from fault
    return context
