"""What a reload can't change."""

from __future__ import annotations

from pathlib import Path

from vncproxy.config.model import Config, Instance, Limits, Listen, State, Throttle
from vncproxy.config.reload import changes_needing_restart


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
