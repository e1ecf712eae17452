"""The reference to what is in force."""

from __future__ import annotations

from collections.abc import Callable

from vncproxy.config.model import Config, Limits
from vncproxy.service.loaded_config import Current


def test_everybody_reads_what_was_swapped_in() -> None:
    """Who keeps what was read before goes on with that; the swap gives it back."""
    old, new = Config(), Config(limits=Limits(linger=1.0))
    current = Current(old)
    linger_s: Callable[[], float] = lambda: current.now.limits.linger  # noqa: E731
    kept = current.now
    assert linger_s() == 30.0
    assert current.swap(new) is old
    assert linger_s() == 1.0
    assert current.now is new
    assert kept is old
