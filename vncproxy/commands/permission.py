"""`vncproxy check --as`: what somebody may do, and the rule that decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from vncproxy.commands.check import Finding
from vncproxy.config.model import Config, Listen
from vncproxy.console.instance import ConsoleInstance
from vncproxy.errors import VncproxyError
from vncproxy.service.cloud import cloud_of
from vncproxy.service.instances import inventory_of
from vncproxy.web.authority import Authority
from vncproxy.web.identity import ANYONE, Identity
from vncproxy.web.users import Users


async def permissions(
    config: Config, environ: Mapping[str, str], user: str, name: str | None
) -> AsyncIterator[Finding]:
    """What a user may do with an instance, or with each, through each door that names users.

    The same name may be somebody else at doors of another kind. Nothing is asked of the cloud but
    tags that a rule is about, and instances that aren't configured.
    """
    doors = [one for one in config.listen if one.access != "token"]
    if not doors:
        text = 'every door has access = "token": whoever has the token may do everything'
        yield Finding(user, False, text)
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
                for door in doors:
                    yield _finding(authority, door, user, instance)
    except VncproxyError as error:
        yield Finding("settings", False, error.public_text)


def _finding(authority: Authority, door: Listen, user: str, instance: ConsoleInstance) -> Finding:
    who = Identity(user, "peer", door.access)
    decision = authority.decide(ANYONE if door.access == "open" else who, instance)
    may = decision.role.name.lower() if decision.role is not None else "nothing"
    what = f"{user} on {instance.alias} through {door.name} ({door.access})"
    return Finding(what, decision.role is not None, f"{may}: {decision.text}")
