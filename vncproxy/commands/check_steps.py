"""What `vncproxy check` looks at, in this order: installation, state, doors, the cloud."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import reduce
from urllib.parse import urlsplit

import aiohttp

from vncproxy.access.login_sessions import known_daemon_id
from vncproxy.addresses import TcpAddress, UnixAddress, is_shared
from vncproxy.aliyun.power import PowerAction
from vncproxy.cluster.cluster import cluster_of
from vncproxy.commands.daemon_client import another_daemon, base_url, daemon_at, is_listened_on
from vncproxy.commands.output import Finding
from vncproxy.commands.permission import unknown_instance
from vncproxy.commands.reachability import CONNECT_TIMEOUT_S, endpoint_reached, gateway_reached
from vncproxy.config.load import Loaded
from vncproxy.config.model import Config, Listen
from vncproxy.config.paths import state_folder
from vncproxy.config.users_file import read_users
from vncproxy.errors import CloudError, VncproxyError
from vncproxy.instances.configured import instances_of
from vncproxy.instances.instance_list import ConsoleInstance, InstanceList
from vncproxy.languages.text import Text, counted
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
    yield Finding(
        Text("configuration"),
        True,
        str(loaded.path) if loaded.path else Text("none found, so the defaults"),
    )
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
        yield Finding(Text("instances"), False, Text(NO_INSTANCES))
    try:
        async with (
            cloud_of(config, environ) as cloud,
            aclosing(check_cloud(config, cloud, name)) as findings,
        ):
            async for finding in findings:
                yield finding
    except VncproxyError as error:
        yield Finding(Text("cloud settings"), False, error.text)


def _page() -> Finding:
    if pages.is_complete():
        return Finding(Text("page"), True, Text("noVNC is packed in"))
    return Finding(
        Text("page"), False, Text("noVNC is missing from this installation; install it again")
    )


def _people(config: Config) -> Finding:
    """Whether anybody may do anything at doors that know their users."""
    if not config.rule:
        return Finding(
            Text("rules"), False, Text("there is no [[rule]], so nobody may open anything there")
        )
    rules = counted(len(config.rule), "{count} rule", "{count} rules")
    if all(listen.access != "users" for listen in config.listen):
        return Finding(Text("rules"), True, rules)
    users = read_users(config.access.users_file) if config.access.users_file is not None else ()
    if not users:
        return Finding(
            Text("rules"),
            False,
            Text("{rules}, but no users; see `vncproxy user add`", rules=rules),
        )
    return Finding(
        Text("rules"), True, Text("{rules}; {users} in users_file", rules=rules, users=len(users))
    )


def _passing_on(config: Config) -> Finding:
    """Whether pages can go on to other daemons, and theirs come here."""
    what, throttle = Text("passing on"), config.throttle
    wrong = []
    if not is_shared(throttle.store):
        wrong.append(
            Text("without a shared store no other daemon is known: set store to valkey://…")
        )
    if not throttle.url:
        wrong.append(Text("without url under [throttle] the others' pages can't come here"))
    elif host_name(urlsplit(throttle.url).netloc) not in _own_hosts(config):
        wrong.append(
            Text("the host of url isn't among allowed_hosts under [access], so it is refused")
        )
    if not config.access.allowed_origins:
        wrong.append(
            Text(
                "add the others' url to allowed_origins under [access]: who comes by a "
                "page of theirs is refused without"
            )
        )
    if wrong:
        problems = reduce(
            lambda before, one: Text("{before}; {one}", before=before, one=one), wrong
        )
        return Finding(what, False, Text("pass_on is set, but {problems}", problems=problems))
    return Finding(
        what,
        True,
        Text("pages go on to the daemon that has the console, or to {url}", url=throttle.url),
    )


def _own_hosts(config: Config) -> set[str | None]:
    addresses = (listen.parsed_address for listen in config.listen)
    own = {address.host.lower() for address in addresses if isinstance(address, TcpAddress)}
    return {*LOOPBACK_NAMES, *own, *(host.lower() for host in config.access.allowed_hosts)}


def _native_viewers() -> Finding:
    """Whether the ports of native viewers know whom the rules let in."""
    if knows_owners():
        return Finding(Text("native viewers"), True, Text("the kernel says which account connects"))
    return Finding(
        Text("native viewers"),
        False,
        Text(
            "the kernel doesn't say which account connects, and there are rules: "
            "so nobody gets in by tcp_port. Let the daemon use netlink sockets "
            "(AF_NETLINK), or read /proc/net/tcp"
        ),
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
        return Finding(Text("state and ledger"), False, error.text)
    if degraded is not None:
        return Finding(Text("state and ledger"), False, Text(degraded))
    text = Text("{folder} can be written", folder=folder)
    if is_shared(config.throttle.store):
        text = Text("{folder} can be written, and so can the store of [throttle]", folder=folder)
    if (owner := folder.stat().st_uid) not in (0, os.geteuid()):
        text = Text(
            "{text}; the daemon has to run as uid {owner}, to whom it belongs",
            text=text,
            owner=owner,
        )
    return Finding(Text("state and ledger"), True, text)


async def _recordings(config: Config, environ: Mapping[str, str]) -> Finding:
    try:
        recordings = recordings_of(config, state_folder(config, environ))
        # Making room is the daemon's, which notes it in the audit.
        await recordings.probe()
    except VncproxyError as error:
        return Finding(Text("recordings"), False, error.text)
    return Finding(
        Text("recordings"), True, Text("{path} can be written", path=recordings.folder.path)
    )


async def check_door(listen: Listen, config: Config, environ: Mapping[str, str]) -> Finding:
    """Whether a daemon could listen there, or this configuration's does already."""
    what = Text("door {name}", name=listen.name)
    address = listen.parsed_address
    if isinstance(address, UnixAddress):
        found = await _daemon_at("http://localhost", aiohttp.UnixConnector(str(address.path)))
        if found is not None:
            return _whose(listen, found, config, environ)
        if await asyncio.to_thread(is_listened_on, address.path, CONNECT_TIMEOUT_S):
            text = Text(
                "another program listens on {address}; choose another path", address=listen.address
            )
            return Finding(what, False, text)
        folder = address.path.parent
        if os.access(folder, os.W_OK | os.X_OK):
            return Finding(what, True, Text("{address} can be made", address=listen.address))
        return Finding(
            what, False, Text("{folder} isn't a folder that this user may write to", folder=folder)
        )
    try:
        tcp_socket(address).close()
    except OSError as fault:
        if fault.errno != errno.EADDRINUSE:
            text = Text("{address}: {reason}", address=listen.address, reason=fault.strerror)
            return Finding(what, False, text)
    else:
        return Finding(what, True, Text("{address} is free", address=listen.address))
    found = await _daemon_at(base_url(listen) or "")
    if found is not None:
        return _whose(listen, found, config, environ)
    return Finding(
        what,
        False,
        Text("another program listens on {address}; choose another port", address=listen.address),
    )


