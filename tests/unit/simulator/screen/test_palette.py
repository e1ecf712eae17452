"""The colours of the built-in screen."""

from __future__ import annotations

from vncproxy.simulator.screen import palette


def test_a_ramp_leads_from_background_to_ink() -> None:
    """Its ends are the named colours, and it never steps back."""
    shades = [palette.COLOURS[palette.shade("text", n)] for n in range(palette.RAMP_STEPS)]
    assert palette.shade("text", 0) == palette.shade("dim", 0) == palette.index("text")
    assert palette.shade("bar-dim", 0) == palette.index("bar-text")
    assert shades[-1] == palette.COLOURS[palette.solid("text")] == (214, 222, 240)
    assert shades == sorted(shades)


def test_indices_become_rgb() -> None:
    """Three bytes each, in order."""
    indices = bytes((palette.index("white"), palette.index("black"), palette.index("marker")))
    assert palette.to_rgb(indices) == b"\xff\xff\xff\0\0\0" + bytes((255, 132, 52))
