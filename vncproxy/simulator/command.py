"""The simulator as a program of its own, for `vncproxy simulate`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.simulator.simulator import Simulator


async def run(
    settings: SimulatorSettings, announce: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set.

    Args:
        settings: What to simulate.
        announce: Called with each line of what a user must know, once it listens.
        stop: Ends it.

    Raises:
        OSError: It can't listen.
        ssl.SSLError: The certificate can't be used.
    """
    async with Simulator(settings) as cloud:
        for line in introduction(cloud):
            announce(line)
        await stop.wait()
    announce("The simulator has stopped.")
    for name, count in sorted(cloud.breaches.items()):
        announce(f"  broken {count} times: {name}")


def introduction(cloud: Simulator) -> Iterator[str]:
    """The lines to print at the start: address, rules, key, how to point a client here."""
    settings = cloud.settings
    yield f"A simulated Aliyun listens at {cloud.endpoint}"
    yield ""
    yield "Its rules:"
    for rule in settings.rules():
        yield f"  - {rule}"
    yield ""
    yield "Its instances:"
    for instance in settings.instances:
        screen = f"the VNC server at {instance.screen}" if instance.screen else "a built-in screen"
        yield f"  {instance.instance_id}  {instance.region}  {instance.name}: {screen}"
    yield ""
    yield "To point a client here (the keys are made up):"
    key = settings.keys[0]
    yield f"  export ALIBABA_CLOUD_ACCESS_KEY_ID={key.key_id}"
    yield f"  export ALIBABA_CLOUD_ACCESS_KEY_SECRET={key.secret}"
    if key.security_token:
        yield f"  export ALIBABA_CLOUD_SECURITY_TOKEN={key.security_token}"
    yield f"  export VNCPROXY_ALIYUN__ENDPOINT={cloud.endpoint}"
    yield ""
    yield f"What it saw, as JSON: {cloud.endpoint}/_simulator/state"
