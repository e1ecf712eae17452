"""`vncproxy check --as`: what somebody may do, and the rule that decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from vncproxy.access.accounts import is_person, uid_of
from vncproxy.access.authority import Authority
from vncproxy.access.identity import ANYONE, Identity
from vncproxy.access.rules import Role
from vncproxy.access.users import Users
from vncproxy.commands.output import Finding
from vncproxy.config.model import Config
from vncproxy.errors import VncproxyError
from vncproxy.instances.configured import inventory_of
from vncproxy.instances.instance_list import ConsoleInstance, InstanceList
from vncproxy.instances.search import advice
from vncproxy.languages.text import Text, shortened
from vncproxy.service.cloud_client import cloud_of

_OWNER_ONLY = Text(
    'access = "token": everybody who has the token may do everything, and nobody else'
)
_NO_ACCOUNT = Text("this machine has no account of this name")
_NOBODY = Text(
    "root and the accounts of services count as nobody, since anybody may be behind them"
)
_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Permission:
    """What a user may do with some instances through some doors.

    Args:
        user: The account's or user's name.
        instances: Their aliases.
        doors: Their names, with how each lets people in.
        role: The highest; None: nothing is allowed.
        text: Why, in words.
    """

    user: str
    instances: tuple[str, ...]
    doors: tuple[str, ...]
    role: Role | None
    text: str

    @property
    def line(self) -> Text:
        """For people."""
        return Text(
            "{mark}  {what}: {may}: {why}",
            mark=Text("ok  ") if self.role else Text("no  "),
            what=self._what,
            may=self._may,
            why=Text(self.text),
        )

    def __str__(self) -> str:
        """The same in plain English."""
        return self.line.english

    @property
    def ok(self) -> bool:
        """Whether it is anything."""
        return self.role is not None

    @property
    def row(self) -> dict[str, Any]:
        """For programs."""
        return {
            "what": self._what,
            "ok": self.ok,
            "text": f"{self._may}: {self.text}",
            "role": self.role and self._may,
            "instances": self.instances,
            "doors": self.doors,
        }

    @property
    def _may(self) -> Text:
        return Text(self.role.name.lower()) if self.role is not None else Text("nothing")

    @property
    def _what(self) -> Text:
        names = shortened(self.instances, _NAMES_SHOWN)
        doors = reduce(
            lambda before, one: Text("{before}, {one}", before=before, one=one), self.doors
        )
        return Text("{user} on {names} through {doors}", user=self.user, names=names, doors=doors)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a user may come in.

    Args:
        name: The door's, as in the audit.
        label: The same for people, with how the door lets them in.
        who: The user there; None: the door knows no names.
        known: Whether the kernel has to name the account.
    """

    name: str
    label: str
    who: Identity | None
    known: bool = False


async def permissions(
    config: Config,
    environ: Mapping[str, str],
    user: str,
    name: str | None,
    at: datetime | None = None,
    door: str | None = None,
) -> list[Permission | Finding]:
    """What a user may do with an instance, or with each, through each door; same answers together.

    The same name may be somebody else at doors of another kind. Nothing is asked of the cloud but
    tags that a rule is about, and instances that aren't configured; what can't be found out is a
    `Finding`.

    Args:
        config: The settings: rules, doors and instances.
        environ: The environment's variables.
        user: The name, as a door takes it.
        name: Alias, id or name of the instance; None: all.
        at: Local time; None: now.
        door: This one of `doors_of` only; None: all.
    """
    found: list[Permission | Finding] = []
    try:
        authority = Authority.of(config.rule, Users(config.access.users_file))
        async with cloud_of(config, environ) as cloud:
            inventory = inventory_of(config, cloud.client)
            if authority.need_tags or (name is None and config.aliyun.discover_in):
                await inventory.all()
                if inventory.problem is not None:
                    found.append(Finding(Text("list of instances"), False, inventory.problem.text))
            wanted = inventory.known
            if name is not None:
                one = await inventory.find(name)
                wanted = [one] if one is not None else []
                if one is None:
                    found.append(await unknown_instance(name, inventory))
            answers = [
                (one, await _answers(config, authority, user, one, at, door)) for one in wanted
            ]
            found += _together(user, answers)
    except VncproxyError as error:
        found.append(Finding(Text("settings"), False, error.text))
    return found


async def unknown_instance(name: str, inventory: InstanceList) -> Finding:
    """What a command says of a name that no instance has.

    Args:
        name: Of an instance, perhaps misspelt.
        inventory: Proposes what may be meant.
    """
    text = Text("no instance of this name or id.")
    if more := await advice(name, inventory.known):
        text = Text("no instance of this name or id. {advice}", advice=more)
    return Finding(name, False, text)


def doors_of(config: Config) -> list[str]:
    """What all doors are called, as in the audit."""
    ports = [_port_name(one.tcp_port) for one in config.instance if one.tcp_port is not None]
    return [*(one.name for one in config.listen), *ports]


def _port_name(port: int) -> str:
    return f"tcp_port {port}"


def _ways(config: Config, user: str, instance: ConsoleInstance) -> Iterator[_Way]:
    for one in config.listen:
        label = f"{one.name} ({one.access})"
        match one.access:
            case "token":
                yield _Way(one.name, label, None)
            case "open":
                yield _Way(one.name, label, ANYONE)
            case kind:
                yield _Way(one.name, label, Identity(user, "peer", kind), known=kind == "peer")
    for port in (one.tcp_port for one in config.instance if one.id == instance.id):
        if port is not None:
            label = Text("{port} with its password", port=_port_name(port))
            native = Identity(user, "peer+vnc-password", "peer")
            # Without a rule the password is enough, whose account it is doesn't matter.
            yield _Way(_port_name(port), label, native, known=bool(config.rule))


_Answers = dict[tuple[Role | None, str], list[str]]
"""The doors by what the user may do there, and why."""


async def _answers(
    config: Config,
    authority: Authority,
    user: str,
    instance: ConsoleInstance,
    at: datetime | None,
    door: str | None,
) -> _Answers:
    answers: _Answers = {}
    ways = [way for way in _ways(config, user, instance) if door in (None, way.name)]
    if door is not None and not ways:
        return {(None, Text("this port leads to another instance")): [door]}
    # Doors for the owner alone are worth a line only if there are no others.
    for way in [way for way in ways if way.who is not None] or ways:
        fault = _why_nobody(user) if way.known else None
        if way.who is None or fault is not None:
            answer: tuple[Role | None, str] = (None, fault or _OWNER_ONLY)
        else:
            await authority.learn(way.who)
            decision = authority.decide(way.who, instance, at)
            answer = (decision.role, decision.text)
        answers.setdefault(answer, []).append(way.label)
    return answers


def _why_nobody(user: str) -> str | None:
    """Why the kernel never names this account, in words; None: it does."""
    uid = uid_of(user)
    if uid is None:
        return _NO_ACCOUNT
    return None if is_person(uid) else _NOBODY


def _together(user: str, found: list[tuple[ConsoleInstance, _Answers]]) -> Iterator[Permission]:
    """One line for all instances with the same answer at the same doors."""
    by_answer: dict[tuple[Role | None, str, tuple[str, ...]], list[str]] = {}
    for instance, answers in found:
        for (role, text), doors in answers.items():
            by_answer.setdefault((role, text, tuple(doors)), []).append(instance.alias)
    for (role, text, labels), aliases in by_answer.items():
        yield Permission(user, tuple(aliases), labels, role, text)
