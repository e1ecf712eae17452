"""`vncproxy check --as`: which rule decides."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from tests.unit.commands.surroundings import Installation, environ
from vncproxy.access.accounts import least_uid
from vncproxy.commands.permission import Permission, doors_of, permissions
from vncproxy.config.model import Access, Listen, Rule

pytestmark = pytest.mark.sockets

PEER = Listen(name="bastion", access="peer")
OWNERS = Listen(name="t")
RULES = (
    Rule(users=("ann",), instances=("st*",), role="watch", record=True),
    Rule(users=("ann", "anyone"), instances=("*",), role="admin"),
)


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this machine: two people, root and a service."""
    uids = {"ann": least_uid(), "bob": least_uid() + 1, "root": 0, "www-data": 33}
    monkeypatch.setattr("vncproxy.commands.permission.uid_of", uids.get)


async def found(
    installation: Installation,
    user: str,
    name: str | None,
    door: str | None = None,
    **sections: Any,
) -> list[str]:
    """The lines."""
    config = installation.config("demo", "stopped", **sections)
    answers = await permissions(config, environ(), user, name, None, door)
    assert all(one.ok is str(one).startswith("ok ") for one in answers)
    return [str(one) for one in answers]


async def test_the_rule_that_decides(installation: Installation) -> None:
    """Named with its role, for one instance or all; the cloud isn't asked for it."""
    (line,) = await found(installation, "ann", "stopped", listen=(PEER,), rule=RULES)
    assert line == (
        "ok    ann on stopped through bastion (peer): watch: rule 1 (watch, recorded) decides"
    )
    lines = await found(installation, "ann", None, listen=(PEER,), rule=RULES)
    assert ["rule 2" in line for line in lines] == [True, False]
    (line,) = await found(installation, "bob", "demo", listen=(PEER,), rule=RULES)
    assert line.startswith("no    bob on demo through bastion (peer): nothing: no rule names both")
    assert not installation.cloud.calls


async def test_each_door_for_itself(installation: Installation) -> None:
    """A name of users_file isn't the account of that name, and everybody is anyone at an open door.

    A door for the token has one user only.
    """
    access = Access(users_file=installation.folder / "users.json")
    doors = (PEER, Listen(name="u", access="users"), Listen(name="o", access="open"), OWNERS)
    ours: dict[str, Any] = {"listen": doors, "rule": RULES, "access": access}
    lines = await found(installation, "ann", "demo", **ours)
    assert lines == [
        "ok    ann on demo through bastion (peer), o (open): admin: rule 2 (admin) decides",
        "no    ann on demo through u (users): nothing: there is no such user in users_file",
    ]
    assert await found(installation, "ann", "demo", "u", **ours) == lines[1:]
    (line,) = await found(installation, "ann", "demo", "t", **ours)
    assert "nobody else" in line
    assert doors_of(installation.config("demo", **ours)) == ["bastion", "u", "o", "t"]


async def test_what_is_the_same_is_logged_once(installation: Installation) -> None:
    """For all doors and instances together; programs have it in parts."""
    doors = (PEER, Listen(name="loopback", access="peer"))
    config = installation.config("demo", "stopped", listen=doors, rule=RULES[1:])
    (answers,) = await permissions(config, environ(), "ann", None)
    assert str(answers) == (
        "ok    ann on demo, stopped through bastion (peer), loopback (peer): "
        "admin: rule 1 (admin) decides"
    )
    row = answers.row
    assert (row["ok"], row["role"], row["instances"]) == (True, "admin", ("demo", "stopped"))
    assert row["doors"] == ("bastion (peer)", "loopback (peer)")
    (answers,) = await permissions(config, environ(), "bob", None)
    assert (answers.ok, answers.row["role"]) == (False, None)
    many = Permission("ann", tuple("abcdefghijk"), ("d",), None, "no rule")
    assert "ann on a, b, c, d, e, f, g, h and 3 more through d" in str(many)


async def test_accounts_that_no_peer_has(installation: Installation) -> None:
    """Whatever the rules say of the name, the kernel never names it."""
    rule = Rule(users=("root", "www-data", "eve"), instances=("*",))
    for user, text in (
        ("eve", "no account of this name"),
        ("root", "nobody"),
        ("www-data", "nobody"),
    ):
        (line,) = await found(installation, user, "demo", listen=(PEER,), rule=(rule,))
        assert line.startswith("no ")
        assert text in line
    header = Listen(name="h", access="header", user_header="X-Forwarded-User")
    (line,) = await found(installation, "eve", "demo", listen=(header,), rule=(rule,))
    assert line.startswith("ok "), "a proxy's user needs no account here"


async def test_what_can_not_be_reported(installation: Installation) -> None:
    """An unknown instance, and a file of users that can't be used, are faults."""
    (line,) = await found(installation, "ann", "nowhere", listen=(PEER,))
    assert line.startswith("FAIL  nowhere: no instance")
    (line,) = await found(installation, "ann", "demo")
    assert line.startswith("no ")
    assert "token" in line
    (installation.folder / "users.json").write_text("x")
    access = Access(users_file=installation.folder / "users.json")
    (line,) = await found(installation, "ann", "demo", listen=(PEER,), access=access)
    assert line.startswith("FAIL  settings")


async def test_tags_are_asked_of_the_cloud(installation: Installation) -> None:
    """Only where a rule is about them."""
    rule = Rule(users=("ann",), instances=("tag:no=such",))
    (line,) = await found(installation, "ann", "demo", listen=(PEER,), rule=(rule,))
    assert line.startswith("no ")
    assert {call.action for call in installation.cloud.calls} == {"DescribeInstances"}


async def test_the_hours_of_rules(installation: Installation) -> None:
    """At the time that is asked about, whatever it is now."""
    rule = Rule(users=("ann",), instances=("*",), hours=("mon-fri 08:00-18:00",))
    config = installation.config("demo", listen=(PEER,), rule=(rule,))
    for at, text in (
        (datetime(2026, 11, 24, 19, 12), "nothing: allowed only mon-fri 08:00-18:00 (rule 1), and"),
        (datetime(2026, 11, 24, 8), "control: rule 1 (control, mon-fri 08:00-18:00) decides"),
    ):
        (line,) = await permissions(config, environ(), "ann", "demo", at)
        assert text in str(line)


async def test_ports_of_native_viewers(installation: Installation) -> None:
    """Rules count there for the account of that name; without any, the password is enough."""
    demo = installation.config("demo").instance[0]
    instances = (
        msgspec.structs.replace(demo, tcp_port=5901),
        *installation.config("stopped").instance,
    )
    watch = Rule(users=("ann",), instances=("demo",), role="watch")
    for rules, user, text in (
        (
            (watch,),
            "ann",
            "ok    ann on demo through tcp_port 5901 with its password: watch: rule 1",
        ),
        ((watch,), "bob", "nothing: no rule names both"),
        ((watch,), "root", "count as nobody"),
        ((), "eve", "control: there is no rule, so everybody who has the port's password"),
    ):
        (line,) = await found(installation, user, "demo", instance=instances, rule=rules)
        assert text in line
        (again,) = await found(
            installation, user, "demo", "tcp_port 5901", instance=instances, rule=rules
        )
        assert again == line
    (line,) = await found(installation, "ann", "stopped", instance=instances)
    assert "token" in line
    (line,) = await found(installation, "ann", "stopped", "tcp_port 5901", instance=instances)
    assert "leads to another instance" in line
