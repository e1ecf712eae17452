"""Accounts and their groups, against this machine's own."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from vncproxy.access.accounts import (
    account_name,
    is_own,
    is_person,
    least_uid,
    look_up_groups,
    overflow_uid,
    uid_of,
)


def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user id has an account."""
    root = pwd.getpwuid(0)
    monkeypatch.setattr(
        pwd, "getpwuid", lambda uid: type(root)((f"account-{uid}", *tuple(root)[1:]))
    )


def test_people_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first user id of people on."""
    named(monkeypatch)
    assert is_person(least_uid())
    assert account_name(least_uid()) == f"account-{least_uid()}"
    assert account_name(4_000_000_001) == "account-4000000001"


@pytest.mark.parametrize("uid", [0, 1, 33, least_uid() - 1, overflow_uid(), 61184, 65519, -1])
def test_who_is_nobody_in_particular(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root, services such as a web server's, and accounts outside of a container."""
    named(monkeypatch)
    assert account_name(uid) is None
    assert not is_person(uid)


def test_whose_account_is_the_daemon_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own one, unless everybody's proxies run as it, too."""
    monkeypatch.setattr("os.geteuid", lambda: 990)
    assert (is_own(990), is_own(991), is_own(0)) == (True, False, False)
    for shared in (0, overflow_uid()):
        monkeypatch.setattr("os.geteuid", lambda shared=shared: shared)
        assert not is_own(shared)


@pytest.mark.parametrize("uid", [4_000_000_001, 1 << 40])
def test_a_number_without_an_account_has_no_name(uid: int) -> None:
    """Nor one that can't be a user id."""
    assert account_name(uid) is None


def test_the_user_id_of_an_account() -> None:
    """None for a name that has none, or can't be one."""
    assert uid_of("root") == 0
    assert uid_of("no-such-account") is uid_of("a\0b") is None


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("UID_MIN\t\t\t 500\n", 500),
        ("#UID_MIN 500\nSYS_UID_MIN 100\n", 1000),
        ("UID_MIN many\nUID_MIN 2000 # ours\n", 2000),
        ("", 1000),
    ],
)
def test_where_people_begin(text: str, first: int, tmp_path: Path) -> None:
    """As the machine's own settings say."""
    (tmp_path / "login.defs").write_text(text)
    assert least_uid(tmp_path / "login.defs") == first
    assert least_uid(tmp_path / "none") == 1000


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
