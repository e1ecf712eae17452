"""`vncproxy kick`: what it asks of the daemon; its effect is tested in test_consoles.py."""

from __future__ import annotations

import pytest

from tests.unit.commands.surroundings import Installation, options_of, refuses
from vncproxy.commands.daemon_client import NoDaemonError
from vncproxy.commands.kick import kick


def test_its_arguments() -> None:
    """A console, or one of its viewers."""
    assert (options_of("kick", "web-1").instance, options_of("kick", "web-1").viewer) == (
        "web-1",
        None,
    )
    assert options_of("kick", "web-1", "v-1").viewer == "v-1"
    assert refuses("kick")
    for viewer in ("\udcff", "v" * 129):
        assert refuses("kick", "web-1", viewer)


@pytest.mark.sockets
async def test_without_a_daemon(installation: Installation) -> None:
    """There is nothing to end."""
    with pytest.raises(NoDaemonError):
        await kick(installation.config(), {}, "demo", None)
