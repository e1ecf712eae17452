"""`vncproxy check --as`: which rule decides."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

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


async def test_the_hours_of_rules(desk: Desk) -> None:
    """At the time that is asked about, whatever it is now."""
    rule = Rule(users=("ann",), instances=("*",), hours=("mon-fri 08:00-18:00",))
    config = desk.config("demo", listen=(PEER,), rule=(rule,))
    for at, said in (
        (datetime(2026, 11, 24, 19, 12), "nothing: allowed only mon-fri 08:00-18:00 (rule 1), and"),
        (datetime(2026, 11, 24, 8), "control: rule 1 (control, mon-fri 08:00-18:00) decides"),
    ):
        (line,) = [one async for one in permissions(config, environ(), "ann", "demo", at)]
        assert said in str(line)


async def test_ports_of_native_viewers(desk: Desk) -> None:
    """Rules count there for the account of that name; without any, the password is enough."""
    demo = desk.config("demo").instance[0]
    instances = (msgspec.structs.replace(demo, tcp_port=5901), *desk.config("stopped").instance)
    watch = Rule(users=("ann",), instances=("demo",), role="watch")
    for rules, user, said in (
        ((watch,), "ann", "through tcp_port 5901, with its password: watch: rule 1"),
        ((watch,), "bob", "nothing: no rule names both"),
        ((), "bob", "control: there is no rule, so whoever has the port's password"),
    ):
        ((ok, text),) = await found(desk, user, "demo", instance=instances, rule=rules)
        assert said in text
        assert ok is ("nothing" not in text)
    ((ok, text),) = await found(desk, "ann", "stopped", instance=instances)
    assert (ok, "token" in text) == (False, True)
