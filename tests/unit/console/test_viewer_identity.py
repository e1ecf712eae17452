"""Who is behind a viewer, and how long somebody may stay."""

from __future__ import annotations

from vncproxy.config.model import Limits
from vncproxy.console.viewer_identity import ViewerIdentity, ViewerLimits


def test_who_is_not_sent_of_controls_and_is_not_recorded() -> None:
    """A program with the owner's token, as it comes through a door."""
    who = ViewerIdentity("v-1", "owner", "127.0.0.1", "local")
    assert (who.may_control, who.take, who.record) == (True, False, False)
    assert (who.kind, who.has_page, who.native) == ("token", False, False)


def test_its_limits_are_the_configurations() -> None:
    """Under other names."""
    limits = Limits(viewer_idle_timeout=1, session_max_age=2, slow_viewer_timeout=3, viewer_queue=4)
    assert ViewerLimits.of(limits) == ViewerLimits(1, 2, 3, 4)
