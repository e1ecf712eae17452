"""`vncproxy check --as`: which rule decides."""

from __future__ import annotations

from typing import Any

from tests.unit.commands.surroundings import Desk, environ
from vncproxy.commands.permission import permissions
from vncproxy.config.model import Access, Listen, Rule

PEER = Listen(name="bastion", access="peer")
RULES = (
    Rule(users=("ann",), instances=("st*",), role="watch", record=True),
    Rule(users=("ann", "anyone"), instances=("*",), role="admin"),
)


async def found(desk: Desk, user: str, name: str | None, **sections: Any) -> list[tuple[bool, str]]:
    """Whether each is allowed, and the line."""
    config = desk.config("demo", "stopped", **sections)
    return [(one.ok, str(one)) async for one in permissions(config, environ(), user, name)]


async def test_the_rule_that_decides(desk: Desk) -> None:
    """Named with its role, for one instance or all; the cloud isn't asked for it."""
    (line,) = await found(desk, "ann", "stopped", listen=(PEER,), rule=RULES)
    assert line == (
        True,
        "ok    ann on stopped through bastion (peer): watch: rule 1 (watch, recorded) decides",
    )
    lines = await found(desk, "ann", None, listen=(PEER,), rule=RULES)
    assert ["rule 2" in text for _, text in lines] == [True, False]
    ((ok, text),) = await found(desk, "bob", "demo", listen=(PEER,), rule=RULES)
    assert not ok
    assert "nothing: no rule names both" in text
    assert not desk.cloud.calls


async def test_each_door_for_itself(desk: Desk) -> None:
    """A name of users_file isn't the account of that name, and everybody is anyone at an open door.

    A door for the token has one user only.
    """
    access = Access(users_file=desk.folder / "users.json")
    doors = (PEER, Listen(name="u", access="users"), Listen(name="o", access="open"), Listen())
    lines = await found(desk, "ann", "demo", listen=doors, rule=RULES, access=access)
    assert [ok for ok, _ in lines] == [True, False, True]
    assert "no such user in users_file" in lines[1][1]


async def test_what_cannot_be_told(desk: Desk) -> None:
    """An unknown instance, doors without names, a file of users that can't be used."""
    ((ok, text),) = await found(desk, "ann", "nowhere", listen=(PEER,))
    assert (ok, "no instance" in text) == (False, True)
    ((ok, text),) = await found(desk, "ann", "demo")
    assert (ok, "token" in text) == (False, True)
    (desk.folder / "users.json").write_text("x")
    access = Access(users_file=desk.folder / "users.json")
    ((ok, _),) = await found(desk, "ann", "demo", listen=(PEER,), access=access)
    assert not ok


async def test_tags_are_asked_of_the_cloud(desk: Desk) -> None:
    """Only where a rule is about them."""
    rule = Rule(users=("ann",), instances=("tag:no=such",))
    ((ok, _),) = await found(desk, "ann", "demo", listen=(PEER,), rule=(rule,))
    assert not ok
    assert {call.action for call in desk.cloud.calls} == {"DescribeInstances"}
