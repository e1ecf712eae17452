"""`vncproxy user`: adds, removes and lists the users of users_file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vncproxy.commands.command import DONE, Command, add_commands, add_config, add_json
from vncproxy.commands.output import (
    print_json,
    print_line,
    print_lines,
    require_output,
    told_all_the_same,
)
from vncproxy.commands.running import load_config
from vncproxy.errors import ConfigError, ConfigProblem, LocalError
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config
    from vncproxy.config.users_file import User


def _add_name(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("name", metavar="NAME")


def _add_name_and_groups(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    parser.add_argument(
        "--group",
        metavar="G",
        action="append",
        default=[],
        dest="groups",
        help="for rules, which name it @G; may be given several times",
    )


def _add_listing(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)


def _run_add(options: argparse.Namespace) -> int:
    # Before there is a token that nobody would ever see.
    require_output()
    token = add(load_config(options).config, options.name, options.groups)
    nobody_has_it = Text(
        "{name} was added, and nobody has the token; to begin anew: vncproxy user remove {name}",
        name=options.name,
    )
    with told_all_the_same(nobody_has_it):
        print_line(token)
    return DONE


def _run_remove(options: argparse.Namespace) -> int:
    remove(load_config(options).config, options.name)
    return DONE


def _run_list(options: argparse.Namespace) -> int:
    require_output()
    users = listed(load_config(options).config)
    if options.json:
        print_json(users)
    else:
        print_lines(
            " ".join((one["name"], *(f"@{group}" for group in one["groups"]))) for one in users
        )
    return DONE


def users_path(config: Config) -> Path:
    """Where the users are.

    Raises:
        ConfigError: The configuration names no file.
    """
    if config.access.users_file is None:
        problem = ConfigProblem(
            "[access]", "users_file", Text("nothing"), Text("the path of a file")
        )
        raise ConfigError([problem])
    return config.access.users_file


def add(config: Config, name: str, groups: Sequence[str]) -> str:
    """Add a user.

    Args:
        config: Names the file.
        name: A new one.
        groups: The user's, without @.

    Returns:
        The token, which nothing keeps.

    Raises:
        LocalError: The user is there already, or no such name is possible, or it is
            what others are called.
        ConfigError: There is no users_file, or it can't be used.
    """
    from vncproxy.config.users_file import RESERVED, change_users, new_user

    if name.casefold() in RESERVED:
        raise LocalError(
            Text(
                "{name} can't be a user's name: rules and the audit call others so; take another",
                name=name,
            )
        )
    user, token = new_user(name, tuple(dict.fromkeys(groups)))

    def change(users: tuple[User, ...]) -> tuple[User, ...]:
        if any(one.name == name for one in users):
            raise LocalError(
                Text("there is a user {name} already; remove that first for a new token", name=name)
            )
        return (*users, user)

    change_users(users_path(config), change)
    return token


def remove(config: Config, name: str) -> None:
    """Remove a user.

    Raises:
        LocalError: There is no such user.
        ConfigError: As of `users_path`, or the file can't be read.
    """
    from vncproxy.config.users_file import change_users

    def change(users: tuple[User, ...]) -> tuple[User, ...]:
        if all(one.name != name for one in users):
            raise LocalError(Text("there is no user {name}", name=name))
        return tuple(one for one in users if one.name != name)

    change_users(users_path(config), change)


def listed(config: Config) -> list[dict[str, Any]]:
    """The users, without what is kept of their tokens.

    Raises:
        ConfigError: As of `users_path`, or the file can't be read.
    """
    from vncproxy.config.users_file import read_users

    return [
        {"name": one.name, "groups": list(one.groups), "token_id": one.id}
        for one in read_users(users_path(config))
    ]


ACTS = (
    Command(
        "add",
        "add a user and print the token, which nothing keeps",
        ("vncproxy user add ann --group ops",),
        _add_name_and_groups,
        _run_add,
    ),
    Command(
        "remove",
        "remove a user, whose token and log-ins are void at once",
        ("vncproxy user remove ann",),
        _add_name,
        _run_remove,
    ),
    Command("list", "list the users", ("vncproxy user list --json",), _add_listing, _run_list),
)
COMMAND = Command(
    "user",
    "keep the users of users_file",
    ("vncproxy user add ann --group ops", "vncproxy user list"),
    partial(add_commands, commands=ACTS, metavar="ACT"),
    None,
)
