"""Instances by words, and the names that were perhaps meant."""

from __future__ import annotations

import pytest

from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.search import NEAR_MAX, advice, has_words, near

ROW = {
    "alias": "web-1",
    "id": "i-bp1aaaa",
    "name": "Shop front 上海",
    "region": "cn-hangzhou",
    "tags": {"team": "Shop", "env": "prod"},
}


def named(alias: str, instance_id: str = "i-1", name: str = "") -> ConsoleInstance:
    return ConsoleInstance(id=instance_id, region="cn-a", alias=alias, name=name)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["WEB"],
        ["p1aa"],
        ["front"],
        ["上海"],
        ["hangzhou"],
        ["team=shop"],
        ["env", "prod", "web-1"],
    ],
)
def test_all_words_are_somewhere(words: list[str]) -> None:
    """In the alias, the id, the name, the region or a tag, in any case."""
    assert has_words(ROW, words)


@pytest.mark.parametrize("words", [["web", "batch"], ["front web"], ["team=prod"], ["1i-bp1"]])
def test_a_word_that_is_nowhere(words: list[str]) -> None:
    """One is enough; none goes across from one text into the next."""
    assert not has_words(ROW, words)


def test_what_is_not_known_has_no_words() -> None:
    """An instance whose name and tags the cloud didn't tell."""
    assert not has_words({"alias": "a", "id": "i-1", "name": "", "region": "r"}, ["None"])


async def test_the_nearest_names() -> None:
    """The most alike first; by alias or name, and by id only after a slip of the hand."""
    known = [named("web-1"), named("web-12"), named("batch"), named("i-9", "i-9", "wep-1")]
    assert await near("web1", known) == ["web-1", "web-12", "wep-1"]
    assert await near("unlike-anything", known) == []
    ids = [named(f"i-bp1{letter * 17}", f"i-bp1{letter * 17}") for letter in "abc"]
    assert await near("i-bp1" + "b" * 16 + "d", ids) == [ids[1].id]
    assert await near("", known) == []
    assert len(await near("web", [named(f"web-{number}") for number in range(200)])) == NEAR_MAX


async def test_the_advice() -> None:
    """A sentence; nothing where nothing is near."""
    known = [named("web-1"), named("web-2")]
    assert await advice("web-3", known) == "Did you mean web-1 or web-2?"
    assert await advice("wbe1", [named("web-1")]) == "Did you mean web-1?"
    assert await advice("mail", known) == ""


async def test_a_name_that_several_have() -> None:
    """It has to be an id then."""
    known = [named("i-1", "i-1", "web"), named("i-2", "i-2", "web")]
    assert await advice("web", known) == (
        "2 instances have this name: name one by its id, such as i-1."
    )
