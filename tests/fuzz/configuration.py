"""The configuration's file and `users_file`."""

from __future__ import annotations

from tests.fuzz.files import in_memory
from tests.fuzz.target import Choices, Target
from vncproxy.config.load import load
from vncproxy.config.model import BLOCKS, SECTIONS
from vncproxy.config.users_file import read_users
from vncproxy.errors import ConfigError

_NOWHERE = {"HOME": "/nonexistent", "VNCPROXY_CONFIG": ""}
_FOUND_MAX_CHARS = 400


def _check(error: ConfigError) -> None:
    assert error.problems
    for problem in error.problems:
        assert str(problem).isprintable()
        str(problem).encode()
        assert len(problem.found) < _FOUND_MAX_CHARS


def configuration(data: bytes) -> None:
    """A file with any content gives a configuration, or a ConfigError with printable problems."""
    choices = Choices(data)
    environ = dict(_NOWHERE)
    if choices.number(3) == 3:
        value = choices.take(choices.number(20)).replace(b"\0", b"")
        environ["VNCPROXY_LIMITS__IDLE_TIMEOUT"] = value.decode("utf-8", "surrogateescape")
    with in_memory(choices.rest) as path:
        try:
            load(path, environ)
        except ConfigError as error:
            _check(error)


def users_file(data: bytes) -> None:
    """A file with any content gives users, or a ConfigError that repeats nothing of it."""
    with in_memory(data) as path:
        try:
            users = read_users(path)
        except ConfigError as error:
            _check(error)
            return
    assert len({user.id for user in users}) == len(users)


TARGETS: tuple[Target, ...] = (
    Target(
        "configuration",
        configuration,
        8192,
        (
            *(f"[{section}]\n".encode() for section in SECTIONS),
            *(f"[[{block}]]\n".encode() for block in BLOCKS),
            *(
                f"\n{key} = ".encode()
                for keys in (*SECTIONS.values(), *BLOCKS.values())
                for key in keys
            ),
            b'"""',
            b"'''",
            b"\\u0000",
            b"= [[[[",
            b"a.b.c.",
        ),
    ),
    Target(
        "users-file",
        users_file,
        8192,
        (b'{"users":[{"name":"', b'"id":"', b'"sha256":"' + b"0" * 64, b'"groups":["'),
    ),
)
