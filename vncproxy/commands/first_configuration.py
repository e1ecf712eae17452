"""The text of a first configuration, and what its parts may be; see `init`, which asks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vncproxy.languages.text import Text

DOORS = {
    "token": Text("you, by the links that `vncproxy url` and `vncproxy open` make"),
    "peer": Text("accounts of this machine, also those that come through an SSH tunnel"),
    "users": Text("people with tokens of their own, from `vncproxy user add`"),
}
"""What `access` may be here, and whom it lets in. Others need more than a question."""
USERS_FILE = "users.json"
_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_NOT_IN_ALIAS = re.compile(r"[^A-Za-z0-9._]+")
_ALIAS_MAX = 63
_HEAD = """\
# Made by `vncproxy init`. Every key is explained in vncproxy.toml(5) and config/README.md.
# Credentials never stand here: they come from ALIBABA_CLOUD_ACCESS_KEY_ID and
# ALIBABA_CLOUD_ACCESS_KEY_SECRET in the environment, a CLI profile or an ECS RAM role.
"""


@dataclass(frozen=True, slots=True)
class Picked:
    """An instance to be written.

    Args:
        id: The cloud's.
        name: The cloud's, or what to call it; an alias is made of it. "": none.
        windows: Whether it runs Windows.
    """

    id: str
    name: str = ""
    windows: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What somebody chose.

    Args:
        region: Of all instances.
        instances: Those that may be opened; with `discover` there are none.
        discover: Whether all are to be opened that the cloud shows.
        access: One of `DOORS`.
        address: Of the door.
        users: Who may control the instances; for doors other than token.
    """

    region: str
    instances: tuple[Picked, ...]
    discover: bool
    access: str
    address: str
    users: tuple[str, ...] = ()


def text_of(choices: Choices) -> str:
    """The file. Nothing in it is checked; see `vncproxy.config.load.config_of`."""
    region = f"[aliyun]\nregion = {_quoted(choices.region)}\n"
    door = f"address = {_quoted(choices.address)}\naccess = {_quoted(choices.access)}\n"
    parts = [_HEAD, f"[[listen]]\n{door}"]
    if choices.access == "users":
        parts.append(f"[access]\nusers_file = {_quoted(USERS_FILE)}\n")
    parts.append(region + ("discover = true\n" if choices.discover else ""))
    aliases: set[str] = set()
    for one in choices.instances:
        alias = alias_of(one.name, aliases)
        aliases.add(alias)
        parts.append(
            "[[instance]]\n"
            + (f"alias = {_quoted(alias)}\n" if alias else "")
            + f"id = {_quoted(one.id)}\n"
            + ("windows = true\n" if one.windows else "")
        )
    if choices.users:
        users = ", ".join(_quoted(user) for user in choices.users)
        parts.append(f'[[rule]]\nusers = [{users}]\ninstances = ["*"]\nrole = "control"\n')
    return "\n".join(parts)


def _quoted(text: str) -> str:
    """A TOML string: JSON's are such, but for the one control character that JSON lets through."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def alias_of(name: str, taken: Iterable[str]) -> str:
    """An alias that is like a name and not among those taken; "" where the name has no letter for
    one.
    """
    from vncproxy.config.value_types import NAME_PATTERN

    plain = _NOT_IN_ALIAS.sub("-", name).strip("-._")[:_ALIAS_MAX]
    if not re.match(NAME_PATTERN, plain):
        return ""
    if plain.lower().startswith("i-"):
        plain = f"ecs-{plain}"[:_ALIAS_MAX]
    used, alias, number = set(taken), plain, 2
    while alias in used:
        end = f"-{number}"
        alias, number = plain[: _ALIAS_MAX - len(end)] + end, number + 1
    return alias


def numbers(answer: str, count: int) -> list[int]:
    """The places that an answer such as `1 3-5` names, from 0, each once, in its order.

    Raises:
        ValueError: It names none, or one that isn't there; the text says what to type.
    """
    found: dict[int, None] = {}
    for word in answer.replace(",", " ").split():
        match = _RANGE.fullmatch(word)
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else 0
        if not 1 <= first <= last <= count:
            raise ValueError(
                Text(
                    "{word} is none of them: type numbers from 1 to {count}, or all",
                    word=word,
                    count=count,
                )
            )
        found |= dict.fromkeys(range(first - 1, last))
    if not found:
        raise ValueError(Text("type numbers from 1 to {count}, or all", count=count))
    return list(found)


def named(given: Sequence[Picked], listed: Iterable[Picked]) -> tuple[Picked, ...]:
    """What options gave, with what the cloud's list knows of it besides."""
    known = {one.id: one for one in listed}
    return tuple(
        Picked(one.id, one.name or known[one.id].name, known[one.id].windows)
        if one.id in known
        else one
        for one in given
    )
