"""What `vncproxy check` looks at, in its order: the installation, its state, its doors, the cloud.

See `door_checks` and `cloud_checks` for those.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from urllib.parse import urlsplit

from vncproxy.cluster.cluster import cluster_of
from vncproxy.commands.cloud_checks import check_cloud
from vncproxy.commands.door_checks import check_door
from vncproxy.commands.finding import Finding
from vncproxy.commands.formatting import counted
from vncproxy.config.addresses import TcpAddress, is_shared
from vncproxy.config.load import Loaded
from vncproxy.config.model import Config
from vncproxy.config.paths import state_folder
from vncproxy.config.users_file import read_users
from vncproxy.errors import VncproxyError
from vncproxy.service.cloud import budget_of, cloud_of
from vncproxy.service.startup_warnings import NO_INSTANCES
from vncproxy.service.state_folder import make_state_folder, recordings_of, records
from vncproxy.web import pages
from vncproxy.web.origin import LOOPBACK_NAMES, host_name
from vncproxy.websocket.peer_account import knows_owners


async def check(
    loaded: Loaded, environ: Mapping[str, str], name: str | None
) -> AsyncGenerator[Finding, None]:
    """Look at everything, or what one instance needs; nothing is dialled, no permit is used.

    Args:
        loaded: The configuration, and the file that it is from.
        environ: The variables that a daemon would have.
        name: An instance's alias, id or name; None: all.
    """
    config = loaded.config
    yield Finding("configuration", True, str(loaded.path or "none found, so the defaults"))
    yield _page()
    yield await _state(config, environ)
    if records(config):
        yield await _recordings(config, environ)
    if config.throttle.pass_on:
        yield _passing_on(config)
    for listen in config.listen:
        yield await check_door(listen, config, environ)
    if any(listen.access not in ("token", "open") for listen in config.listen):
        yield _people(config)
    if config.rule and any(one.tcp_port is not None for one in config.instance):
        yield _native_viewers()
    if not config.instance and not config.aliyun.discover:
        # Also where there are no credentials: a newcomer needs both.
        yield Finding("instances", False, NO_INSTANCES)
    try:
        async with (
            cloud_of(config, environ) as cloud,
            aclosing(check_cloud(config, cloud, name)) as findings,
        ):
            async for finding in findings:
                yield finding
    except VncproxyError as error:
        yield Finding("cloud settings", False, error.public_text)


def _page() -> Finding:
    if pages.is_complete():
        return Finding("page", True, "noVNC is packed in")
    return Finding("page", False, "noVNC is missing from this installation; install it again")


def _people(config: Config) -> Finding:
    """Whether anybody may do anything at doors that know their users."""
    if not config.rule:
        return Finding("rules", False, "there is no [[rule]], so nobody may open anything there")
    rules = counted(len(config.rule), "rule")
    if all(listen.access != "users" for listen in config.listen):
        return Finding("rules", True, rules)
    users = read_users(config.access.users_file) if config.access.users_file is not None else ()
    if not users:
        return Finding("rules", False, f"{rules}, but no users; see `vncproxy user add`")
    return Finding("rules", True, f"{rules}; {len(users)} in users_file")


def _passing_on(config: Config) -> Finding:
    """Whether pages can go on to other daemons, and theirs come here."""
    what, throttle = "passing on", config.throttle
    wrong = []
    if not is_shared(throttle.store):
        wrong.append("without a shared store no other daemon is known: set store to valkey://…")
    if not throttle.url:
        wrong.append("without url under [throttle] the others' pages can't come here")
    elif host_name(urlsplit(throttle.url).netloc) not in _own_hosts(config):
        wrong.append("the host of url isn't among allowed_hosts under [access], so it is refused")
    if not config.access.allowed_origins:
        wrong.append(
            "add the others' url to allowed_origins under [access]: who comes by a page "
            "of theirs is refused without"
        )
    if wrong:
        return Finding(what, False, f"pass_on is set, but {'; '.join(wrong)}")
    return Finding(
        what, True, f"pages go on to the daemon that has the console, or to {throttle.url}"
    )


def _own_hosts(config: Config) -> set[str | None]:
    addresses = (listen.parsed_address for listen in config.listen)
    own = {address.host.lower() for address in addresses if isinstance(address, TcpAddress)}
    return {*LOOPBACK_NAMES, *own, *(host.lower() for host in config.access.allowed_hosts)}


def _native_viewers() -> Finding:
    """Whether the ports of native viewers know whom the rules let in."""
    if knows_owners():
        return Finding("native viewers", True, "the kernel says which account connects")
    return Finding(
        "native viewers",
        False,
        "the kernel doesn't say which account connects, and there are rules: so nobody gets in by "
        "tcp_port. Let the daemon use netlink sockets (AF_NETLINK), or read /proc/net/tcp",
    )


async def _state(config: Config, environ: Mapping[str, str]) -> Finding:
    try:
        folder = state_folder(config, environ)
        make_state_folder(folder, beside=True)
        cluster = cluster_of(config.throttle, lambda: budget_of(config), folder)
        try:
            await cluster.ledger.check_writable()
            degraded = cluster.degraded
        finally:
            await cluster.ledger.close()
    except VncproxyError as error:
        return Finding("state and ledger", False, error.public_text)
    if degraded is not None:
        return Finding("state and ledger", False, degraded)
    shared = ", and so can the store of [throttle]" if is_shared(config.throttle.store) else ""
    text = f"{folder} can be written{shared}"
    if (owner := folder.stat().st_uid) not in (0, os.geteuid()):
        text = f"{text}; the daemon has to run as uid {owner}, to whom it belongs"
    return Finding("state and ledger", True, text)


async def _recordings(config: Config, environ: Mapping[str, str]) -> Finding:
    try:
        recordings = recordings_of(config, state_folder(config, environ))
        # Making room is the daemon's, which notes it in the audit.
        await recordings.probe()
    except VncproxyError as error:
        return Finding("recordings", False, error.public_text)
    return Finding("recordings", True, f"{recordings.folder.path} can be written")
