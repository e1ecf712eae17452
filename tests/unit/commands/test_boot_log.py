"""`vncproxy boot-log`, against a daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.setup import Running
from tests.unit.commands.surroundings import Installation, options_of, refuses
from vncproxy.commands.boot_log import boot_log, follow
from vncproxy.errors import AccessError
from vncproxy.simulator import ApiFault

LOG = "one\ntwo\nlogin: "


def test_its_arguments() -> None:
    """An instance."""
    assert options_of("boot-log", "web-1", "--follow").follow
    assert refuses("boot-log")


class Machine:
    """A daemon, and an instance whose boot log a test sets; the daemon asks each time."""

    def __init__(self, setup: Running, installation: Installation) -> None:
        """Nothing printed yet."""
        self.setup = setup
        self.installation = installation
        self.config = installation.config("demo")
        self.print(LOG)

    def print(self, text: str) -> None:
        """Let this be the log."""
        inventory = self.installation.cloud._inventory
        one = self.installation.cloud.instance()
        inventory._instances[one.instance_id] = replace(one, boot_log=text)


@pytest.fixture
async def machine(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Machine]:
    """See the class."""
    monkeypatch.setattr("vncproxy.instances.screenshot_cache.PAUSE_S", 0.0)
    config = installation.config("demo")
    async with installation.daemon(config) as setup:
        yield Machine(setup, installation)


@pytest.mark.sockets
async def test_the_log_is_text_with_its_time(machine: Machine) -> None:
    """As the daemon gives it."""
    log = await boot_log(machine.config, {}, "demo")
    assert log.content.decode() == LOG
    assert log.modified.endswith("GMT")
    with pytest.raises(AccessError) as refused:
        await boot_log(machine.config, {}, "nothing")
    assert refused.value.status == 404


@pytest.mark.sockets
async def test_following_shows_each_line_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is ended; a new start and what fails meanwhile are said."""
    faults = machine.installation.cloud.faults
    steps: list[Any] = [
        lambda: machine.print(LOG + "ann\nthree\n"),
        lambda: faults.next("GetInstanceConsoleOutput", ApiFault.html(), times=2),
        lambda: None,
        lambda: machine.print("anew\n"),
    ]
    notes: list[str] = []

    async def pause(seconds: float) -> None:
        await asyncio.sleep(0)
        if steps:
            steps.pop(0)()

    found = []
    async for lines in follow(machine.config, {}, "demo", notes.append, pause):
        found.append(lines)
        if "anew" in lines:
            break
    assert found == [["one", "two"], ["login: ann", "three"], ["anew"]]
    assert [note for note in notes if "again" in note and "later" not in note] == [
        "the system has started again"
    ]
    assert len(notes) == 2


@pytest.mark.sockets
async def test_following_what_is_refused_ends(machine: Machine) -> None:
    """There is nothing to wait for."""
    with pytest.raises(AccessError):
        async for _ in follow(machine.config, {}, "nothing", lambda _: None):
            pass
