"""Whose own settings end the links."""

from __future__ import annotations

import pytest

from vncproxy.console.offender import LINKS_IN_A_ROW, SOON_S, OffenderWatch

TOLD_AT = 100.0


def lose(watch: OffenderWatch, *, after_s: float = 0.1, heard_s: float = -0.1) -> str | None:
    """A link that is told the settings and ends. Args: heard_s - the last byte, from then on."""
    watch.link_started()
    watch.told(TOLD_AT)
    return watch.link_lost(TOLD_AT + after_s, TOLD_AT + heard_s)


def chosen_by(viewer_id: str) -> OffenderWatch:
    """A watch that knows whose settings are told."""
    watch = OffenderWatch()
    watch.chosen_by = viewer_id
    return watch


def test_three_in_a_row_speak_against_a_viewer() -> None:
    """Not fewer; afterwards the row begins anew."""
    watch = chosen_by("ann")
    for _ in range(2):
        assert [lose(watch) for _ in range(LINKS_IN_A_ROW)] == [None, None, "ann"]


@pytest.mark.parametrize("how", [{"after_s": SOON_S + 0.1}, {"heard_s": 0.05}])
def test_a_link_that_took_the_settings_breaks_the_row(how: dict[str, float]) -> None:
    """It lived on, or the server went on talking."""
    watch = chosen_by("ann")
    assert [lose(watch), lose(watch), lose(watch, **how)] == [None] * 3
    assert [lose(watch), lose(watch)] == [None] * 2
    assert lose(watch) == "ann"


def test_a_link_that_was_told_nothing_speaks_against_nobody() -> None:
    """A gateway that greets and hangs up is weather."""
    watch = chosen_by("ann")
    for _ in range(5):
        watch.link_started()
        assert watch.link_lost(TOLD_AT, TOLD_AT - 0.1) is None


def test_another_s_choice_begins_another_row() -> None:
    """Each answers for his own."""
    watch = chosen_by("ann")
    assert [lose(watch), lose(watch)] == [None] * 2
    watch.chosen_by = "bob"
    assert [lose(watch), lose(watch), lose(watch)] == [None, None, "bob"]
