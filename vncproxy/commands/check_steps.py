"""What `vncproxy check` looks at, in this order: installation, state, doors, the cloud."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from urllib.parse import urlsplit

import aiohttp

from vncproxy.access.login_sessions import known_daemon_id
from vncproxy.addresses import TcpAddress, UnixAddress, is_shared
from vncproxy.aliyun.power import PowerAction
from vncproxy.cluster.cluster import cluster_of
from vncproxy.commands.daemon_client import another_daemon, base_url, daemon_at, is_listened_on
from vncproxy.commands.output import Finding, counted
from vncproxy.commands.permission import unknown_instance
from vncproxy.commands.reachability import CONNECT_TIMEOUT_S, endpoint_reached, gateway_reached
from vncproxy.config.load import Loaded
from vncproxy.config.model import Config, Listen
from vncproxy.config.paths import state_folder
from vncproxy.config.users_file import read_users
from vncproxy.errors import CloudError, VncproxyError
from vncproxy.instances.configured import instances_of
from vncproxy.instances.instance_list import ConsoleInstance, InstanceList
from vncproxy.service.cloud_client import Cloud, budget_of, cloud_of
from vncproxy.service.readiness import NO_INSTANCES
from vncproxy.service.state_folder import make_state_folder, recordings_of, records
from vncproxy.web import pages
from vncproxy.web.origin import LOOPBACK_NAMES, host_name
from vncproxy.web.server import tcp_socket
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


async def check_cloud(
    config: Config, cloud: Cloud, name: str | None
) -> AsyncGenerator[Finding, None]:
    """What a console needs of the cloud.

    Args:
        config: The settings: the region and the instances.
        cloud: Asked for credentials, instances and VncUrls.
        name: Alias or id of the one instance to check; None: all.
    """
    try:
        credentials = await cloud.credentials.get()
        yield Finding("credentials", True, f"found ({credentials.provider})")
    except CloudError as error:
        yield Finding("credentials", False, error.final_text)
        return
    try:
        configured = instances_of(config)
    except VncproxyError as error:
        yield Finding("instances", False, error.public_text)
        return
    for region in sorted({config.aliyun.region, *(one.region for one in configured)}):
        yield Finding(f"endpoint of {region}", *await endpoint_reached(cloud, region))
    discover_in = config.aliyun.discover_in
    inventory = InstanceList(configured, cloud.client, discover_in)
    wanted = await inventory.all()
    if inventory.problem is not None:
        yield _unlisted(inventory.problem, needed=bool(discover_in))
    if name is not None:
        found = await inventory.find(name)
        if found is None:
            yield await unknown_instance(name, inventory)
            return
        wanted = [found]
    if not wanted and discover_in and inventory.problem is None:
        none = f"none is configured, and the cloud shows none in {', '.join(discover_in)}"
        yield Finding("instances", False, none)
    power = config.aliyun.power or any(rule.power for rule in config.rule)
    for instance in wanted:
        async with aclosing(_instance(cloud, instance, power=power)) as findings:
            async for finding in findings:
                yield finding


def _unlisted(problem: CloudError, *, needed: bool) -> Finding:
    """A list that didn't come: only the permission for it may be missing, and only without need."""
    if needed or not problem.code.startswith("Forbidden"):
        return Finding("list of instances", False, problem.final_text)
    text = "not permitted, so names and states stay unknown; consoles don't need it"
    return Finding("list of instances", True, text)


async def _looking(cloud: Cloud, instance: ConsoleInstance) -> Finding:
    """Whether its picture and boot log can be had; a console needs neither."""
    what = f"{instance.alias} picture and boot log"
    try:
        permissions = await cloud.client.may_look(instance.id, instance.region)
    except CloudError as error:
        return Finding(what, False, error.final_text)
    missing = [f"ecs:{one.action}" for one in permissions if not one.granted]
    if missing:
        return Finding(what, True, f"not permitted ({', '.join(missing)}); consoles don't need it")
    return Finding(what, True, "permitted")


async def _power(cloud: Cloud, instance: ConsoleInstance) -> Finding:
    """Whether it can be started and stopped, which somebody may here; by dry runs."""
    what = f"{instance.alias} power"
    try:
        permissions = [
            await cloud.client.may_power(action, instance.id, instance.region)
            for action in PowerAction
        ]
    except CloudError as error:
        return Finding(what, False, error.final_text)
    refused = next((one for one in permissions if not one.granted), None)
    if refused is not None:
        return Finding(what, False, refused.text)
    return Finding(what, True, "start, stop and restart are permitted")


async def _instance(
    cloud: Cloud, instance: ConsoleInstance, *, power: bool
) -> AsyncGenerator[Finding, None]:
    if instance.status not in ("", "Running"):
        yield Finding(
            f"{instance.alias} status", False, f"{instance.status}; a console needs it Running"
        )
    try:
        permission = await cloud.client.may_open(instance.id, instance.region)
    except CloudError as error:
        yield Finding(f"{instance.alias} permission", False, error.final_text)
        return
    yield Finding(f"{instance.alias} permission", permission.granted, permission.text)
    if not permission.granted:
        return
    yield await _looking(cloud, instance)
    if power:
        yield await _power(cloud, instance)
    if instance.status not in ("", "Running"):
        return
    try:
        url = await cloud.client.vnc_url(instance.id, instance.region)
    except CloudError as error:
        yield Finding(f"{instance.alias} VncUrl", False, error.final_text)
        return
    yield Finding(f"{instance.alias} gateway", *await gateway_reached(cloud, url))
