"""`vncproxy power`, against a daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.clock import IdleClock
from tests.setup import running, until
from tests.unit.commands.surroundings import DEMO, SETTINGS, STOPPED, Installation, refuses
from vncproxy.commands.command import DONE, FAILED
from vncproxy.commands.daemon_client import DaemonClient, NoDaemonError
from vncproxy.commands.output import OutputError
from vncproxy.commands.power import Wish, is_meant, look, power
from vncproxy.config.model import Aliyun, Config
from vncproxy.errors import AccessError
from vncproxy.simulator import ApiFault, PowerCall, Simulator


def test_its_arguments() -> None:
    """A start can't be forced; nobody is asked where nobody is."""
    assert refuses("power", "web-1")
    assert refuses("power", "web-1", "explode")
    assert refuses("power", "web-1", "start", "--force", "--yes")
    assert refuses("power", "web-1", "restart")


class Machine:
    """A daemon whose owner has power, and what the command said and asked."""

    def __init__(self, config: Config, cloud: Simulator) -> None:
        """Nothing yet."""
        self.config = config
        self.cloud = cloud
        self.said: list[str] = []
        self.asked: list[str] = []

    async def do(self, wish: Wish, answer: str | None = None) -> int:
        """The command. Args: answer - to its question; None: it doesn't ask."""

        def ask(question: str) -> str:
            self.asked.append(question)
            return answer or ""

        if answer is not None:
            found = await look(self.config, {}, wish)
            assert found.id in (DEMO.instance_id, STOPPED.instance_id)
            if not is_meant(wish, found.alias, ask):
                return FAILED
        return await power(
            self.config,
            {},
            wish,
            say=self.said.append,
            pause=lambda _: asyncio.sleep(0.02),
        )


@pytest.fixture
async def machine(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, idle_clock: IdleClock
) -> AsyncIterator[Machine]:
    """A start and a stop take a moment."""
    monkeypatch.setattr("vncproxy.instances.power.STATUS_PAUSE_S", 0.02)
    settings = replace(SETTINGS, stopping_s=0.1, starting_s=0.1, instances=(DEMO, STOPPED))
    async with Simulator(settings) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, power=True)
        config = Installation(cloud, installation.folder, installation.port).config(
            "demo", "stopped", aliyun=aliyun
        )
        async with running(
            installation.folder,
            cloud=cloud,
            aliyun=aliyun,
            listen=config.listen,
            instance=config.instance,
        ):
            yield Machine(config, cloud)


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("wish", "last", "call"),
    [
        (Wish("demo", "restart"), "Running", "RebootInstance"),
        (Wish("demo", "stop", force=True), "Stopped", "StopInstance"),
        (Wish("stopped", "start"), "Running", "StartInstance"),
    ],
)
async def test_it_waits_until_it_is_done(
    machine: Machine, wish: Wish, last: str, call: str
) -> None:
    """And says how it goes."""
    assert await machine.do(wish) == DONE
    assert machine.said[0] == f"{wish.instance}: the cloud has taken the {wish.action}."
    assert machine.said[-2:] == [
        f"{wish.instance}: {last}",
        f"{wish.instance}: the {wish.action} is done.",
    ]
    (sent,) = machine.cloud.powered
    assert (sent.action, sent.forced) == (call, wish.force)


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("force", "answer", "status"),
    [
        (False, "", FAILED),
        (False, "n", FAILED),
        (False, "y", DONE),
        (True, "y", FAILED),
        (True, "demo", DONE),
    ],
)
async def test_it_asks_before_it_acts(
    machine: Machine, force: bool, answer: str, status: int
) -> None:
    """A power cut wants the name."""
    assert await machine.do(Wish("demo", "stop", force=force), answer) == status
    (question,) = machine.asked
    assert "demo" in question
    assert ("cuts the power" in question) is force
    expected = [PowerCall(DEMO.instance_id, "StopInstance", force)] if status == DONE else []
    assert list(machine.cloud.powered) == expected


@pytest.mark.sockets
async def test_what_is_refused_is_said(machine: Machine) -> None:
    """By the daemon, and where the cloud's answer was lost."""
    with pytest.raises(AccessError, match="stopped is Stopped"):
        await machine.do(Wish("stopped", "stop"))
    machine.cloud.faults.next("StopInstance", ApiFault.error("InternalError"))
    with pytest.raises(AccessError, match="The cloud's answer was lost, and demo is Running"):
        await machine.do(Wish("demo", "stop"))
    assert not machine.cloud.powered


@pytest.mark.sockets
@pytest.mark.parametrize("force", [False, True])
async def test_ctrl_c_at_the_question_ends_it(machine: Machine, force: bool) -> None:
    """At once, whatever is typed after it; the question isn't part of the output."""
    state = machine.config.state.directory
    assert state is not None
    file = state.parent / "power.toml"
    file.write_text(f'[state]\ndirectory = "{state}"\n')
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    shown = bytearray()
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: shown.extend(os.read(ours, 4096)))
    command = ("power", "demo", "stop", *(("--force",) if force else ()), "--config", str(file))
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vncproxy", *command),
        stdin=theirs,
        stderr=theirs,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await until(lambda: (b"all the same: " if force else b"[y/N] ") in shown, "the question")
        program.send_signal(signal.SIGINT)
        await until(lambda: b"nothing was done" in shown, "its end")
        os.write(ours, b"demo\n" if force else b"y\n")
        output, _ = await program.communicate()
        assert (program.returncode, output) == (FAILED, b"")
        assert not machine.cloud.powered
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


@pytest.mark.sockets
async def test_ctrl_c_later_says_that_it_goes_on(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cloud doesn't take it back."""

    async def forever(_: float) -> None:
        await asyncio.Event().wait()

    following = asyncio.create_task(
        power(machine.config, {}, Wish("demo", "restart"), say=machine.said.append, pause=forever)
    )
    await until(lambda: len(machine.said) > 1, "that it is followed")
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert capsys.readouterr().err == (
        "vncproxy: demo: the restart was sent and goes on; see: vncproxy instances\n"
    )
    assert len(machine.cloud.powered) == 1


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (0, "the restart was sent and goes on; see: vncproxy instances"),
        (-1, "the restart is done."),
    ],
)
async def test_an_output_that_cannot_be_written_hides_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str], line: int, told: str
) -> None:
    """Whoever saw only the error would send it once more."""

    def say(text: str) -> None:
        if line == 0 or text.endswith("is done."):
            raise OutputError("the output can't be written: No space left on device")

    with pytest.raises(OutputError):
        await power(
            *(machine.config, {}, Wish("demo", "restart")),
            say=say,
            pause=lambda _: asyncio.sleep(0.02),
        )
    assert capsys.readouterr().err == f"vncproxy: demo: {told}\n"
    assert len(machine.cloud.powered) == 1


@pytest.mark.sockets
async def test_a_daemon_that_goes_meanwhile_leaves_word(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It isn't known whether it was sent; once it was, that is said, too."""
    call = DaemonClient.call

    async def gone(self: DaemonClient, method: str, path: str, *rest: Any, **how: Any) -> Any:
        if method == "POST":
            raise NoDaemonError("no vncproxy daemon answers")
        return await call(self, method, path, *rest, **how)

    monkeypatch.setattr(DaemonClient, "call", gone)
    with pytest.raises(NoDaemonError):
        await machine.do(Wish("demo", "restart"))
    assert "it isn't known whether it was done" in capsys.readouterr().err
