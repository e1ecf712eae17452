"""`vncproxy check`: whether a daemon could listen at a door, or which one does already."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping

import aiohttp

from vncproxy.access.login_sessions import known_daemon_id
from vncproxy.commands.daemon_client import another_daemon, base_url, daemon_at, is_listened_on
from vncproxy.commands.finding import Finding
from vncproxy.commands.reachability import CONNECT_TIMEOUT_S
from vncproxy.config.addresses import UnixAddress
from vncproxy.config.model import Config, Listen
from vncproxy.config.paths import state_folder
from vncproxy.web.server import tcp_socket


async def check_door(listen: Listen, config: Config, environ: Mapping[str, str]) -> Finding:
    """Whether a daemon could listen there, or this configuration's does already."""
    what = f"door {listen.name}"
    address = listen.parsed_address
    if isinstance(address, UnixAddress):
        found = await _daemon_at("http://localhost", aiohttp.UnixConnector(str(address.path)))
        if found is not None:
            return _whose(listen, found, config, environ)
        if await asyncio.to_thread(is_listened_on, address.path, CONNECT_TIMEOUT_S):
            text = f"another program listens on {listen.address}; choose another path"
            return Finding(what, False, text)
        folder = address.path.parent
        if os.access(folder, os.W_OK | os.X_OK):
            return Finding(what, True, f"{listen.address} can be made")
        return Finding(what, False, f"{folder} isn't a folder that this user may write to")
    try:
        tcp_socket(address).close()
    except OSError as fault:
        if fault.errno != errno.EADDRINUSE:
            return Finding(what, False, f"{listen.address}: {fault.strerror}")
    else:
        return Finding(what, True, f"{listen.address} is free")
    found = await _daemon_at(base_url(listen) or "")
    if found is not None:
        return _whose(listen, found, config, environ)
    return Finding(what, False, f"another program listens on {listen.address}; choose another port")


def _whose(listen: Listen, theirs: str, config: Config, environ: Mapping[str, str]) -> Finding:
    """Whether the daemon that listens, whose id is `theirs`, is this configuration's."""
    what = f"door {listen.name}"
    state = state_folder(config, environ)
    try:
        own = known_daemon_id(state)
    except OSError as fault:
        why = f"whether it is this one's can't be told: {state}: {fault.strerror}"
        return Finding(what, True, f"a daemon listens on {listen.address}; {why}")
    if theirs == own:
        return Finding(what, True, f"a daemon listens on {listen.address}")
    text = f"{listen.address}: {another_daemon(theirs, own, state)}"
    # People have such a configuration for their commands, without a state of its own.
    if own is None and (listen.access == "peer" or config.access.token_file is not None):
        return Finding(what, True, text)
    return Finding(what, False, f"{text}; choose another address, or correct [state] directory")


async def _daemon_at(base: str, connector: aiohttp.BaseConnector | None = None) -> str | None:
    timeout = aiohttp.ClientTimeout(total=CONNECT_TIMEOUT_S)
    jar = aiohttp.DummyCookieJar()
    try:
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=jar
        ) as http:
            # No secret is sent, so that it doesn't matter whose certificate it is.
            return (await daemon_at(http, base, ssl=False))[0]
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
