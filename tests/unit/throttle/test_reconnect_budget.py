"""The law of the budget, by hand-made cases; tests/property has the random ones."""

from __future__ import annotations

import pytest

from vncproxy.throttle.reconnect_budget import (
    ACCOUNT,
    EARLY_S,
    MAX_HOLD_S,
    Budget,
    Claim,
    Tally,
    counting_for,
)

BUDGET = Budget(limit=3, window_s=60.0, margin_s=1.0, hold_s=10.0)


def spent(*instants: float) -> list[Claim]:
    return [Claim.dialled(at) for at in instants]


def test_an_empty_budget_is_free_at_once() -> None:
    """A key that was never used may dial now."""
    assert BUDGET.next_free([], 5.0) == 5.0


def test_the_last_permit_of_the_window_is_free_at_once() -> None:
    """Below the limit nobody waits."""
    assert BUDGET.next_free(spent(4.0, 4.5), 5.0) == 5.0


def test_the_limit_makes_the_next_wait_for_the_window_and_its_margin() -> None:
    """With the limit used up, the next dial is window and margin after the oldest that counts."""
    assert BUDGET.next_free(spent(1.0, 2.0, 3.0), 5.0) == 62.0
    assert BUDGET.next_free(spent(0.0, 1.0, 2.0, 3.0), 5.0) == 62.0


def test_a_claim_that_was_not_dialled_yet_may_be_dialled_late() -> None:
    """An unspent claim counts as if it were dialled at the end of its hold."""
    claims = [BUDGET.booked(1.0), BUDGET.booked(1.0), BUDGET.booked(1.0)]
    assert BUDGET.next_free(claims, 1.0) == 1.0 + 10.0 + 61.0


def test_the_order_of_the_record_does_not_matter() -> None:
    """Claims may come in any order."""
    assert BUDGET.next_free(spent(3.0, 1.0, 2.0), 5.0) == 62.0


def test_nobody_overtakes_one_who_waits() -> None:
    """A permit given back in the middle of the queue doesn't let a newcomer pass."""
    claims = [*spent(0.0), BUDGET.booked(61.0)]
    assert BUDGET.next_free(claims, 5.0) == 61.0


def test_old_claims_free_the_budget() -> None:
    """Once the window has passed, the key is free again."""
    assert BUDGET.next_free(spent(1.0, 2.0, 3.0), 62.0) == 62.0


def test_used_counts_those_made_and_those_promised() -> None:
    """A claim counts until window and margin have passed since its latest instant."""
    claims = [*spent(0.0), BUDGET.booked(0.0), BUDGET.booked(70.0)]
    assert BUDGET.used(claims, 60.9) == 3
    assert BUDGET.used(claims, 61.0) == 2
    assert BUDGET.used(claims, 71.0) == 1


@pytest.mark.parametrize(
    ("now", "may"),
    [(99.9, False), (100.0 - EARLY_S, True), (100.0, True), (110.0, True), (110.1, False)],
)
def test_a_claim_is_spent_in_its_time(now: float, may: bool) -> None:
    """A dial begins when its time has come (a timer's earliness aside) and before it lapses."""
    assert BUDGET.booked(100.0).may_be_spent(now) is may


def test_a_claim_is_spent_once() -> None:
    """A claim that was dialled can't be dialled again."""
    assert not Claim.dialled(100.0).may_be_spent(100.0)


def test_only_what_can_not_matter_is_forgotten() -> None:
    """A claim is forgotten when even its latest dial is a window and a margin ago."""
    assert not BUDGET.is_forgettable(BUDGET.booked(0.0), 70.9)
    assert BUDGET.is_forgettable(BUDGET.booked(0.0), 71.0)


@pytest.mark.parametrize(
    "values",
    [
        {"limit": 0},
        {"window_s": 0.0},
        {"margin_s": 0.0},
        {"margin_s": 2 * EARLY_S - 0.001},
        {"hold_s": -0.001},
        {"hold_s": MAX_HOLD_S + 0.001},
    ],
)
def test_an_impossible_budget_is_refused(values: dict[str, float]) -> None:
    """Values with which the law can't hold are refused."""
    with pytest.raises(ValueError, match="impossible budget"):
        Budget(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"margin_s": 2 * EARLY_S},
        {"hold_s": 0.0},
        {"hold_s": MAX_HOLD_S},
        {"limit": 1},
        {"window_s": 0.5},
    ],
)
def test_the_outermost_budgets_are_possible(values: dict[str, float]) -> None:
    """Up to the bound itself."""
    Budget(**values)  # type: ignore[arg-type]


def test_a_claim_that_is_late_on_record_is_held_for_longer() -> None:
    """By as much: else it would lapse before its owner had it."""
    assert BUDGET.booked(100.0, extra_s=2.5) == Claim(100.0, 112.5)


def test_tallies_are_summed_up() -> None:
    """The earliest of all, the last promise of all; one that knows none adds none."""
    tallies = [Tally(2, 7.0, None), Tally(1, None, 30.0), Tally(3, 5.0, 20.0)]
    assert Tally.of(tallies) == Tally(6, 5.0, 30.0)
    assert Tally.of([]) == Tally(0, None, None)
    assert Tally.of([Tally(1, None, None), Tally(2, None, None)]) == Tally(3, None, None)
    assert Tally.of(tallies[:1]) == tallies[0]


def tallied(claims: list[Claim]) -> Tally:
    """As a store sums them up."""
    return Tally(
        len(claims),
        min((claim.latest for claim in claims), default=None),
        max((claim.at for claim in claims if not claim.spent), default=None),
    )


@pytest.mark.parametrize(
    "claims",
    [
        [],
        spent(70.0, 80.0),
        spent(70.0, 80.0, 90.0),
        spent(70.0, 80.0, 90.0, 95.0),
        [*spent(70.0, 80.0), BUDGET.booked(101.0)],
        [*spent(70.0, 80.0), BUDGET.booked(99.0)],
        [BUDGET.booked(140.0)],
        [*spent(70.0, 80.0, 90.0), BUDGET.booked(131.0), BUDGET.booked(141.0)],
    ],
)
def test_the_usage_of_a_tally_is_that_of_its_claims(claims: list[Claim]) -> None:
    """Which of them are decisive has to be known only where there are more than the limit."""
    tally = tallied(claims)
    crowded = BUDGET.is_crowded(tally)
    assert crowded is (len(claims) > 3)
    latest = [claim.latest for claim in claims] if crowded else []
    assert BUDGET.usage_of(tally, 100.0, latest) == BUDGET.usage(claims, 100.0)


def test_what_was_deleted_since_the_tally_does_not_matter() -> None:
    """Another process has forgotten all of it."""
    assert BUDGET.usage_of(Tally(4, 30.0, None), 100.0, []).next_free_s == 0.0
    assert BUDGET.usage_of(Tally(3, None, None), 100.0).next_free_s == 0.0


def test_what_counts_for_a_key() -> None:
    """Its own and the account's; for the account, all."""
    known = {"i-1": 1, "i-2": 2, ACCOUNT: 4}
    assert counting_for("i-1", known) == [1, 4]
    assert counting_for("i-3", known) == [4]
    assert sorted(counting_for(ACCOUNT, known)) == [1, 2, 4]


def test_the_default_stays_below_the_cloud_s_limit() -> None:
    """Out of the box: 29 in 60 s, with a margin."""
    assert Budget() == Budget(limit=29, window_s=60.0, margin_s=1.0, hold_s=10.0)
