"""`vncproxy check`: the cloud, from the credentials to each instance's gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from vncproxy.commands.finding import Finding
from vncproxy.commands.reachability import endpoint_reached, gateway_reached
from vncproxy.config.model import Config
from vncproxy.console.instance_search import advice
from vncproxy.console.instances import ConsoleInstance, InstanceList
from vncproxy.errors import CloudError, VncproxyError
from vncproxy.service.cloud import Cloud
from vncproxy.service.instances import instances_of


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
            text = f"no instance of this name or id. {await advice(name, inventory.known)}"
            yield Finding(name, False, text.rstrip())
            return
        wanted = [found]
    if not wanted and discover_in and inventory.problem is None:
        none = f"none is configured, and the cloud shows none in {', '.join(discover_in)}"
        yield Finding("instances", False, none)
    for instance in wanted:
        async with aclosing(_instance(cloud, instance)) as findings:
            async for finding in findings:
                yield finding


def _unlisted(problem: CloudError, *, needed: bool) -> Finding:
    """A list that didn't come: only the permission for it may be missing, and only without need."""
    if needed or not problem.code.startswith("Forbidden"):
        return Finding("list of instances", False, problem.final_text)
    text = "not permitted, so names and states stay unknown; consoles don't need it"
    return Finding("list of instances", True, text)


async def _instance(cloud: Cloud, instance: ConsoleInstance) -> AsyncGenerator[Finding, None]:
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
    if not permission.granted or instance.status not in ("", "Running"):
        return
    try:
        url = await cloud.client.vnc_url(instance.id, instance.region)
    except CloudError as error:
        yield Finding(f"{instance.alias} VncUrl", False, error.final_text)
        return
    yield Finding(f"{instance.alias} gateway", *await gateway_reached(cloud, url))
