"""Rows of a CSV file that spreadsheets take for text, whatever others chose to be in it. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from vncproxy.observe.escaping import escaped

BYTE_ORDER_MARK = "\ufeff"
"""First in the file: spreadsheets take it for UTF-8 by this."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Source: OWASP, CSV Injection; the last four are the same characters in full width."""


def csv_text(rows: Iterable[Sequence[object]]) -> bytes:
    """Lines in the form of RFC 4180; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows(map(_cells, rows))
    return text.getvalue().encode(errors="replace")


def _cells(row: Sequence[object]) -> list[object]:
    return [safe_cell(cell) if isinstance(cell, str) else cell for cell in row]


def safe_cell(text: str) -> str:
    """The text; one that a spreadsheet would take for a formula begins with an apostrophe."""
    marked = f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA_STARTS) else text
    return escaped(marked)
