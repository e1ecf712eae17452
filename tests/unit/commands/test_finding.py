"""One line of `vncproxy check`."""

from __future__ import annotations

from vncproxy.commands.finding import Finding


def test_for_people_and_for_programs() -> None:
    """Failures stand out; what stands after the mark lines up."""
    assert str(Finding("page", True, "is there")) == "ok    page: is there"
    assert str(Finding("page", False, "is missing")) == "FAIL  page: is missing"
    assert Finding("page", True, "x").row == {"what": "page", "ok": True, "text": "x"}
