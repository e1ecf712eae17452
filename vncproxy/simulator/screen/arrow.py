"""The pointer's shape. Source: rfbproto, Cursor Pseudo-encoding."""

from __future__ import annotations

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.pixels import Packer

_HEIGHT = 17
_WIDTH = 12


def _rows() -> list[str]:
    """A plain arrow: a right-angled wedge, white with a black edge."""
    rows = []
    for y in range(_HEIGHT):
        width = min(y, _WIDTH - 1) if y < 12 else max(17 - y, 0)
        inside = "." * max(width - 1, 0)
        edge = "#" if y in {0, 11, 12, 16} else "."
        row = "#" + (inside.replace(".", edge) + "#" if width else "")
        rows.append(row.ljust(_WIDTH))
    return rows


ROWS = _rows()


def cursor_rectangle(packer: Packer) -> tuple[int, int, bytes]:
    """Width, height and data of the cursor's pseudo-rectangle."""
    black, white = palette.index("black"), palette.index("white")
    indices = bytes(white if c == "." else black for row in ROWS for c in row)
    mask = b"".join(
        int("".join("0" if c == " " else "1" for c in row).ljust(16, "0"), 2).to_bytes(2, "big")
        for row in ROWS
    )
    return _WIDTH, _HEIGHT, packer.pixels(indices) + mask
