"""The daemon of `vncproxy demo`: with the simulator behind it, in a folder of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vncproxy.addresses import TcpAddress
from vncproxy.app import Daemon
from vncproxy.config.model import Aliyun, Config, Instance, Listen, Log, Pages, State
from vncproxy.config.paths import AUDIT_NAME
from vncproxy.errors import LocalError
from vncproxy.languages.text import Text
from vncproxy.simulator.settings import (
    DEMO_KEY_ID,
    DEMO_KEY_SECRET,
    SimulatedInstance,
    SimulatorSettings,
)
from vncproxy.simulator.simulator import Simulator
from vncproxy.web.server import tcp_socket

ALIAS = "demo"
_STOPPED_ALIAS = "stopped"
_HOST = "127.0.0.1"
_PREFIX = "vncproxy-demo-"
FORGOTTEN_AFTER_S = 86400.0
"""What a killed demo left stays this long, so that it can be looked at."""


async def demo(port: int, screen: str | None, announce: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM.

    Args:
        port: The page's TCP port; 0: any free one.
        screen: "host:port" of a real VNC server to show instead of the built-in picture.
        announce: Called with each line for the user, as the page's address.

    Raises:
        LocalError: The port is taken.
    """
    _expect_free(port)
    _remove_forgotten()
    shown = SimulatedInstance(name=ALIAS, screen=screen)
    stopped = SimulatedInstance(
        instance_id="i-bp1demo0000000000002", name=_STOPPED_ALIAS, status="Stopped"
    )
    async with Simulator(SimulatorSettings(instances=(shown, stopped))) as cloud:
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
            await _serve(port, cloud, (shown, stopped), Path(folder), announce)


def _expect_free(port: int) -> None:
    """Refuse a port in use here: the daemon would name its setting, not this command's option."""
    try:
        tcp_socket(TcpAddress(_HOST, port)).close()
    except OSError as fault:
        raise LocalError(
            Text(
                "can't listen on {host}:{port}: {reason}; choose another with --port",
                host=_HOST,
                port=port,
                reason=fault.strerror,
            )
        ) from fault


def _remove_forgotten() -> None:
    """Remove what this user's demos left that were killed, once it is old."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = folder.lstat()
            mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            old = time.time() - found.st_mtime > FORGOTTEN_AFTER_S
            if mine and old and not _is_in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    """Whether a daemon runs there: it holds the lock of its audit. Raises: OSError."""
    try:
        with (folder / AUDIT_NAME).open("rb") as audit:
            fcntl.flock(audit, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


async def _serve(
    port: int,
    cloud: Simulator,
    instances: tuple[SimulatedInstance, ...],
    folder: Path,
    announce: Callable[[str], None],
) -> None:
    config = Config(
        listen=(Listen(name="demo", address=f"{_HOST}:{port}", access="open"),),
        aliyun=Aliyun(endpoint=cloud.endpoint, power=True),
        pages=Pages(thumbnails=True),
        state=State(directory=folder),
        # What its user must know is announced below, in words.
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
        announce(Text("Open {page}/console/{alias} in a browser.", page=page, alias=ALIAS))
        announce(
            Text(
                "All instances: {page}/ (one is stopped, to show what that looks like).", page=page
            )
        )
        announce(Text("Every account of this machine may open it. Ctrl+C ends it."))

    await daemon.run(started)
