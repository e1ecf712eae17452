"""From tables to the model."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from vncproxy.config.build import Builder, Folders, convert
from vncproxy.config.environment import Override
from vncproxy.config.lines import line_map
from vncproxy.config.model import Config, Instance, Listen
from vncproxy.config.problems import Report
from vncproxy.config.schema import SECTIONS
from vncproxy.errors import ConfigError, ConfigProblem

FILE = Path("/etc/vncproxy/vncproxy.toml")
FOLDERS = Folders(Path("/etc/vncproxy"), Path("/home/ann"))


def _build(text: str, overrides: tuple[Override, ...] = ()) -> Config:
    report = Report(FILE, line_map(text))
    config = Builder(report, FOLDERS).build(tomllib.loads(text), list(overrides))
    report.raise_if_any()
    return config


def _problems(text: str, overrides: tuple[Override, ...] = ()) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as caught:
        _build(text, overrides)
    return caught.value.problems


def _texts(text: str, overrides: tuple[Override, ...] = ()) -> list[str]:
    return [str(problem).removeprefix(f"{FILE}:") for problem in _problems(text, overrides)]


def test_nothing_is_the_defaults() -> None:
    """No tables give what the model says by itself."""
    assert _build("") == Config()


def test_values_arrive() -> None:
    """Numbers, flags, texts, lists and blocks come out in the model's types."""
    config = _build(
        "[limits]\nlinger = 3\nkeepalive_key = 0xffe1\n"
        '[access]\nallowed_hosts = ["a", "b"]\n[aliyun]\ndiscover = true\n'
        '[[instance]]\nid = "i-1"\n[[instance]]\nid = "i-2"\nalias = "b"\n'
        '[[listen]]\naddress = "[::1]:1"\n'
    )
    assert config.limits.linger == 3.0
    assert type(config.limits.linger) is float
    assert config.limits.keepalive_key == 0xFFE1
    assert config.access.allowed_hosts == ("a", "b")
    assert config.aliyun.discover is True
    assert config.instance == (Instance(id="i-1"), Instance(id="i-2", alias="b"))
    assert config.listen == (Listen(address="[::1]:1"),)


def test_paths() -> None:
    """Paths start from the file's folder or the home; those of the environment from here."""
    config = _build(
        '[aliyun]\nca_file = "ca.pem"\n[access]\ntoken_file = "~/t"\n[state]\ndirectory = "/s"\n'
    )
    assert config.aliyun.ca_file == Path("/etc/vncproxy/ca.pem")
    assert config.access.token_file == Path("/home/ann/t")
    assert config.state.directory == Path("/s")
    config = _build("", (Override("aliyun", "ca_file", "ca.pem"),))
    assert config.aliyun.ca_file == Path.cwd() / "ca.pem"
    assert Folders(Path("/b"), None).resolve(Path("~/t"), Path("/b")) == Path("/b/~/t")


def test_the_environment_wins() -> None:
    """An override replaces the file's value, and a wrong value in the file is still told."""
    override = (Override("limits", "linger", 5),)
    assert _build("[limits]\nlinger = 3\n", override).limits.linger == 5.0
    assert _texts("[limits]\nlinger = -3\n", override) == [
        "2: [limits] linger: found -3; expected seconds, 0 to 3600"
    ]
    assert _texts("[limits]\nlinger = 3\n", (Override("limits", "linger", -5),)) == [
        "environment: [limits] linger: found -5; expected seconds, 0 to 3600"
    ]


def test_every_mistake_at_once() -> None:
    """Each mistake is told with its line, key, what was found and what is expected."""
    text = """\
acces = 3
metrics = 3
[limits]
idle_timout = 300
linger = -1
ping_timeout = nan
max_wait = inf
max_viewers = 2.0
discover = true
[aliyun]
discover = 1
regions = ["cn-hangzhou", 3]
endpoint = "http://ecs.example.com"
[log]
level = "LOUD"
[[instance]]
alias = "a/b"
[[instance]]
id = "web-1"
"""
    assert _texts(text) == [
        '1: [acces]: found an unknown name; expected a known name; the nearest is "access"',
        "2: [metrics]: found 3; expected a table, opened by [metrics]",
        "4: [limits] idle_timout: found an unknown name; expected a known name; "
        'the nearest is "idle_timeout"',
        "5: [limits] linger: found -1; expected seconds, 0 to 3600",
        "6: [limits] ping_timeout: found nan; expected seconds, above 0 and at most 86400",
        "7: [limits] max_wait: found inf; expected seconds, above 0 and at most 86400",
        "8: [limits] max_viewers: found 2.0; expected a whole number, 1 to 1000",
        "9: [limits] discover: found an unknown name; expected one of "
        + ", ".join(SECTIONS["limits"]),
        "11: [aliyun] discover: found 1; expected true or false",
        "12: [aliyun] regions: found a list of 2; expected a list of region ids "
        'such as ["cn-hangzhou"]',
        "13: [aliyun] endpoint: found 'http://ecs.example.com'; expected https://HOST[:PORT] "
        "without path, query or user; http:// only for loopback",
        '15: [log] level: found \'LOUD\'; expected "debug", "info", "warning" or "error"',
        "16: [[instance]] 1 id: found nothing; expected an instance id such as "
        "i-bp1xxxxxxxxxxxxxxxxx",
        "17: [[instance]] 1 alias: found 'a/b'; expected 1 to 63 letters, digits, "
        "'.', '_' or '-', the first a letter or digit",
        "19: [[instance]] 2 id: found 'web-1'; expected an instance id such as "
        "i-bp1xxxxxxxxxxxxxxxxx",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[listen]\n", "blocks, each opened by [[listen]]"),
        ("listen = [1]\n", "blocks, each opened by [[listen]]"),
        ("[[limits]]\n", "a table, opened by [limits]"),
    ],
)
def test_blocks_and_tables_are_not_mixed_up(text: str, expected: str) -> None:
    """One bracket too few or too many is told as such."""
    [problem] = _problems(text)
    assert problem.expected == expected


def test_values_of_unknown_names_are_not_repeated() -> None:
    """A credential pasted into the file shows nowhere, and where it belongs is told."""
    secret = "LTAI5tPlantedKeyId000000"
    text = f'[aliyun]\naccess_key_secret = "planted6"\n"{secret}" = 1\n[planted]\nx = "planted6"\n'
    problems = _problems(text)
    assert len(problems) == 3
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in problems[0].expected
    whole = "".join(map(str, problems))
    assert "planted6" not in whole
    assert secret not in whole


def test_convert() -> None:
    """A value in its type, or None for what isn't such a value, a lone surrogate included."""
    assert convert(False, SECTIONS["aliyun"]["discover"]) is False
    assert convert("a\udc80", SECTIONS["aliyun"]["ca_file"]) is None
    assert convert("a\udc80", SECTIONS["log"]["level"]) is None
    assert convert(3, SECTIONS["aliyun"]["ca_file"]) is None
    assert convert("", SECTIONS["aliyun"]["ca_file"]) is None
    assert convert(2**2000, SECTIONS["limits"]["linger"]) is None
