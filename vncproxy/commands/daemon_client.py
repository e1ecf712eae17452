"""The way from a command to the running daemon: its Unix door first, else the first TCP one."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from vncproxy.config.address import TcpAddress, UnixAddress
from vncproxy.config.model import Config, Listen
from vncproxy.config.search import state_folder, token_path
from vncproxy.config.secrets import read_secret
from vncproxy.errors import AccessError, VncproxyError

CALL_TIMEOUT_S = 30.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a wildcard door is met


class NoDaemonError(VncproxyError):
    """No daemon answers."""


class DaemonClient:
    """Calls of the daemon's JSON interface."""

    def __init__(self, session: aiohttp.ClientSession, base: str, headers: dict[str, str]) -> None:
        """For `daemon_client` only."""
        self._session = session
        self._base = base
        self._headers = headers

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer, None if it is empty.

        Raises: NoDaemonError - nobody answers; AccessError - the daemon refused.
        """
        try:
            async with self._session.request(
                method, self._base + path, json=body, headers=self._headers, allow_redirects=False
            ) as answer:
                content = await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as fault:
            raise NoDaemonError(
                f"no vncproxy daemon answers at {self._base}; start it with: vncproxy serve"
            ) from fault
        try:
            decoded = msgspec.json.decode(content) if content else None
        except msgspec.MsgspecError:
            decoded = None
        if status >= 400:
            error = decoded.get("error", {}) if isinstance(decoded, dict) else {}
            text = error.get("text") or f"The daemon answered with status {status}."
            raise AccessError(status, error.get("word", ""), text)
        return decoded


def base_url(listen: Listen) -> str | None:
    """The address of a TCP door as a browser on this machine would write it."""
    address = listen.parsed_address
    if not isinstance(address, TcpAddress):
        return None
    host = _ANY_ADDRESS.get(address.host, address.host)
    scheme = "https" if listen.certificate is not None else "http"
    return f"{scheme}://{TcpAddress(host, address.port)}"


def preferred_door(config: Config) -> Listen:
    """The door that commands use."""
    unix = [one for one in config.listen if isinstance(one.parsed_address, UnixAddress)]
    return (unix or list(config.listen))[0]


@asynccontextmanager
async def daemon_client(config: Config, environ: Mapping[str, str]) -> AsyncIterator[DaemonClient]:
    """A client, as long as the block lasts. Raises: ConfigError - the token can't be read."""
    listen = preferred_door(config)
    headers = {}
    if listen.access == "token":
        token = read_secret(token_path(config, state_folder(config, environ)))
        headers["Authorization"] = f"Bearer {token}"
    address = listen.parsed_address
    connector: aiohttp.BaseConnector
    if isinstance(address, UnixAddress):
        connector = aiohttp.UnixConnector(path=str(address.path))
        base = "http://localhost"
    else:
        connector = aiohttp.TCPConnector(ssl=_tls(listen))
        base = base_url(listen) or ""
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield DaemonClient(session, base, headers)


def _tls(listen: Listen) -> ssl.SSLContext | bool:
    if listen.certificate is None:
        return True
    # The door's own certificate is the one to expect; its names are those of the outside.
    context = ssl.create_default_context(cafile=str(listen.certificate))
    context.check_hostname = False
    return context
