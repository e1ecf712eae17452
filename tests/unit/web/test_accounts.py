"""Accounts and their groups, against this machine's own."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from vncproxy.web.accounts import (
    FRESH_FOR_S,
    MAX_KEPT,
    UnixGroups,
    account_name,
    look_up_groups,
    overflow_uid,
)


def test_accounts_have_names() -> None:
    """An ordinary account is known by its name."""
    found = next(one for one in pwd.getpwall() if one.pw_uid not in (0, overflow_uid()))
    assert account_name(found.pw_uid) == found.pw_name


@pytest.mark.parametrize("uid", [0, overflow_uid(), 4_000_000_001, -1, 1 << 40])
def test_who_is_nobody_in_particular(uid: int) -> None:
    """Root, accounts outside of a container, and numbers without an account give no name."""
    assert account_name(uid) is None


def test_groups_are_those_of_the_system() -> None:
    """The primary group and the others, by name."""
    for account in pwd.getpwall()[:5]:
        wanted = set()
        for gid in os.getgrouplist(account.pw_name, account.pw_gid):
            try:
                wanted.add(grp.getgrgid(gid).gr_name)
            except KeyError:
                continue
        assert look_up_groups(account.pw_name) == wanted


@pytest.mark.parametrize("name", ["no-such-account", "", "a\0b", "@ops"])
def test_a_name_without_an_account_is_in_the_groups_that_list_it(name: str) -> None:
    """Here in none."""
    assert look_up_groups(name) == frozenset()


def test_groups_are_kept_for_a_while() -> None:
    """The directory isn't asked at every request, but again after its time or a reload."""
    asked: list[str] = []
    now = 0.0

    def look_up(user: str) -> frozenset[str]:
        asked.append(user)
        return frozenset({f"of-{user}"})

    groups = UnixGroups(look_up, lambda: now)
    for _ in range(3):
        assert groups.of("ann") == {"of-ann"}
    assert groups.of("bob") == {"of-bob"}
    assert asked == ["ann", "bob"]
    now = FRESH_FOR_S + 1
    groups.of("ann")
    groups.forget()
    groups.of("ann")
    assert asked == ["ann", "bob", "ann", "ann"]
    for number in range(MAX_KEPT + 5):
        groups.of(f"{number}")
    assert len(groups._kept) <= MAX_KEPT
