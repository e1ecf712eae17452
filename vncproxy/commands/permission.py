"""`vncproxy check --as`: what somebody may do, and the rule that decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from vncproxy.commands.check import Finding
from vncproxy.config.model import Config, Listen
from vncproxy.errors import VncproxyError
from vncproxy.service.cloud import cloud_of
from vncproxy.service.instances import inventory_of
from vncproxy.web.authority import Authority
from vncproxy.web.identity import ANYONE, Identity
from vncproxy.web.rules import Decision
from vncproxy.web.users import Users

_OWNER_ONLY = 'every door has access = "token": whoever has the token may do everything'


async def permissions(
    config: Config,
    environ: Mapping[str, str],
    user: str,
    name: str | None,
    at: datetime | None = None,
) -> AsyncIterator[Finding]:
    """What a user may do with an instance, or with each, through each door that names users.

    The same name may be somebody else at doors of another kind. Nothing is asked of the cloud but
    tags that a rule is about, and instances that aren't configured. Args: at - local time; default:
    now.
    """
    doors = [one for one in config.listen if one.access != "token"]
    ports = {one.id: one.tcp_port for one in config.instance if one.tcp_port is not None}
    if not doors and not ports:
        yield Finding(user, False, _OWNER_ONLY)
        return
    try:
        authority = Authority(config.rule, Users(config.access.users_file))
        async with cloud_of(config, environ) as cloud:
            inventory = inventory_of(config, cloud.client)
            if authority.need_tags or (name is None and config.aliyun.discover_in):
                await inventory.all()
                if inventory.problem is not None:
                    yield Finding("list of instances", False, inventory.problem.public_text)
            if name is not None:
                found = await inventory.find(name)
                wanted = [found] if found is not None else []
                if found is None:
                    yield Finding(name, False, "no instance of this alias or id is configured")
            else:
                wanted = inventory.known
            for instance in wanted:
                ways = [_way(door, user) for door in doors]
                if (port := ports.get(instance.id)) is not None:
                    native = Identity(user, "peer+vnc-password", "peer")
                    ways.append((f"tcp_port {port}, with its password", native))
                for way, who in ways:
                    await authority.learn(who)
                    decision = authority.decide(who, instance, at)
                    yield _finding(f"{user} on {instance.alias} through {way}", decision)
                if not ways:
                    yield Finding(f"{user} on {instance.alias}", False, _OWNER_ONLY)
    except VncproxyError as error:
        yield Finding("settings", False, error.public_text)


def _way(door: Listen, user: str) -> tuple[str, Identity]:
    who = ANYONE if door.access == "open" else Identity(user, "peer", door.access)
    return f"{door.name} ({door.access})", who


def _finding(what: str, decision: Decision) -> Finding:
    may = decision.role.name.lower() if decision.role is not None else "nothing"
    return Finding(what, decision.role is not None, f"{may}: {decision.text}")
