"""`vncproxy url`: a link to a console; or, officially, the cloud's own page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from vncproxy.aliyun.vncurl import official_page_url
from vncproxy.cluster.cluster import bastion_of
from vncproxy.commands.daemon_client import (
    DaemonClient,
    NoDaemonError,
    base_url,
    daemon_client,
)
from vncproxy.config.model import Config
from vncproxy.config.paths import state_folder
from vncproxy.console.instances import ConsoleInstance
from vncproxy.errors import AccessError, ConfigError, ConfigProblem, LedgerError, LocalError
from vncproxy.service.cloud import budget_of, cloud_of
from vncproxy.service.instances import inventory_of
from vncproxy.service.state import make_state_folder
from vncproxy.throttle.ledger import TooLong


async def console_url(
    config: Config, environ: Mapping[str, str], instance: str, base: str | None
) -> str:
    """A console's address with a single-use ticket, valid 60 s.

    Without one where no door takes it, since people prove there themselves who they are.
    Args: base - how the browser reaches the daemon; None: the first TCP door.
    Raises: ConfigError, NoDaemonError, AccessError.
    """
    async with daemon_client(config, environ) as daemon:
        # A ticket is good at doors of the kind that gave it only, and where everybody may enter.
        takers = [one for one in config.listen if one.access in (daemon.access, "open")]
        doors = takers or config.listen
        start = base or next((url for one in doors if (url := base_url(one))), None)
        if start is None:
            raise ConfigError(
                [ConfigProblem("[[listen]]", "address", "Unix doors only", "--base-url with this")]
            )
        if takers:
            answer = await daemon.call("POST", "/api/v1/tickets", {"instance": instance})
            path = str(answer["path"])
        else:
            path = f"/console/{await _alias(daemon, instance)}"
    return start.rstrip("/") + path


async def _alias(daemon: DaemonClient, instance: str) -> str:
    rows = (await daemon.call("GET", "/api/v1/instances"))["instances"]
    for row in rows:
        if instance in (row["alias"], row["id"]):
            return str(row["alias"])
    raise AccessError(404, "unknown-instance", f"no instance {instance} is configured")


async def official_url(
    config: Config,
    environ: Mapping[str, str],
    name: str,
    *,
    force: bool,
    with_password: bool,
    say: Callable[[str], None],
) -> str:
    """The cloud's own page with a fresh VncUrl: the one place where secrets are printed on purpose.

    It takes a permit like any dial, since opening the page is one. Args: force - also while the
    console is open here, which ends it or is refused by the cloud; say - tells of a wait.
    Raises: ConfigError, AccessError, CloudError, LedgerError, LocalError.
    """
    if config.throttle.store == "memory":
        raise LedgerError(
            "the ledger is in the daemon's memory ([throttle] store), so this command can't book a "
            "permit in it"
        )
    async with cloud_of(config, environ) as cloud:
        aliyun = config.aliyun
        inventory = inventory_of(config, cloud.client)
        instance = await inventory.find(name)
        if instance is None:
            raise AccessError(404, "unknown-instance", f"no instance {name} is configured")
        if not force and await _is_open(config, environ, instance):
            raise LocalError(
                f"the console of {instance.alias} is open here and the cloud allows one at a time; "
                "close it first, or say --force"
            )
        if with_password and instance.password is None:
            raise LocalError(f"no password_file is configured for {instance.alias}")
        state = state_folder(config, environ)
        make_state_folder(state, beside=True)
        bastion = bastion_of(config.throttle, budget_of(config), state)
        ledger = bastion.ledger
        try:
            if not force and (owner := await bastion.ownership.owner(instance.id)) is not None:
                raise LocalError(f"{owner.refusal().public_text} Or say --force.")
            booking = await ledger.book(instance.id, config.limits.max_wait)
            if isinstance(booking, TooLong):
                raise LocalError(
                    f"{instance.alias} was opened too often in the last minute; "
                    f"the next time is in {booking.wait_s:.0f} s"
                )
            if booking.wait_s > 0:
                say(f"waiting {booking.wait_s:.0f} s for the reconnect budget")
                await asyncio.sleep(booking.wait_s)
            spent = False
            try:
                url = await cloud.client.vnc_url(instance.id, instance.region)
                spent = await ledger.spend(booking)
            finally:
                if not spent:
                    await ledger.cancel(booking)
            if not spent:
                raise LocalError(
                    "the permit to connect lapsed while the cloud was asked; try again"
                )
        finally:
            await ledger.close()
        return official_page_url(
            aliyun.official_page,
            url,
            instance.id,
            windows=instance.windows,
            password=instance.password if with_password else None,
        )


async def _is_open(config: Config, environ: Mapping[str, str], instance: ConsoleInstance) -> bool:
    try:
        async with daemon_client(config, environ) as daemon:
            answer = await daemon.call("GET", "/api/v1/consoles")
    except NoDaemonError:
        return False
    return any(row["instance"] == instance.id for row in answer["consoles"])
