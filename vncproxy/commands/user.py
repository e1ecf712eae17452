"""`vncproxy user`: adds, removes and lists the users of users_file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vncproxy.config.model import Config
from vncproxy.config.users_file import User, change_users, new_user, read_users
from vncproxy.errors import ConfigError, ConfigProblem, LocalError


def users_path(config: Config) -> Path:
    """Where the users are. Raises: ConfigError - the configuration names no file."""
    if config.access.users_file is None:
        problem = ConfigProblem("[access]", "users_file", "nothing", "the path of a file")
        raise ConfigError([problem])
    return config.access.users_file


def add(config: Config, name: str, groups: Sequence[str]) -> str:
    """Add a user; gives the token, which nothing keeps.

    Raises: LocalError - the user is there already, or no such name is possible; ConfigError.
    """
    user, token = new_user(name, tuple(dict.fromkeys(groups)))

    def change(users: tuple[User, ...]) -> tuple[User, ...]:
        if any(one.name == name for one in users):
            raise LocalError(f"there is a user {name} already; remove that first for a new token")
        return (*users, user)

    change_users(users_path(config), change)
    return token


def remove(config: Config, name: str) -> None:
    """Remove a user. Raises: LocalError - there is none; ConfigError."""

    def change(users: tuple[User, ...]) -> tuple[User, ...]:
        if all(one.name != name for one in users):
            raise LocalError(f"there is no user {name}")
        return tuple(one for one in users if one.name != name)

    change_users(users_path(config), change)


def listed(config: Config) -> list[dict[str, object]]:
    """The users, without what is kept of their tokens. Raises: ConfigError."""
    return [
        {"name": one.name, "groups": list(one.groups), "token_id": one.id}
        for one in read_users(users_path(config))
    ]
