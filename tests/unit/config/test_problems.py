"""The collected mistakes, and what they say was found."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from vncproxy.config.problems import Report, key_name, looks_secret, named, shown
from vncproxy.errors import ConfigError, ConfigProblem


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "true"),
        (False, "false"),
        (31, "31"),
        (1 << 200, "a number of more than 128 bits"),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        ("loud", "'loud'"),
        ("a\nb", r"'a\nb'"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "a table"),
        (date(2026, 8, 1), "a date or time"),
        ("i-bp1xxxxxxxxxxxxxxxxx", "'i-bp1xxxxxxxxxxxxxxxxx'"),
        ("/etc/vncproxy/web-1.password", "'/etc/vncproxy/web-1.password'"),
        ("https://ecs.cn-hangzhou.aliyuncs.com/x", "'https://ecs.cn-hangzhou.aliyuncs.com/x'"),
    ],
)
def test_harmless_values_are_shown(value: object, words: str) -> None:
    """What is no secret is repeated, in a form that fits a line."""
    assert shown(value) == words


def test_long_texts_are_cut() -> None:
    """A text of any length takes a bounded room."""
    assert len(shown("x y " * 1000)) < 100


@pytest.mark.parametrize(
    "secret",
    [
        "LTAI5tPlantedKeyId000000",
        "abcDEF123456abcDEF123456abcDEF",
        "wss://hz01-vncproxy.aliyun.com/websockify/?s=Dvh%2FIA%2BYc73gWO48",
        "wss%3A%2F%2Fhz01-vncproxy.aliyun.com%2Fwebsockify%2F%3Fs%3DDvh",
        "valkey://user:pass@host/0",
        "STS.NUgYrLnoC37mZZCNnAbez",
        "0123456789abcdef0123456789abcdef",
        "k3Hs-9dKq_0aZtXw71LmPqRsTuVwXyZ0123456789ab",
    ],
)
def test_secrets_are_not_shown(secret: str) -> None:
    """What resembles a credential or carries one is reported by its length only."""
    assert looks_secret(secret)
    assert shown(secret) == f"a text of {len(secret)} characters (not shown: it may be a secret)"


def test_a_password_in_place_of_its_file_is_not_shown() -> None:
    """Under a name that asks for a secret's file, a text without a slash may be the secret."""
    assert "abc123" not in shown("abc123", key="password_file")
    assert shown("./abc123", key="password_file") == "'./abc123'"
    assert shown("abc123", key="ca_file") == "'abc123'"


def test_names() -> None:
    """A name is repeated as it is, unless it could break the line or be a secret itself."""
    assert named("VNCPROXY_LIMITS__LINGER") == "VNCPROXY_LIMITS__LINGER"
    assert named(3) == "3"
    assert named("a\nb") == r"'a\nb'"
    assert "LTAI" not in named("LTAI5tPlantedKeyId000000")


FILE = Path("/etc/vncproxy/vncproxy.toml")
LINES: dict[tuple[str | int, ...], int] = {
    ("limits",): 3,
    ("limits", "linger"): 4,
    ("listen",): 1,
    ("listen", 0): 1,
}


def test_all_in_the_order_of_the_file() -> None:
    """The file's mistakes come by line, then the environment's."""
    report = Report(FILE, LINES)
    report.append(ConfigProblem("environment", "VNCPROXY_X", "a", "b"))
    report.overridden(("log", "level"))
    report.add(("log", "level"), "'loud'", "'info'")
    report.add(("limits", "linger"), "-1", "0 or more")
    report.add(("listen", 0, "name"), "''", "a name")
    with pytest.raises(ConfigError) as caught:
        report.raise_if_any()
    assert [str(problem) for problem in caught.value.problems] == [
        f"{FILE}:1: [[listen]] 1 name: found ''; expected a name",
        f"{FILE}:4: [limits] linger: found -1; expected 0 or more",
        "environment: VNCPROXY_X: found a; expected b",
        "environment: [log] level: found 'loud'; expected 'info'",
    ]


def test_nothing_wrong_raises_nothing() -> None:
    """An empty report is silent."""
    Report(FILE, LINES).raise_if_any()


def test_faulty_keys_are_not_usable() -> None:
    """A key found faulty is left out of later checks until the environment replaces its value."""
    report = Report(FILE, LINES)
    path = ("limits", "linger")
    assert report.usable(path)
    report.add(path, "-1", "more")
    assert not report.usable(("limits", "max_wait"), path)
    report.overridden(path)
    assert report.usable(path)


def test_where() -> None:
    """Each key is stated to come from its line, the environment or nowhere."""
    report = Report(FILE, LINES)
    assert report.where(("limits", "linger")) == f"{FILE}:4"
    assert report.where(("metrics", "access")) == str(FILE)
    assert Report(None, {}).where(("limits", "linger")) == "defaults"
    assert report.is_set(("limits", "linger"))
    assert not report.is_set(("limits", "max_wait"))
    report.overridden(("limits", "max_wait"))
    assert report.where(("limits", "max_wait")) == "environment"
    assert report.is_set(("limits", "max_wait"))


def test_how_a_path_was_written_is_kept() -> None:
    """An error repeats what the file says, not what became of it."""
    report = Report(FILE, LINES)
    report.remember(("aliyun", "ca_file"), "'ca.pem'")
    assert report.written(("aliyun", "ca_file")) == "'ca.pem'"


def test_key_names() -> None:
    """Keys are written as in the file, blocks counted from 1, and a secret as a name is hidden."""
    assert key_name(("limits", "linger")) == "[limits] linger"
    assert key_name(("instance", 1, "alias")) == "[[instance]] 2 alias"
    assert key_name(("limits",)) == "[limits]"
    assert key_name(()) == "the file"
    assert key_name(("limits", "a\nb")) == r"[limits] 'a\nb'"
    assert "LTAI" not in key_name(("aliyun", "LTAI5tPlantedKeyId000000"))


def test_which_file_sets_a_key(tmp_path: Path) -> None:
    """None where the environment or a default does."""
    file = tmp_path / "x.toml"
    report = Report(file, {("throttle", "store"): 3})
    assert report.file_of(("throttle", "store")) == file
    assert report.file_of(("throttle", "name")) is None
    report.overridden(("throttle", "store"))
    assert report.file_of(("throttle", "store")) is None
