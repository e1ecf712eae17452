"""What a reload can't change."""

from __future__ import annotations

from pathlib import Path

from vncproxy.config.model import Config, Instance, Limits, Listen, State, Throttle
from vncproxy.config.reload import changes_needing_restart, without_restart


def test_parts_that_need_a_restart() -> None:
    """Doors, state folder and ledger are named when they differ; nothing else is."""
    old = Config()
    assert changes_needing_restart(old, Config()) == []
    free = Config(limits=Limits(linger=1.0), instance=(Instance(id="i-1"),))
    assert changes_needing_restart(old, free) == []
    bound = Config(
        listen=(Listen(name="other"),),
        state=State(directory=Path("/s")),
        throttle=Throttle(store="memory"),
    )
    assert changes_needing_restart(old, bound) == ["[[listen]]", "[state]", "[throttle]"]
    assert changes_needing_restart(bound, old) == ["[[listen]]", "[state]", "[throttle]"]
    assert changes_needing_restart(bound, bound) == []


def test_the_rest_of_a_new_configuration() -> None:
    """What needs a restart is as before, everything else as it is now."""
    old = Config(throttle=Throttle(store="memory"))
    new = Config(
        listen=(Listen(name="other"),),
        limits=Limits(reconnects_per_minute=5, linger=1.0),
        instance=(Instance(id="i-1"),),
    )
    mixed = without_restart(old, new)
    assert mixed == Config(
        throttle=Throttle(store="memory"),
        limits=Limits(reconnects_per_minute=5, linger=1.0),
        instance=(Instance(id="i-1"),),
    )
    assert changes_needing_restart(old, mixed) == []
