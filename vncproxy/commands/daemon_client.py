"""The way from a command to the running daemon.

Its control socket, for its own account and root; else its Unix door, else the first TCP one.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import aiohttp
import msgspec

from vncproxy.access.login_sessions import known_daemon_id
from vncproxy.addresses import TcpAddress, UnixAddress
from vncproxy.config.model import Config, Listen
from vncproxy.config.paths import control_path, state_folder, token_path
from vncproxy.config.secrets import read_secret
from vncproxy.errors import TRY_LATER, AccessError, ConfigError, VncproxyError
from vncproxy.languages.text import Text
from vncproxy.web.health import DAEMON_HEADER

CALL_TIMEOUT_S = 30.0
PROBE_TIMEOUT_S = 2.0
_PAGE_ROWS = 1000
"""Of a list, in one answer: the most that the API gives."""
WEBSOCKET_MESSAGE_MAX_BYTES = 16 << 20
"""Of a message; the daemon's own have 64 KiB, but a gateway's frame may pass as it is."""
LINE_MAX_BYTES = 4 << 20
"""Of an answer that comes in lines: a boot log is much shorter."""
_DAEMON_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_SAYS_WHEN = re.compile(r"again in \d")
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a wildcard door is met


ClientWebSocket: TypeAlias = aiohttp.ClientWebSocketResponse


class NoDaemonError(VncproxyError):
    """No daemon answers."""


class WebSocketRefusedError(AccessError):
    """The daemon refused a WebSocket."""


@dataclass(frozen=True, slots=True)
class Download:
    """What a route gives that isn't JSON.

    Args:
        content: The file.
        content_type: Such as image/png.
        modified: Its Last-Modified, "" without one.
    """

    content: bytes
    content_type: str
    modified: str


class DaemonClient:
    """Calls of the daemon's JSON interface."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        headers: dict[str, str],
        door: str,
        access: str,
    ) -> None:
        """For `daemon_client` only.

        Args:
            session: Connects to the door; closed by the caller.
            base: What all addresses begin with, as "http://localhost", without a slash at the end.
            headers: Of each request.
            door: The address in error texts, as in the configuration.
            access: Kind of the door: "token", "peer" and so on.
        """
        self.access = access
        """Doors of this kind, and open ones, take the tickets that it gets."""
        self._session = session
        self._base = base
        self._door = door
        self._headers = headers

    async def call(
        self, method: str, path: str, body: Any = None, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> Any:
        """The JSON answer, None if it is empty.

        Args:
            method: HTTP's.
            path: With its query.
            body: Sent as JSON.
            timeout_s: For the whole of it.

        Raises:
            NoDaemonError: Nobody answers, or something else.
            AccessError: The daemon refused.
        """
        content, status, _ = await self._ask(method, path, body, timeout_s)
        if not content and status < 300:
            return None
        decoded = _decoded(content)
        if isinstance(decoded, dict) and status < 300:
            return decoded
        raise self._refusal(decoded, status)

    async def pages(
        self, path: str, query: Mapping[str, str], rows: str, most: int | None = None
    ) -> dict[str, Any]:
        """A list that comes in pages: the first answer, with the rows of those after it, and what
        may be missing of any: the least `read`, all `problems`.

        Args:
            path: Of the list.
            query: What is wanted of it.
            rows: Where the rows are in an answer.
            most: So many are enough; None: all.

        Raises:
            NoDaemonError, AccessError: As of `call`.
        """
        wanted = {**query, "limit": str(min(most or _PAGE_ROWS, _PAGE_ROWS))}
        answer: dict[str, Any] = await self.call("GET", f"{path}?{urlencode(wanted)}")
        more = answer["more"]
        while more and (most is None or len(answer[rows]) < most):
            wanted["before"] = more
            page = await self.call("GET", f"{path}?{urlencode(wanted)}")
            answer[rows] += page[rows]
            # The list may have been made anew meanwhile.
            answer["read"] = min(answer["read"], page["read"])
            answer["problems"] = list(dict.fromkeys(answer["problems"] + page["problems"]))
            more = page["more"]
        return answer

    async def download(self, path: str) -> Download:
        """What a route gives that isn't JSON.

        Raises:
            NoDaemonError: Nobody answers, or something else.
            AccessError: The daemon refused.
        """
        content, status, headers = await self._ask("GET", path, None, CALL_TIMEOUT_S)
        if status >= 300:
            raise self._refusal(_decoded(content), status)
        content_type = headers.get("Content-Type", "").partition(";")[0]
        return Download(content, content_type, headers.get("Last-Modified", ""))

    async def lines(
        self, path: str, *, patience_s: float
    ) -> AsyncIterator[dict[str, Any] | AccessError]:
        """The JSON objects that a route sends line by line, as they come, until it ends.

        Args:
            path: With its query.
            patience_s: For the next one, at most.

        Yields:
            Each object; of one with an `error` the refusal.

        Raises:
            NoDaemonError: Nobody answers, or something else, or the connection broke.
            AccessError: The daemon refused before the first.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=patience_s, sock_read=patience_s)
        try:
            async with self._session.get(
                self._base + path, headers=self._headers, allow_redirects=False, timeout=timeout
            ) as answer:
                if answer.status >= 300:
                    raise self._refusal(_decoded(await answer.read()), answer.status)
                rest = b""
                async for piece in answer.content.iter_any():
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        yield self._object(line)
                    if len(rest) > LINE_MAX_BYTES:
                        raise _no_daemon(self._door, answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise _nobody(self._door, fault) from fault

    def _object(self, line: bytes) -> dict[str, Any] | AccessError:
        decoded = _decoded(line)
        if not isinstance(decoded, dict):
            raise _no_daemon(self._door, 200)
        if not isinstance(error := decoded.get("error"), dict):
            return decoded
        refusal = self._refusal(decoded, int(error.get("status") or 0))
        assert isinstance(refusal, AccessError), "it has an error"
        return refusal

    async def websocket(self, path: str, protocols: tuple[str, ...] = ()) -> ClientWebSocket:
        """An open WebSocket, opened as a page opens it: with a ticket in its path, and an Origin.

        Raises:
            NoDaemonError: Nobody answers, or something else.
            WebSocketRefusedError: The daemon refused; the answer's body, which says why, is lost.
        """
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await self._session.ws_connect(
                    self._base + path,
                    headers=self._headers | {"Origin": self._base},
                    protocols=protocols,
                    max_msg_size=WEBSOCKET_MESSAGE_MAX_BYTES,
                )
        except aiohttp.WSServerHandshakeError as refusal:
            text = Text("The daemon refused the console (status {status}).", status=refusal.status)
            raise WebSocketRefusedError(refusal.status, "", text) from refusal
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise _nobody(self._door, fault) from fault

    async def _ask(
        self, method: str, path: str, body: Any, timeout_s: float
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            async with self._session.request(
                method,
                self._base + path,
                json=body,
                headers=self._headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as answer:
                return await answer.read(), answer.status, answer.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            raise _nobody(self._door, fault) from fault

    def _refusal(self, decoded: Any, status: int) -> VncproxyError:
        error = decoded.get("error") if isinstance(decoded, dict) else None
        if not isinstance(error, dict):
            return _no_daemon(self._door, status)
        text = Text("The daemon answered with status {status}.", status=status)
        if error.get("text"):
            text = Text(str(error["text"]))
        wait_s = error.get("retry_after_s")
        if not isinstance(wait_s, int | float):
            wait_s = None
        elif not _SAYS_WHEN.search(text):
            text = Text(
                "{refusal} Try again in {wait_s} s.",
                refusal=Text(text.removesuffix(TRY_LATER).rstrip()),
                wait_s=math.ceil(wait_s),
            )
        return AccessError(status, str(error.get("word", "")), text, wait_s)


def _decoded(content: bytes) -> Any:
    with suppress(msgspec.MsgspecError, RecursionError):
        return msgspec.json.decode(content)
    return None


async def daemon_at(http: aiohttp.ClientSession, base: str, **how: Any) -> tuple[str | None, int]:
    """The id of the daemon that answers there, None for another program, and the HTTP status.

    No secret is sent.

    Args:
        http: Connects to the door.
        base: The door's address, as "http://localhost", without a slash at the end.
        **how: More arguments of the request, for `aiohttp.ClientSession.get`.

    Raises:
        aiohttp.ClientError: Nothing answers, or something other than HTTP.
        OSError: The connection failed.
        TimeoutError: No answer came within the session's timeout.
    """
    async with http.get(f"{base}/healthz", allow_redirects=False, **how) as answer:
        found = answer.headers.get(DAEMON_HEADER, "")
        return (found if _DAEMON_ID.fullmatch(found) else None), answer.status


def another_daemon(theirs: str, own: str | None, state: Path) -> Text:
    """The problem of a daemon that isn't the configuration's own, in words."""
    mine = (
        Text("that of {state} is {own}", state=state, own=own)
        if own is not None
        else Text("none has run with {state}", state=state)
    )
    return Text(
        "another daemon is there: its id is {theirs}, {mine}; its state directory differs",
        theirs=theirs,
        mine=mine,
    )


async def _refuse_others(http: aiohttp.ClientSession, base: str, door: str, state: Path) -> None:
    """Let nobody else have the token. Raises: NoDaemonError."""
    try:
        theirs, status = await daemon_at(http, base)
    except (aiohttp.ClientError, OSError, TimeoutError) as fault:
        raise _nobody(door, fault) from fault
    if theirs is None:
        raise _no_daemon(door, status)
    try:
        own = known_daemon_id(state)
    except OSError:
        return
    if theirs != own:
        raise NoDaemonError(
            Text(
                "at {door} {problem}; look at address in [[listen]] and directory in [state]",
                door=door,
                problem=another_daemon(theirs, own, state),
            )
        )


def _nobody(door: str, fault: Exception) -> NoDaemonError:
    return NoDaemonError(
        Text(
            "no vncproxy daemon answers at {door} ({reason}); start it with: vncproxy serve",
            door=door,
            reason=_reason(fault),
        )
    )


def _no_daemon(door: str, status: int) -> NoDaemonError:
    return NoDaemonError(
        Text(
            "what answers at {door} is no vncproxy daemon (status {status}); look "
            "at [[listen]], and at what else uses this address",
            door=door,
            status=status,
        )
    )


def _reason(fault: Exception) -> str:
    if isinstance(fault, aiohttp.ClientConnectorCertificateError):
        return Text("its certificate isn't the configured one")
    if isinstance(fault, TimeoutError):
        return Text("no answer in time")
    system = fault.os_error if isinstance(fault, aiohttp.ClientConnectorError) else fault
    if isinstance(system, OSError) and system.errno:
        return os.strerror(system.errno).lower()
    return Text("the connection broke")


def base_url(listen: Listen) -> str | None:
    """The address of a TCP door as a browser on this machine would write it."""
    address = listen.parsed_address
    if not isinstance(address, TcpAddress):
        return None
    host = _ANY_ADDRESS.get(address.host, address.host)
    scheme = "https" if listen.certificate is not None else "http"
    return f"{scheme}://{TcpAddress(host, address.port)}"


def preferred_door(config: Config) -> Listen:
    """The door that commands use: a Unix one first, of those that let a command in."""
    doors = sorted(config.listen, key=lambda one: not isinstance(one.parsed_address, UnixAddress))
    return next((one for one in doors if _lets_commands_in(one)), doors[0])


def _lets_commands_in(listen: Listen) -> bool:
    if listen.access == "peer":
        # As an account root is nobody in particular there.
        return os.getuid() != 0
    return listen.access in ("token", "open")


@asynccontextmanager
async def daemon_client(config: Config, environ: Mapping[str, str]) -> AsyncIterator[DaemonClient]:
    """A client, as long as the block lasts.

    Raises:
        NoDaemonError: No daemon has made its token yet.
        ConfigError: The token can't be read.
    """
    control = await asyncio.to_thread(_control, config, environ)
    if control is not None:
        async with _session(aiohttp.UnixConnector(path=str(control))) as session:
            yield DaemonClient(session, "http://localhost", {}, f"unix:{control}", "token")
        return
    listen = preferred_door(config)
    headers = {}
    if listen.access == "token":
        path = token_path(config, state_folder(config, environ))
        if not _is_there(path):
            raise NoDaemonError(
                Text(
                    "no vncproxy daemon has run with this configuration: there is no token "
                    "at {path}; start it with: vncproxy serve",
                    path=path,
                )
            )
        token = read_secret(path)
        headers["Authorization"] = f"Bearer {token}"
    address = listen.parsed_address
    connector: aiohttp.BaseConnector
    if isinstance(address, UnixAddress):
        connector = aiohttp.UnixConnector(path=str(address.path))
        base = "http://localhost"
    else:
        connector = aiohttp.TCPConnector(ssl=_tls(listen))
        base = base_url(listen) or ""
    async with _session(connector) as session:
        if listen.access == "token" and config.access.token_file is None:
            # Where it is another's token, that daemon's state lies elsewhere, too.
            await _refuse_others(session, base, listen.address, state_folder(config, environ))
        yield DaemonClient(session, base, headers, listen.address, listen.access)


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _control(config: Config, environ: Mapping[str, str]) -> Path | None:
    """The daemon's control socket, if it runs and this account may use that."""
    try:
        path = control_path(state_folder(config, environ))
    except ConfigError:
        return None
    return path if is_listened_on(path, PROBE_TIMEOUT_S) else None


def is_listened_on(path: Path, timeout_s: float) -> bool:
    """Whether somebody takes connections at a Unix socket that this account may use. It blocks."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(timeout_s)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # In a folder that this user may not enter: reading it says so.
        return True


def _tls(listen: Listen) -> ssl.SSLContext | bool:
    if listen.certificate is None:
        return True
    # The door's own certificate is the one to expect; its names are those of the outside.
    context = ssl.create_default_context(cafile=str(listen.certificate))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Trusted as it is, also where the authority that signed it isn't in the file.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context
