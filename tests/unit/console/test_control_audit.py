"""Who controls, as the audit is told."""

from __future__ import annotations

import pytest

from tests.unit.console.surroundings import INSTANCE
from vncproxy.audit.record import Entry
from vncproxy.console.control_audit import ControlAudit, Move
from vncproxy.console.viewer_identity import ViewerIdentity
from vncproxy.errors import AuditError

ANN = ViewerIdentity("ann", "Ann", "127.0.0.1", "local")
BOB = ViewerIdentity("bob", "Bob", "127.0.0.1", "local")


class Record:
    """An audit in memory, which keeps apart what somebody waits for."""

    problem: str | None = None

    def __init__(self) -> None:
        """An empty one."""
        self.awaited: list[list[Entry]] = []
        self.later: list[Entry] = []

    async def record(self, *entries: Entry) -> None:
        """See `Audit.record`."""
        if self.problem is not None:
            raise AuditError(self.problem)
        self.awaited.append(list(entries))

    def record_later(self, entry: Entry) -> None:
        """See `Audit.record_later`."""
        self.later.append(entry)


@pytest.fixture
def record() -> Record:
    """An empty one."""
    return Record()


@pytest.fixture
def witness(record: Record) -> ControlAudit:
    """Of a console on which Ann and Bob are."""
    return ControlAudit(INSTANCE, record, {"ann": ANN, "bob": BOB}.get)


def told(entries: list[Entry]) -> list[tuple[object, ...]]:
    return [
        (str(e.event), e.viewer, e.user, e.other_viewer, e.other, e.text, e.instance)
        for e in entries
    ]


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (
            Move(None, "ann", why="nobody had it"),
            [("control-granted", "ann", "Ann", None, None, "nobody had it")],
        ),
        (
            Move("ann", "bob", taken=True),
            [
                ("control-lost", "ann", "Ann", "bob", "Bob", None),
                ("control-taken", "bob", "Bob", "ann", "Ann", None),
            ],
        ),
        (
            Move("ann", "bob", why="granted"),
            [
                ("control-lost", "ann", "Ann", "bob", "Bob", "granted"),
                ("control-granted", "bob", "Bob", "ann", "Ann", "granted"),
            ],
        ),
        (
            Move("ann", None, why="given back"),
            [("control-lost", "ann", "Ann", None, None, "given back")],
        ),
    ],
)
async def test_a_move_is_one_piece(
    record: Record, witness: ControlAudit, move: Move, expected: list[tuple[object, ...]]
) -> None:
    """Who lost it and who got it stand one below the other, each naming the other."""
    await witness.moves(move)
    assert [told(entries) for entries in record.awaited] == [
        [(*line, INSTANCE.id) for line in expected]
    ]
    assert record.later == []


async def test_a_move_that_can_not_be_recorded(record: Record, witness: ControlAudit) -> None:
    """It is for the caller not to make it."""
    record.problem = "full"
    with pytest.raises(AuditError, match="full"):
        await witness.moves(Move(None, "ann"))


def test_a_move_that_did_not_come_about(record: Record, witness: ControlAudit) -> None:
    """The one for whom it was recorded hasn't got it; of one that has left only the id is known."""
    witness.failed(Move("ann", "bob"))
    witness.failed(Move("ann", "gone"))
    witness.failed(Move("ann", None))
    assert [(str(e.event), e.viewer, e.user) for e in record.later] == [
        ("control-lost", "bob", "Bob"),
        ("control-lost", "gone", None),
    ]


def test_a_controller_that_left(record: Record, witness: ControlAudit) -> None:
    """With whoever has it now, if that is anybody."""
    left = ViewerIdentity("cid", "Cid", "127.0.0.1", "local")
    witness.left(left, None)
    witness.left(left, "bob")
    assert [line[:5] for line in told(record.later)] == [
        ("control-lost", "cid", "Cid", None, None),
        ("control-lost", "cid", "Cid", "bob", "Bob"),
        ("control-granted", "bob", "Bob", "cid", "Cid"),
    ]
    assert record.awaited == []
