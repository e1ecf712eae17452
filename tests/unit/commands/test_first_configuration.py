"""The text of a first configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.commands.first_configuration import (
    DOORS,
    Choices,
    Picked,
    alias_of,
    named,
    numbers,
    text_of,
)
from vncproxy.config.cross_checks import is_rule_user
from vncproxy.config.load import config_of
from vncproxy.config.model import Config

ID = "i-bp1demo0000000000001"
FILE = Path("/nowhere/vncproxy.toml")


def read(choices: Choices) -> Config:
    """What the file says."""
    return config_of(text_of(choices), FILE, {})


def test_one_instance() -> None:
    """The owner's door, and nobody else."""
    found = read(Choices("eu-west-1", (Picked(ID, "web 1"),), False, "token", "127.0.0.1:7000"))
    assert found.listen[0].address == "127.0.0.1:7000"
    assert (found.aliyun.region, found.aliyun.discover) == ("eu-west-1", False)
    (instance,) = found.instance
    assert (instance.id, instance.alias, instance.windows) == (ID, "web-1", False)
    assert found.rule == ()


@pytest.mark.parametrize("access", ["peer", "users"])
def test_doors_that_know_people(access: str) -> None:
    """Those that were named may control all."""
    address = "127.0.0.1:6080"
    found = read(Choices("cn-hangzhou", (), True, access, address, ("ann", "@ops")))
    (rule,) = found.rule
    assert (rule.users, rule.instances, rule.role) == (("ann", "@ops"), ("*",), "control")
    assert found.aliyun.discover
    users = FILE.parent / "users.json" if access == "users" else None
    assert found.access.users_file == users
    assert found.listen[0].access == access


@settings(max_examples=25)
@given(
    st.lists(st.text(max_size=80), max_size=3),
    st.lists(st.text(min_size=1, max_size=20).filter(is_rule_user), min_size=1, max_size=2),
    st.sampled_from(sorted(DOORS)),
)
def test_whatever_the_names_are(names: list[str], users: list[str], access: str) -> None:
    """The file is a good one, and says what was chosen."""
    picked = tuple(Picked(f"i-{number}", name) for number, name in enumerate(names))
    who = () if access == "token" else tuple(dict.fromkeys(users))
    found = read(Choices("cn-hangzhou", picked, False, access, "127.0.0.1:6080", who))
    assert [one.id for one in found.instance] == [one.id for one in picked]
    assert tuple(user for rule in found.rule for user in rule.users) == who


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("web-1", "web-1"),
        (" web 1 (new) ", "web-1-new"),
        ("网站 1", "1"),
        ("网站", ""),
        ("", ""),
        ("i-like-this", "ecs-i-like-this"),
        ("a" * 99, "a" * 63),
    ],
)
def test_aliases(name: str, alias: str) -> None:
    """Like the name; none where nothing is left of it."""
    assert alias_of(name, ()) == alias


def test_no_alias_twice() -> None:
    """The later ones have a number."""
    assert alias_of("web", ("web", "web-2")) == "web-3"
    assert alias_of("a" * 70, ("a" * 63,)) == "a" * 61 + "-2"


@pytest.mark.parametrize(
    ("answer", "places"),
    [("1", [0]), (" 3, 1 ", [2, 0]), ("2-4 1 3", [1, 2, 3, 0]), ("4-4", [3])],
)
def test_numbers(answer: str, places: list[int]) -> None:
    """In the order of the answer."""
    assert numbers(answer, 4) == places


@pytest.mark.parametrize("answer", ["", " ", "0", "5", "3-2", "1-5", "x", "1-", "-1", "1-2-3", "²"])
def test_numbers_that_are_none(answer: str) -> None:
    """It says what to type."""
    with pytest.raises(ValueError, match="numbers from 1 to 4, or all"):
        numbers(answer, 4)


def test_what_the_cloud_knows_besides() -> None:
    """Its name where no alias was given, and Windows."""
    listed = [Picked("i-1", "one", windows=True), Picked("i-2", "two")]
    given_ones = [Picked("i-2", "mine"), Picked("i-1"), Picked("i-3")]
    assert named(given_ones, listed) == (
        Picked("i-2", "mine"),
        Picked("i-1", "one", windows=True),
        Picked("i-3"),
    )
