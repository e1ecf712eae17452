"""`vncproxy boot-log`, against a daemon."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from tests.setup import WAIT_S, Running
from tests.unit.commands.surroundings import DEMO, Installation, options_of, refuses
from vncproxy.commands.boot_log import boot_log, follow
from vncproxy.commands.command import DONE, FAILED
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
        self.change(boot_log=text)

    def change(self, **values: str) -> None:
        """Let the instance have these."""
        inventory = self.installation.cloud._inventory
        one = self.installation.cloud.instance()
        inventory._instances[one.instance_id] = replace(one, **values)  # type: ignore[arg-type]


@pytest.fixture
async def machine(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Machine]:
    """See the class."""
    monkeypatch.setattr("vncproxy.instances.screenshot_cache.PAUSE_S", 0.0)
    monkeypatch.setattr("vncproxy.web.boot_log.FOLLOW_INTERVAL_S", 0.01)
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
async def test_it_is_named_by_whatever_name_the_cloud_has(machine: Machine) -> None:
    """Also by one that no terminal prints as it is."""
    name = "web \x1b[31m\u3000\u202e1"
    machine.change(name=name)
    options = options_of("boot-log", name)
    assert (await boot_log(machine.config, {}, options.instance)).content.decode() == LOG


@pytest.mark.sockets
async def test_following_shows_each_line_once(machine: Machine) -> None:
    """Once it is ended; a new start and what fails meanwhile are said."""
    faults = machine.installation.cloud.faults
    notes: list[str] = []
    found = []

    def note(text: str) -> None:
        notes.append(text)
        if len(notes) == 1:
            machine.print("anew\n")

    async with aclosing(follow(machine.config, {}, "demo", note)) as news:
        async for lines in news:
            found.append(lines)
            if "two" in lines:
                machine.print(LOG + "ann\nthree\n")
            elif "three" in lines:
                faults.next("GetInstanceConsoleOutput", ApiFault.html(), times=20)
            else:
                break
    assert found == [["one", "two"], ["login: ann", "three"], ["anew"]]
    assert notes[1:] == ["the system has started again"]


@pytest.mark.sockets
async def test_a_follow_is_one_look_in_the_audit_and_its_end(machine: Machine) -> None:
    """However often the cloud was asked meanwhile."""
    async with aclosing(follow(machine.config, {}, "demo", lambda _: None)) as news:
        assert await anext(news) == ["one", "two"]
        machine.print(LOG + "\n")
        assert await anext(news) == ["login: "]
        (look,) = await machine.setup.audited("look")
        assert (look["reason"], look["text"]) == ("boot-log", "followed")
    (end,) = await machine.setup.audited("look-end")
    assert (end["reason"], end["text"]) == ("boot-log", "Who followed it has left.")
    assert (end["alias"], end["identity"]) == (look["alias"], look["identity"])
    assert end["seconds"] >= 0
    assert len(await machine.setup.audited("look")) == 1


@pytest.mark.sockets
async def test_following_what_is_refused_ends(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to wait for: at once, and when it is refused in the midst of it."""
    with pytest.raises(AccessError):
        async for _ in follow(machine.config, {}, "nothing", lambda _: None):
            pass
    monkeypatch.setattr("vncproxy.web.boot_log._PASSING", ())
    found = []
    with pytest.raises(AccessError) as refused:
        async for lines in follow(machine.config, {}, "demo", lambda _: None):
            found.append(lines)
            machine.installation.cloud.faults.next("GetInstanceConsoleOutput", ApiFault.html())
    assert refused.value.status == 502
    assert found == [["one", "two"]]


async def following(machine: Machine) -> asyncio.subprocess.Process:
    """The command, which has printed the first line."""
    config = machine.installation.folder / "vncproxy.toml"
    config.write_text(
        f'[[listen]]\naddress = "127.0.0.1:{machine.installation.port}"\n'
        f'[state]\ndirectory = "{machine.setup.daemon.state}"\n'
        f'[[instance]]\nid = "{DEMO.instance_id}"\nalias = "demo"\n'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vncproxy", "boot-log", "demo", "--follow"),
        *("--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_S):
        assert await process.stdout.readline() == b"one\n"
    return process


@pytest.mark.sockets
async def test_it_ends_when_nobody_reads_it_any_more(machine: Machine) -> None:
    """Also while there is nothing to print; `head` has what it wanted."""
    process = await following(machine)
    # As head does.
    process.stdout._transport.close()  # type: ignore[union-attr]
    async with asyncio.timeout(WAIT_S):
        assert await process.wait() == FAILED
    assert await process.stderr.read() == b""  # type: ignore[union-attr]
    await machine.setup.audited("look-end")


@pytest.mark.sockets
async def test_ctrl_c_ends_it_well(machine: Machine) -> None:
    """As its help says; the daemon notices at once."""
    process = await following(machine)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(WAIT_S):
        _, problems = await process.communicate()
    assert (process.returncode, problems) == (DONE, b"")
    await machine.setup.audited("look-end")
