"""The collected mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.config.problems import Report, key_name
from vncproxy.errors import ConfigError, ConfigProblem

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
    """Each key is said to come from its line, the environment or nowhere."""
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
