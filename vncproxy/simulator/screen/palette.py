"""The colours of the built-in screen.

The canvas holds one byte a pixel, an index into these 256 colours, so that drawing, comparing and
packing are operations on bytes, which Python does fast.
"""

from __future__ import annotations

from typing import Final

Colour = tuple[int, int, int]

RAMP_STEPS: Final = 8
"""Shades from a background to an ink, for soft edges."""

SKY_STEPS: Final = 56

_NIGHT: Colour = (7, 10, 22)
_DUSK: Colour = (22, 34, 66)
_PANEL: Colour = (14, 19, 36)
_BAR: Colour = (10, 14, 27)

_INKS: dict[str, tuple[Colour, Colour]] = {
    "text": (_PANEL, (214, 222, 240)),
    "dim": (_PANEL, (112, 126, 160)),
    "green": (_PANEL, (94, 214, 148)),
    "amber": (_PANEL, (255, 178, 84)),
    "cyan": (_PANEL, (92, 200, 250)),
    "rose": (_PANEL, (255, 112, 140)),
    "bar-text": (_BAR, (244, 247, 255)),
    "bar-dim": (_BAR, (124, 140, 178)),
    "bar-orange": (_BAR, (255, 132, 52)),
}


def mix(low: Colour, high: Colour, part: float) -> Colour:
    """A colour between two.

    Args:
        low: The first colour.
        high: The second colour.
        part: 0 for the first, 1 for the second.
    """
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _build() -> tuple[list[Colour], dict[str, int]]:
    colours = [mix(_DUSK, _NIGHT, i / (SKY_STEPS - 1)) for i in range(SKY_STEPS)]
    first: dict[str, int] = {"sky": 0}
    for name, (low, high) in _INKS.items():
        first[name] = len(colours)
        colours += [mix(low, high, i / (RAMP_STEPS - 1)) for i in range(RAMP_STEPS)]
    for name, colour in {
        "edge": (38, 50, 84),
        "grid": (24, 32, 58),
        "black": (0, 0, 0),
        "white": (255, 255, 255),
        "marker": (255, 132, 52),
        "marker-down": (255, 214, 120),
    }.items():
        first[name] = len(colours)
        colours.append(colour)
    assert len(colours) <= 256, "an index is one byte"
    return colours, first


COLOURS, _FIRST = _build()
_GROUND = {ink: COLOURS.index(low) for ink, (low, _) in _INKS.items()}


def index(name: str) -> int:
    """The index of a named colour; of an ink, its background's."""
    return _FIRST[name]


def solid(ink: str) -> int:
    """The index of an ink at full strength."""
    return _FIRST[ink] + RAMP_STEPS - 1


def shade(ink: str, step: int) -> int:
    """The index of an ink at a strength from 0 (background) to RAMP_STEPS - 1.

    Inks on one background share its index, so that plain text has few colours to pack.
    """
    return _FIRST[ink] + step if step else _GROUND[ink]


def _plane(channel: int) -> bytes:
    values = [colour[channel] for colour in COLOURS]
    return bytes(values + [0] * (256 - len(values)))


PLANES: Final = (_plane(0), _plane(1), _plane(2))
"""Tables for bytes.translate: index to red, to green, to blue."""


def to_rgb(indices: bytes | bytearray) -> bytes:
    """Three bytes a pixel: red, green, blue."""
    rgb = bytearray(3 * len(indices))
    for channel, plane in enumerate(PLANES):
        rgb[channel::3] = indices.translate(plane)
    return bytes(rgb)
