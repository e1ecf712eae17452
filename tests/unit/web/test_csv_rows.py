"""Cells that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vncproxy.web.csv_rows import csv_text, safe_cell


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r", "＝", " =", "\u00a0@"])
def test_what_begins_as_a_formula_begins_with_an_apostrophe(start: str) -> None:
    assert safe_cell(f"{start}HYPERLINK(1)").startswith("'")


def test_other_text_stays() -> None:
    """Also with what CSV itself has to quote."""
    row = ["ann", 'a "b", c', "", "王芳", 1.5, None]
    (read,) = csv.reader(io.StringIO(csv_text([row]).decode()))
    assert read == ["ann", 'a "b", c', "", "王芳", "1.5", ""]


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=3), max_size=3))
def test_no_text_makes_a_cell_or_a_line_of_its_own(rows: list[list[str]]) -> None:
    """Whatever is in it; and none begins as a formula."""
    read = list(csv.reader(io.StringIO(csv_text(rows).decode(), newline="")))
    assert [len(row) for row in read] == [len(row) for row in rows]
    assert not any(cell.strip().startswith(tuple("=+-@")) for row in read for cell in row)
