"""`vncproxy consoles`, against a daemon."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.setup import running, until
from tests.unit.commands.surroundings import Installation
from vncproxy.commands.console_table import table
from vncproxy.commands.consoles import consoles, watch
from vncproxy.commands.daemon_client import NoDaemonError
from vncproxy.commands.kick import kick
from vncproxy.errors import AccessError

pytestmark = pytest.mark.sockets


async def test_what_is_open_and_its_end(installation: Installation) -> None:
    """A viewer is listed and sent away alone, then the console with the other one."""
    config = installation.config()
    async with running(
        installation.folder,
        cloud=installation.cloud,
        listen=config.listen,
        instance=config.instance,
    ) as setup:
        assert await consoles(config, {}) == []
        setup.http.headers["Authorization"] = (
            f"Bearer {(installation.folder / 'state' / 'token').read_text().strip()}"
        )
        first, second = await setup.viewer(), await setup.viewer()
        await until(lambda: first.decoder.updates and second.decoder.updates, "pictures")
        (row,) = await consoles(config, {})
        assert row["alias"] == "demo"
        assert len(row["viewers"]) == 2
        assert len(table([row], time.time())) == 5
        await kick(config, {}, "demo", row["viewers"][0]["id"])
        assert await first.ended() == 4403
        (row,) = await consoles(config, {})
        assert len(row["viewers"]) == 1
        with pytest.raises(AccessError):
            await kick(config, {}, "demo", "v-nobody")
        await kick(config, {}, row["instance"], None)
        assert await second.ended() == 4403
        with pytest.raises(AccessError):
            await kick(config, {}, "../healthz", None)


async def test_watching(installation: Installation) -> None:
    """Shown again and again until somebody ends it."""
    config = installation.config()
    shown: list[Any] = []
    async with running(
        installation.folder,
        cloud=installation.cloud,
        listen=config.listen,
        instance=config.instance,
    ):
        watching = asyncio.create_task(watch(config, {}, shown.append, interval_s=0.01))
        await until(lambda: len(shown) > 2, "three looks")
        watching.cancel()
        await asyncio.wait([watching])
    assert shown[0] == []


async def test_without_a_daemon(installation: Installation) -> None:
    """Nothing is open, and that is reported as what it is."""
    with pytest.raises(NoDaemonError):
        await consoles(installation.config(), {})
