"""Who controls a console."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vncproxy.console.control import Control


def people(*names: str, watcher: str = "") -> Control:
    """These came in this order; all may control but the watcher."""
    control = Control()
    for name in names:
        control.join(name, may_control=name != watcher, take=False)
    return control


def state(control: Control) -> tuple[str | None, tuple[str, ...]]:
    """Who has it, who asks for it."""
    return control.controller, control.asking


def test_the_first_that_may_controls() -> None:
    """A watcher never does; who comes later watches."""
    control = people("watcher", "ann", "bob", watcher="watcher")
    assert control.controller == "ann"
    assert control.may("bob")
    assert not control.may("watcher")
    assert not control.may("stranger")


def test_who_comes_may_take() -> None:
    """If it may have control at all."""
    control = people("ann")
    control.join("watcher", may_control=False, take=True)
    assert control.controller == "ann"
    control.join("bob", may_control=True, take=True)
    assert control.controller == "bob"


def test_control_of_one_that_leaves_goes_to_who_asked_first() -> None:
    """In the order of asking, not of coming."""
    control = people("ann", "bob", "cid", "dan")
    assert control.ask("cid")
    assert control.ask("bob")
    assert control.ask("cid")
    assert state(control) == ("ann", ("cid", "bob"))
    control.leave("ann")
    assert state(control) == ("cid", ("bob",))
    control.release("cid")
    assert state(control) == ("bob", ())


def test_control_that_nobody_asked_for_is_free() -> None:
    """It isn't pushed onto a watcher; who asks gets it at once, and so does who comes."""
    control = people("ann", "bob")
    control.leave("ann")
    assert control.controller is None
    assert not control.ask("bob")
    assert control.controller == "bob"
    control.release("bob")
    assert control.controller is None
    control.join("cid", may_control=True, take=False)
    assert control.controller == "cid"


def test_who_may_not_control_gets_nothing_by_asking_or_taking() -> None:
    """Nor does who isn't here."""
    control = people("ann", "watcher", watcher="watcher")
    for name in ("watcher", "stranger"):
        assert not control.ask(name)
        assert not control.take(name)
    assert state(control) == ("ann", ())


def test_a_refusal_ends_the_request() -> None:
    """And leaving does."""
    control = people("ann", "bob", "cid")
    control.ask("bob")
    control.ask("cid")
    control.refuse("bob")
    control.leave("cid")
    control.leave("ann")
    assert state(control) == (None, ())


def test_only_the_controller_gives_control_back() -> None:
    """From anybody else it means nothing."""
    control = people("ann", "bob")
    control.release("bob")
    assert control.controller == "ann"
    assert not control.ask("ann")


_NAMES = st.sampled_from(["ann", "bob", "cid", "watcher"])
_WISHES = st.sampled_from(["join", "join and take", "leave", "take", "ask", "refuse", "release"])


@given(st.lists(st.tuples(_WISHES, _NAMES)))
def test_whatever_is_wished_the_laws_hold(wishes: list[tuple[str, str]]) -> None:
    """The controller is here and may control; who asks is here, may, and isn't the controller."""
    control = Control()
    here: set[str] = set()
    for wish, name in wishes:
        before = control.controller
        if wish.startswith("join"):
            if name not in here:
                here.add(name)
                control.join(name, may_control=name != "watcher", take=wish == "join and take")
        elif wish == "leave":
            here.discard(name)
            control.leave(name)
        else:
            getattr(control, wish)(name)
        allowed = here - {"watcher"}
        assert control.controller in {None, *allowed}
        assert set(control.asking) <= allowed - {control.controller}
        assert len(set(control.asking)) == len(control.asking)
        if control.controller is None:
            assert control.asking == ()
        if wish in ("ask", "refuse", "join") and before is not None:
            assert control.controller == before