def _whose(listen: Listen, theirs: str, config: Config, environ: Mapping[str, str]) -> Finding:
    """Whether the daemon that listens, whose id is `theirs`, is this configuration's."""
    what = Text("door {name}", name=listen.name)
    state = state_folder(config, environ)
    try:
        own = known_daemon_id(state)
    except OSError as fault:
        why = Text(
            "whether it is this one's can't be told: {state}: {reason}",
            state=state,
            reason=fault.strerror,
        )
        return Finding(
            what,
            True,
            Text("a daemon listens on {address}; {why}", address=listen.address, why=why),
        )
    if theirs == own:
        return Finding(what, True, Text("a daemon listens on {address}", address=listen.address))
    text = Text(
        "{address}: {other}", address=listen.address, other=another_daemon(theirs, own, state)
    )
    # People have such a configuration for their commands, without a state of its own.
    if own is None and (listen.access == "peer" or config.access.token_file is not None):
        return Finding(what, True, text)
    return Finding(
        what, False, Text("{text}; choose another address, or correct [state] directory", text=text)
    )


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
        yield Finding(
            Text("credentials"), True, Text("found ({provider})", provider=credentials.provider)
        )
    except CloudError as error:
        yield Finding(Text("credentials"), False, error.final_text)
        return
    try:
        configured = instances_of(config)
    except VncproxyError as error:
        yield Finding(Text("instances"), False, error.text)
        return
    for region in sorted({config.aliyun.region, *(one.region for one in configured)}):
        yield Finding(
            Text("endpoint of {region}", region=region), *await endpoint_reached(cloud, region)
        )
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
        none = Text(
            "none is configured, and the cloud shows none in {discover_in}",
            discover_in=", ".join(discover_in),
        )
        yield Finding(Text("instances"), False, none)
    power = config.aliyun.power or any(rule.power for rule in config.rule)
    for instance in wanted:
        async with aclosing(_instance(cloud, instance, power=power)) as findings:
            async for finding in findings:
                yield finding


def _unlisted(problem: CloudError, *, needed: bool) -> Finding:
    """A list that didn't come: only the permission for it may be missing, and only without need."""
    if needed or not problem.code.startswith("Forbidden"):
        return Finding(Text("list of instances"), False, problem.final_text)
    text = Text("not permitted, so names and states stay unknown; consoles don't need it")
    return Finding(Text("list of instances"), True, text)


async def _looking(cloud: Cloud, instance: ConsoleInstance) -> Finding:
    """Whether its picture and boot log can be had; a console needs neither."""
    what = Text("{alias} picture and boot log", alias=instance.alias)
    try:
        permissions = await cloud.client.may_look(instance.id, instance.region)
    except CloudError as error:
        return Finding(what, False, error.final_text)
    missing = [f"ecs:{one.action}" for one in permissions if not one.granted]
    if missing:
        return Finding(
            what,
            True,
            Text("not permitted ({missing}); consoles don't need it", missing=", ".join(missing)),
        )
    return Finding(what, True, Text("permitted"))


async def _power(cloud: Cloud, instance: ConsoleInstance) -> Finding:
    """Whether it can be started and stopped, which somebody may here; by dry runs."""
    what = Text("{alias} power", alias=instance.alias)
    try:
        permissions = [
            await cloud.client.may_power(action, instance.id, instance.region)
            for action in PowerAction
        ]
    except CloudError as error:
        return Finding(what, False, error.final_text)
    refused = next((one for one in permissions if not one.granted), None)
    if refused is not None:
        return Finding(what, False, Text(refused.text))
    return Finding(what, True, Text("start, stop and restart are permitted"))


async def _instance(
    cloud: Cloud, instance: ConsoleInstance, *, power: bool
) -> AsyncGenerator[Finding, None]:
    if instance.status not in ("", "Running"):
        yield Finding(
            Text("{alias} status", alias=instance.alias),
            False,
            Text("{status}; a console needs it Running", status=Text(instance.status)),
        )
    try:
        permission = await cloud.client.may_open(instance.id, instance.region)
    except CloudError as error:
        yield Finding(Text("{alias} permission", alias=instance.alias), False, error.final_text)
        return
    yield Finding(
        Text("{alias} permission", alias=instance.alias), permission.granted, Text(permission.text)
    )
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
        yield Finding(Text("{alias} VncUrl", alias=instance.alias), False, error.final_text)
        return
    yield Finding(Text("{alias} gateway", alias=instance.alias), *await gateway_reached(cloud, url))
