"""Audit entries about who may do what: the rules and the users in force. Pure.

A rule is called by its place among the blocks, which the next edit moves: so the audit has to have
the rules themselves, at the start and whenever they change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from vncproxy.audit.record import LIST_MAX, Entry, Event
from vncproxy.config.model import Rule
from vncproxy.config.users_file import User


def rules_in_force(rules: Sequence[Rule]) -> list[Entry]:
    """All the rules; without any, an entry that says so."""
    if not rules:
        return [Entry(event=Event.RULE, text="there is no rule")]
    return [entry for place, rule in enumerate(rules, 1) for entry in _rule(place, rule)]


def _rule(place: int, rule: Rule) -> Iterator[Entry]:
    """One entry, or several for a rule with more names than one has room for."""
    for users, instances in zip_longest(_parts(rule.users), _parts(rule.instances)):
        yield Entry(
            event=Event.RULE,
            rule=f"rule {place}",
            users=users,
            instances=instances,
            role=rule.role,
            record=rule.record,
            power=rule.power or None,
            hours=rule.hours or None,
        )


def users_in_force(users: Sequence[User]) -> list[Entry]:
    """All the users of users_file."""
    return _users("known", users)


def users_changed(before: Sequence[User], after: Sequence[User]) -> list[Entry]:
    """Who was added, removed, or has other groups or another token."""
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    return [
        *_users("removed", [one for one in before if one.name not in new]),
        *_users("added", [one for one in after if one.name not in old]),
        *_users("changed", [one for one in after if old.get(one.name, one) != one]),
    ]


def _users(what: str, users: Sequence[User]) -> list[Entry]:
    texts = [f"{one.name} ({', '.join(one.groups)}) token {one.id}" for one in users]
    return [Entry(event=Event.USERS, reason=what, users=part) for part in _parts(texts)]


def _parts(texts: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(texts[at : at + LIST_MAX]) for at in range(0, len(texts), LIST_MAX)]
