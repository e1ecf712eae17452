"""The table of a console's life, walked whole."""

from __future__ import annotations

from itertools import product

import pytest

from vncproxy.console.lifecycle import TRANSITIONS, Lifecycle, State, Trigger
from vncproxy.errors import LocalError


def in_state(state: State) -> Lifecycle:
    """A lifecycle that has got there, however."""
    life = Lifecycle()
    life.state = state
    return life


@pytest.mark.parametrize(("state", "trigger"), list(product(State, Trigger)))
def test_every_state_meets_every_trigger(state: State, trigger: Trigger) -> None:
    """What the table has is done; anything else is a fault of the daemon, and changes nothing."""
    life = in_state(state)
    if (state, trigger) in TRANSITIONS:
        assert life.advance(trigger) is TRANSITIONS[state, trigger]
        assert life.state is TRANSITIONS[state, trigger]
    else:
        with pytest.raises(LocalError, match=state.value):
            life.advance(trigger)
        assert life.state is state


def entered_from(target: State) -> set[State]:
    """Where a state can be entered from."""
    return {state for (state, _), after in TRANSITIONS.items() if after is target}


def test_nothing_is_dialled_but_after_a_permit() -> None:
    """The cloud is asked for a VncUrl only once the ledger has granted a permit."""
    assert entered_from(State.FETCHING_URL) == {State.WAITING_BUDGET}
    assert {
        trigger for (_, trigger), after in TRANSITIONS.items() if after is State.FETCHING_URL
    } == {Trigger.PERMIT_GRANTED}


def test_a_vncurl_is_used_at_once_or_never() -> None:
    """Dialling follows the fetching of the URL, and nothing else leads there."""
    assert entered_from(State.CONNECTING) == {State.FETCHING_URL}
    assert entered_from(State.HANDSHAKE) == {State.CONNECTING}


def test_closed_is_the_end() -> None:
    """Nothing leads out of it, and every other state can be ended."""
    assert [state for state, _ in TRANSITIONS if state is State.CLOSED] == []
    assert entered_from(State.CLOSED) == set(State) - {State.CLOSED}


def test_every_state_can_be_reached() -> None:
    """From the beginning, by triggers."""
    reached = {Lifecycle().state}
    while more := {TRANSITIONS[key] for key in TRANSITIONS if key[0] in reached} - reached:
        reached |= more
    assert reached == set(State)


def test_another_link_costs_another_permit() -> None:
    """From wherever a link ends, the way back to dialling passes the ledger."""
    for start in (State.RUNNING, State.RESUMING, State.PASSWORD, State.OPAQUE):
        reached = {start}
        while (
            more := {
                after
                for (state, _), after in TRANSITIONS.items()
                if state in reached and after is not State.WAITING_BUDGET
            }
            - reached
        ):
            reached |= more
        assert State.FETCHING_URL not in reached
