"""What the audit is informed of rules and users."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from vncproxy.audit.record import Entry, Event
from vncproxy.config.model import Rule
from vncproxy.config.users_file import User
from vncproxy.service.rules_audit import rules_in_force, users_changed, users_in_force

ANN = User(name="ann", id="a1", sha256="0" * 64, groups=("ops", "dba"))
BOB = User(name="bob", id="b1", sha256="1" * 64)


def test_each_rule_is_reported_whole() -> None:
    """By its place, with all that it says."""
    rules = (
        Rule(users=("ann", "@ops"), instances=("web-*",), role="admin", record=True, power=True),
        Rule(users=("bob",), instances=("*",), hours=("mon-fri 08:00-18:00",)),
    )
    assert rules_in_force(rules) == [
        Entry(
            event=Event.RULE,
            rule="rule 1",
            users=("ann", "@ops"),
            instances=("web-*",),
            role="admin",
            record=True,
            power=True,
        ),
        Entry(
            event=Event.RULE,
            rule="rule 2",
            users=("bob",),
            instances=("*",),
            role="control",
            record=False,
            hours=("mon-fri 08:00-18:00",),
        ),
    ]


def test_that_there_is_no_rule_is_reported() -> None:
    """Or a reload that took them all away would look like one that changed nothing."""
    [entry] = rules_in_force(())
    assert entry.text == "there is no rule"


def test_a_rule_of_many_names_is_reported_in_parts() -> None:
    """No name is left out."""
    users = tuple(f"user-{number}" for number in range(250))
    entries = rules_in_force([Rule(users=users, instances=("a", "b"))])
    assert [len(one.users or ()) for one in entries] == [100, 100, 50]
    assert [name for one in entries for name in one.users or ()] == list(users)
    assert [one.instances for one in entries] == [("a", "b"), None, None]
    assert {one.rule for one in entries} == {"rule 1"}


def test_users_are_reported_with_groups_and_token_ids() -> None:
    """What stands in users_file, but for what is kept of the tokens."""
    [entry] = users_in_force([ANN, BOB])
    assert (entry.reason, entry.users) == ("known", ("ann (ops, dba) token a1", "bob () token b1"))
    assert "0" * 64 not in repr(entry)
    assert users_in_force([]) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([ANN], [ANN, BOB], [("added", ("bob () token b1",))]),
        ([ANN, BOB], [ANN], [("removed", ("bob () token b1",))]),
        ([BOB], [replace(BOB, id="b2")], [("changed", ("bob () token b2",))]),
        (
            [BOB],
            [replace(BOB, groups=("x",))],
            [("changed", ("bob (x) token b1",))],
        ),
        ([ANN, BOB], [BOB, ANN], []),
    ],
)
def test_changes_are_reported(
    before: list[User], after: list[User], expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    """Each with what holds from now on; of who is gone, with what held."""
    found = [(one.reason, one.users) for one in users_changed(before, after)]
    assert found == expected


def test_a_new_digest_alone_is_a_change() -> None:
    """Somebody else may have the token then."""
    other = replace(BOB, sha256="2" * 64)
    assert [one.reason for one in users_changed([BOB], [other])] == ["changed"]
