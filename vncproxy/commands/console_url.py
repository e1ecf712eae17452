"""What `vncproxy url` prints: a link to a console of the daemon, or to the cloud's own page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from vncproxy.aliyun.vncurl import VncUrl, official_page_url
from vncproxy.cluster.cluster import Cluster, cluster_of
from vncproxy.commands.daemon_client import DaemonClient, NoDaemonError, base_url, daemon_client
from vncproxy.config.model import Config, Listen
from vncproxy.config.paths import state_folder
from vncproxy.errors import AccessError, ConfigError, ConfigProblem, LedgerError, LocalError
from vncproxy.instances.configured import inventory_of
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.search import advice
from vncproxy.languages.text import Text
from vncproxy.service.cloud_client import Cloud, budget_of, cloud_of
from vncproxy.service.state_folder import make_state_folder
from vncproxy.throttle.ledger_interface import TooLong


async def console_url(
    config: Config, environ: Mapping[str, str], instance: str, base: str | None
) -> str:
    """A console's address with a single-use ticket, valid 60 s.

    Without one where no door takes it, since people prove there themselves who they are.

    Args:
        config: The daemon's.
        environ: The variables that lead to its state directory.
        instance: Alias or id.
        base: How the browser reaches the daemon; None: the first TCP door.

    Raises:
        ConfigError: There are Unix doors only, and no `base`.
        LocalError: No door has the path of `base`.
        NoDaemonError: None answers.
        AccessError: It refused.
    """
    async with daemon_client(config, environ) as daemon:
        # A ticket is good at doors of the kind that gave it only, and where everybody may enter.
        takers = [one for one in config.listen if one.access in (daemon.access, "open")]
        doors = takers or config.listen
        start = _start(doors, base)
        if takers:
            answer = await daemon.call("POST", "/api/v1/tickets", {"instance": instance})
            path = str(answer["path"])
        else:
            path = f"/console/{await _alias(daemon, instance)}"
    return start + path


def _start(doors: Sequence[Listen], base: str | None) -> str:
    """What the console's address begins with.

    Args:
        doors: Those that it is for.
        base: As given: with the path before the pages, or with none, which is added.

    Raises:
        ConfigError: There is no TCP door among them, and no `base`.
        LocalError: No door has the path of `base`, so its pages would lead elsewhere.
    """
    if base is None:
        found = next((url + one.base_path for one in doors if (url := base_url(one))), None)
        if found is None:
            raise ConfigError(
                [ConfigProblem("[[listen]]", "address", "Unix doors only", "--base-url with this")]
            )
        return found
    start = base.rstrip("/")
    path = urlsplit(start).path
    if not path:
        return start + doors[0].base_path
    if path not in {one.base_path for one in doors}:
        raise LocalError(
            Text(
                "--base-url has the path {path}, which no [[listen]] block has: set "
                'base_path = "{path2}" there, and restart vncproxy',
                path=path,
                path2=path,
            )
        )
    return start


async def _alias(daemon: DaemonClient, instance: str) -> str:
    rows = (await daemon.call("GET", "/api/v1/instances"))["instances"]
    for row in rows:
        if instance in (row["alias"], row["id"]):
            return str(row["alias"])
    named = [row for row in rows if instance and row["name"] == instance]
    if len(named) == 1:
        return str(named[0]["alias"])
    raise AccessError(
        404,
        "unknown-instance",
        Text("no instance {instance} is configured", instance=instance),
    )


async def official_url(
    config: Config,
    environ: Mapping[str, str],
    name: str,
    *,
    force: bool,
    with_password: bool,
    announce: Callable[[str], None],
) -> str:
    """The address of the cloud's own page. It takes a permit, since opening it is a connection.

    Args:
        config: The daemon's.
        environ: The variables with the credentials, and those that lead to the ledger.
        name: Of the instance.
        force: Also while the console is open here, which ends it or is refused by the cloud.
        with_password: With the VNC password in it.
        announce: Called with a line about a wait.

    Raises:
        AccessError: There is no such instance.
        LocalError: The console is open, no permit can be had in time, or there is no password.
        CloudError: The cloud refused, or can't be reached.
        LedgerError: The ledger can't be written.
        ConfigError: A setting can't be used.
    """
    if config.throttle.store == "memory":
        raise LedgerError(
            Text(
                "the ledger is in the daemon's memory ([throttle] store), so this "
                "command can't book a permit in it"
            )
        )
    async with cloud_of(config, environ) as cloud:
        inventory = inventory_of(config, cloud.client)
        instance = await inventory.find(name)
        if instance is None:
            text = Text("No instance {name} is configured.", name=name)
            if more := await advice(name, inventory.known):
                text = Text("No instance {name} is configured. {advice}", name=name, advice=more)
            raise AccessError(404, "unknown-instance", text)
        if not force and await _is_open(config, environ, instance):
            raise LocalError(
                Text(
                    "the console of {alias} is open here and the cloud allows one at a "
                    "time; close it first, or say --force",
                    alias=instance.alias,
                )
            )
        if with_password and instance.password is None:
            raise LocalError(
                Text("no password_file is configured for {alias}", alias=instance.alias)
            )
        state = state_folder(config, environ)
        make_state_folder(state, beside=True)
        cluster = cluster_of(config.throttle, lambda: budget_of(config), state)
        try:
            if not force and (owner := await cluster.ownership.owner(instance.id)) is not None:
                raise LocalError(Text("{refusal} Or say --force.", refusal=owner.refusal().text))
            url = await _fetched(cloud, cluster, instance, config.limits.max_wait, announce)
        finally:
            await cluster.ledger.close()
        return official_page_url(
            config.aliyun.official_page,
            url,
            instance.id,
            windows=instance.windows,
            password=instance.password if with_password else None,
        )


async def _fetched(
    cloud: Cloud,
    cluster: Cluster,
    instance: ConsoleInstance,
    max_wait_s: float,
    announce: Callable[[str], None],
) -> VncUrl:
    """A fresh VncUrl, for which a permit is spent; none is lost where none comes."""
    ledger = cluster.ledger
    booking = await ledger.book(instance.id, max_wait_s)
    if isinstance(booking, TooLong):
        raise LocalError(
            Text(
                "{alias} was opened too often in the last minute; the next time is in {wait_s} s",
                alias=instance.alias,
                wait_s=f"{booking.wait_s:.0f}",
            )
        )
    if booking.wait_s > 0:
        announce(
            Text("waiting {wait_s} s for the reconnect budget", wait_s=f"{booking.wait_s:.0f}")
        )
        await asyncio.sleep(booking.wait_s)
    spent = False
    try:
        url = await cloud.client.vnc_url(instance.id, instance.region)
        spent = await ledger.spend(booking)
    finally:
        if not spent:
            await ledger.cancel(booking)
    if not spent:
        raise LocalError(Text("the permit to connect lapsed while the cloud was asked; try again"))
    return url


async def _is_open(config: Config, environ: Mapping[str, str], instance: ConsoleInstance) -> bool:
    try:
        async with daemon_client(config, environ) as daemon:
            answer = await daemon.call("GET", "/api/v1/consoles")
    except NoDaemonError:
        return False
    return any(row["instance"] == instance.id for row in answer["consoles"])
