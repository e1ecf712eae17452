"""`vncproxy consoles` and `vncproxy kick`, against a daemon."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.setup import running, until
from tests.unit.commands.surroundings import Desk
from vncproxy.commands.consoles import consoles, duration, kick, table, watch
from vncproxy.commands.daemon_client import NoDaemonError
from vncproxy.errors import AccessError


async def test_what_is_open_and_its_end(desk: Desk) -> None:
    """A viewer is listed and sent away alone, then the console with the other one."""
    config = desk.config()
    async with running(
        desk.folder, cloud=desk.cloud, listen=config.listen, instance=config.instance
    ) as setup:
        assert await consoles(config, {}) == []
        setup.http.headers["Authorization"] = (
            f"Bearer {(desk.folder / 'state' / 'token').read_text().strip()}"
        )
        first, second = await setup.viewer(), await setup.viewer()
        await until(lambda: first.decoder.updates and second.decoder.updates, "pictures")
        (row,) = await consoles(config, {})
        assert row["alias"] == "demo"
        assert len(row["viewers"]) == 2
        assert len(table([row])) == 3
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


async def test_watching(desk: Desk) -> None:
    """Shown again and again until somebody ends it."""
    config = desk.config()
    shown: list[Any] = []
    async with running(
        desk.folder, cloud=desk.cloud, listen=config.listen, instance=config.instance
    ):
        watching = asyncio.create_task(watch(config, {}, shown.append, interval_s=0.01))
        await until(lambda: len(shown) > 2, "three looks")
        watching.cancel()
        await asyncio.wait([watching])
    assert shown[0] == []


async def test_without_a_daemon(desk: Desk) -> None:
    """Nothing is open, and that is told as what it is."""
    with pytest.raises(NoDaemonError):
        await consoles(desk.config(), {})


def test_the_table() -> None:
    """One line for each viewer, and one for a console without."""
    viewer = {"id": "v-1", "user": "ann", "from": "unix", "role": "control", "since": 1000.0}
    row = {"alias": "demo", "state": "running", "link_age_s": 61.0, "keepalive": "request"}
    lines = table(
        [row | {"viewers": [viewer]}, row | {"alias": "b", "link_age_s": None, "viewers": []}],
        now=1010.0,
    )
    assert lines[0].split()[:3] == ["CONSOLE", "STATE", "LINK"]
    assert lines[1].split() == [
        *("demo", "running", "1m01s", "request", "v-1", "ann", "unix", "control", "10s")
    ]
    assert lines[2].split() == ["b", "running", "-", "request", "-", "-", "-", "-", "-"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (59.4, "59s"), (61, "1m01s"), (3661, "1h01m")]
)
def test_durations(seconds: float, text: str) -> None:
    """In their two largest units."""
    assert duration(seconds) == text
