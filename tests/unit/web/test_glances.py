"""Which pictures in lists the audit is told of."""

from __future__ import annotations

import pytest

from tests.clock import FakeClock
from vncproxy.web import glances as glances_module
from vncproxy.web.glances import RECORDED_EVERY_S, Glances


def test_a_glance_is_recorded_once_in_a_while() -> None:
    """Each user's and instance's by itself."""
    clock = FakeClock()
    glances = Glances(clock)
    assert [glances.is_new(one) for one in ("ann web", "ann web", "bob web")] == [True, False, True]
    clock.forward(RECORDED_EVERY_S)
    assert glances.is_new("ann web")


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgotten is recorded once more."""
    monkeypatch.setattr(glances_module, "KEPT_MAX", 2)
    glances = Glances(FakeClock())
    assert all(glances.is_new(one) for one in ("a", "b", "c"))
    assert glances.is_new("a")
    assert not glances.is_new("c")
