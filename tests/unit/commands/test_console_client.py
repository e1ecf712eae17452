"""A command on a console, against a daemon; what it sends is tested in test_key_sender.py."""

from __future__ import annotations

import pytest

from tests.unit.commands.surroundings import Installation
from vncproxy.commands.console_client import ControlLostError, admission_to, console_client
from vncproxy.commands.console_screen import ConsoleScreen
from vncproxy.commands.daemon_client import daemon_client
from vncproxy.commands.keystrokes import combination_stroke
from vncproxy.config.model import Listen
from vncproxy.errors import AccessError, AuditError

pytestmark = pytest.mark.sockets


def ignored(_note: str) -> None:
    """Nothing is said to anybody."""


@pytest.mark.parametrize("by", ["control socket", "unix", "token"])
async def test_whatever_door_it_comes_through(installation: Installation, by: str) -> None:
    """It is a viewer as a page's, and its keys are counted."""
    doors = {
        "control socket": Listen(address=f"127.0.0.1:{installation.port}"),
        "unix": Listen(address=f"unix:{installation.folder}/door", access="token"),
        "token": Listen(address=f"127.0.0.1:{installation.port}", access="token"),
    }
    config = installation.config(listen=(doors[by],))
    async with installation.daemon(config) as setup:
        if by != "control socket":
            (setup.daemon.state / "control.sock").unlink()
        async with daemon_client(config, {}) as daemon:
            admission = await admission_to(daemon, "demo", view=False)
            async with console_client(daemon, admission, ConsoleScreen()) as client:
                await client.get_ready(ignored, 60.0)
                await client.get_control(ignored, 60.0)
                before = await client.confirm()
                assert await client.press(combination_stroke("ctrl-c")) == 4
                after = await client.confirm()
                assert (after.link, after.messages - before.messages) == (before.link, 4)
                assert [key.down for key in setup.cloud.typed] == [True, True, False, False]
            # Its ticket is used up.
            with pytest.raises(AccessError, match="refused the console"):
                async with console_client(daemon, admission, ConsoleScreen()):
                    pass


async def test_who_may_only_watch_gets_no_control(installation: Installation) -> None:
    """As it wished, or as a rule has it."""
    config = installation.config()
    async with installation.daemon(config), daemon_client(config, {}) as daemon:
        admission = await admission_to(daemon, "demo", view=True)
        async with console_client(daemon, admission, ConsoleScreen()) as client:
            await client.get_ready(ignored, 60.0)
            with pytest.raises(ControlLostError, match="you may only watch demo"):
                await client.get_control(ignored, 60.0)
            with pytest.raises(ControlLostError):
                await client.check()


async def test_a_refused_websocket_says_why(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own answer can't be read; that of another admission can."""
    config = installation.config()
    full = "The audit can't be written: its disk is full."
    async with installation.daemon(config) as setup, daemon_client(config, {}) as daemon:
        admission = await admission_to(daemon, "demo", view=False)
        audit = setup.daemon.components.services.audit

        async def record(*_entries: object) -> None:
            raise AuditError(full)

        monkeypatch.setattr(audit, "record", record)
        # Whatever the audit's thread says of its disk.
        problem = property(lambda _: full, lambda *_: None)
        monkeypatch.setattr(type(audit), "problem", problem, raising=False)
        with pytest.raises(AccessError, match=full) as refused:
            async with console_client(daemon, admission, ConsoleScreen()):
                pass
        assert refused.value.status == 503
