"""What a client hasn't seen."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.simulator.screen.canvas import Area, Moved
from vncproxy.simulator.screen.damage import TILE_HEIGHT, TILE_WIDTH, Damage

WHOLE = Area(0, 0, 300, 100)
AREAS = st.builds(
    lambda x, y, w, h: Area(x, y, min(w, 300 - x), min(h, 100 - y)),
    st.integers(0, 299),
    st.integers(0, 99),
    st.integers(1, 300),
    st.integers(1, 100),
)


def seen() -> Damage:
    """Nothing left to send."""
    damage = Damage(WHOLE)
    assert damage.take(WHOLE) == [WHOLE]
    assert not damage.within(WHOLE)
    return damage


@settings(max_examples=150)
@given(st.lists(AREAS, min_size=1, max_size=5), AREAS)
def test_every_changed_pixel_asked_for_is_taken_once(marks: list[Area], asked: Area) -> None:
    """All changed pixels of the request are in the pieces, which don't overlap or leave it."""
    damage = seen()
    for mark in marks:
        damage.mark(mark)
    pieces = damage.take(asked)
    covered: set[tuple[int, int]] = set()
    for piece in pieces:
        assert piece.within(asked) == piece
        pixels = {
            (x, y)
            for x in range(piece.x, piece.x + piece.width)
            for y in range(piece.y, piece.y + piece.height)
        }
        assert not covered & pixels
        covered |= pixels
    for mark in marks:
        inside = mark.within(asked)
        if inside is not None:
            assert (inside.x, inside.y) in covered
            assert (inside.x + inside.width - 1, inside.y + inside.height - 1) in covered
    rest = damage.take(WHOLE)
    for mark in marks:
        if mark.within(asked) != mark:
            assert any(mark.meets(piece) for piece in rest)


def test_a_tile_that_was_sent_in_part_stays() -> None:
    """The other part is still unseen."""
    damage = seen()
    damage.mark(Area(0, 0, TILE_WIDTH, TILE_HEIGHT))
    assert damage.take(Area(0, 0, 1, 1)) == [Area(0, 0, 1, 1)]
    assert damage.take(WHOLE) == [Area(0, 0, TILE_WIDTH, TILE_HEIGHT)]
    assert damage.take(WHOLE) == []


def test_neighbouring_tiles_are_joined() -> None:
    """One rectangle for a block, not one a tile."""
    damage = seen()
    damage.mark(Area(0, 0, 3 * TILE_WIDTH, 2 * TILE_HEIGHT))
    damage.mark(Area(0, 5 * TILE_HEIGHT, 1, 1))
    assert sorted(damage.take(WHOLE)) == [
        Area(0, 0, 3 * TILE_WIDTH, 2 * TILE_HEIGHT),
        Area(0, 5 * TILE_HEIGHT, TILE_WIDTH, TILE_HEIGHT),
    ]


def test_a_move_from_what_was_seen_is_a_copy() -> None:
    """Unless the client may not copy, or something in the source is unseen, or one waits."""
    moved = Moved(Area(0, 0, 300, 80), 0, 20)
    damage = seen()
    damage.note([moved], may_copy=True)
    assert damage.moved == moved
    assert damage.within(Area(0, 0, 1, 1))
    damage.note([moved], may_copy=True)
    assert damage.take(WHOLE) == [Area(0, 0, 300, 80)]
    damage = seen()
    damage.note([moved], may_copy=False)
    assert damage.moved is None
    damage = seen()
    damage.note([Area(10, 90, 1, 1), moved], may_copy=True)
    assert damage.moved is None


def test_a_copy_given_up_is_sent_as_pixels() -> None:
    """Nothing is lost."""
    damage = seen()
    damage.note([Moved(Area(0, 0, 64, 16), 0, 16)], may_copy=True)
    damage.give_up_copy()
    assert damage.moved is None
    assert damage.take(WHOLE) == [Area(0, 0, 64, 16)]
