"""RFC 6455 at each end: every case of the table, whole and cut anywhere."""

from __future__ import annotations

import pytest

from tests.websocket_ends import BROKE_RULES
from tests.websocket_rules import (
    COLUMNS,
    CONSOLE,
    CONTROL,
    DOCUMENT,
    GATEWAY,
    GROUPS,
    LEFT,
    REFUSED,
    Case,
    document,
    outcome_of,
    splits,
    what_became,
)

CASES = [case for cases in GROUPS.values() for case in cases]
REFUSED_WITH = {CONSOLE: BROKE_RULES, GATEWAY: 1002}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_our_ends(case: Case) -> None:
    """What was received, answered and sent as a goodbye, the same for any split."""
    for column in (CONSOLE, GATEWAY):
        expected = case.expected_at(column)
        closed_with = {REFUSED: REFUSED_WITH[column], LEFT: case.answer}
        for places in splits(case, column):
            found = await outcome_of(case, column, places)
            assert what_became(found) == expected, column.title
            assert (found.received, found.pongs) == (case.received, case.pongs), column.title
            assert found.close == closed_with.get(expected), column.title
    one, other = [await outcome_of(case, CONTROL, places) for places in splits(case, CONTROL)]
    assert one == other
    assert what_became(one) == case.expected_at(CONTROL)


async def test_the_table_is_what_is_found() -> None:
    """Else: python -m tests.websocket_rules."""
    assert DOCUMENT.read_text() == await document()


def test_every_case_has_a_name_of_its_own() -> None:
    """And each way in which a column differs is one."""
    names = [(group, case.name) for group, cases in GROUPS.items() for case in cases]
    assert len(set(names)) == len(names)
    for case in CASES:
        assert all(word != case.expected and column in COLUMNS for column, word in case.but)
