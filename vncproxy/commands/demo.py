"""`vncproxy demo`: the daemon with the simulator behind it; no account needed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from vncproxy.app import Daemon
from vncproxy.config.model import Aliyun, Config, Instance, Listen, Log, State
from vncproxy.simulator.settings import (
    DEMO_KEY_ID,
    DEMO_KEY_SECRET,
    SimulatedInstance,
    SimulatorSettings,
)
from vncproxy.simulator.simulator import Simulator

ALIAS = "demo"
_STOPPED_ALIAS = "stopped"


async def demo(port: int, screen: str | None, announce: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM.

    Args: port - of the page; screen - "host:port" of a real VNC server to show instead of the
    built-in picture. Raises: LocalError - the port is taken.
    """
    shown = SimulatedInstance(name=ALIAS, screen=screen)
    stopped = SimulatedInstance(
        instance_id="i-bp1demo0000000000002", name=_STOPPED_ALIAS, status="Stopped"
    )
    async with Simulator(SimulatorSettings(instances=(shown, stopped))) as cloud:
        with tempfile.TemporaryDirectory(prefix="vncproxy-demo-") as folder:
            await _serve(port, cloud, (shown, stopped), Path(folder), announce)


async def _serve(
    port: int,
    cloud: Simulator,
    instances: tuple[SimulatedInstance, ...],
    folder: Path,
    announce: Callable[[str], None],
) -> None:
    config = Config(
        listen=(Listen(name="demo", address=f"127.0.0.1:{port}", access="open"),),
        aliyun=Aliyun(endpoint=cloud.endpoint),
        state=State(directory=folder),
        # What a demo must know is said in words below.
        log=Log(level="error"),
        instance=tuple(
            Instance(id=one.instance_id, alias=one.name, region=one.region) for one in instances
        ),
    )
    keys = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": DEMO_KEY_ID,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": DEMO_KEY_SECRET,
    }
    daemon = Daemon(config, keys)
    daemon.handle_signals()

    def started() -> None:
        page = f"http://127.0.0.1:{daemon.servers[0].port}"
        announce(f"Open {page}/console/{ALIAS} in a browser.")
        announce(f"All instances: {page}/ (one is stopped, to show what that looks like).")
        announce("Every account of this machine may open it. Ctrl+C ends it.")

    await daemon.run(started)
